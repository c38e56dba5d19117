"""A real Chromium, driven over its debugging pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "PageUp": 33,
    "PageDown": 34,
    "Enter": 13,
    "Escape": 27,
}


WITH_PIPES = """
import os, sys
ends = [os.dup(os.dup(os.dup(int(text)))) for text in sys.argv[1:3]]
for end, wanted in zip(ends, (3, 4)):
    os.dup2(end, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium wants its pipe on the file descriptors 3 and 4."""


class Browser:
    """One headless Chromium with one page: keys, mouse and scripts as the DevTools protocol sends them."""

    def __init__(self, binary: str, folder: Path) -> None:
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        command = [
            *(sys.executable, "-c", WITH_PIPES, str(theirs_in), str(theirs_out), binary),
            *("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"),
            *("--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank"),
        ]
        self.process = subprocess.Popen(
            command,
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.input, self.output, self.rest, self.number = ours_out, ours_in, b"", 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol; events that come meanwhile are kept."""
        answer = self._ask(method, **parameters)
        assert "error" not in answer, answer
        return answer["result"]

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.input, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append(answer)
        return answer

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.output], [], [], 60)[0], "the browser does not answer"
            more = os.read(self.output, 1 << 20)
            assert more, "the browser is gone"
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, page: Path) -> None:
        """Go to a local page and wait until it is loaded."""
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        self.until(f"document.readyState == 'complete' && location.href == {json.dumps(page.as_uri())}")

    def reload(self) -> None:
        """As a user who closed the tab and comes back."""
        self.run("window.old = true")
        self.send("Page.reload")
        self.until("!window.old && document.readyState == 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", **self._expression(script))
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def _expression(self, script: str) -> dict[str, Any]:
        return {"expression": script, "returnByValue": True, "awaitPromise": True}

    def until(self, condition: str) -> Any:
        """Wait for an expression to become true; return its value. (Between two pages there is none to ask.)"""
        end = time.monotonic() + 60
        while True:
            answer = self._ask("Runtime.evaluate", **self._expression(condition))
            if value := answer.get("result", {}).get("result", {}).get("value"):
                return value
            assert time.monotonic() < end, f"never: {condition}: {answer}"
            time.sleep(0.02)

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys, one after the other, where the focus is."""
        for key in keys:
            text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
            code = KEYS.get(key, ord(key[0].upper()))
            common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
            self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **text)
            self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def click(self, selector: str, place: int = 0, shift: bool = False) -> None:
        """Click in the middle of an element."""
        box = self.run(
            f"(() => {{ const node = document.querySelectorAll({json.dumps(selector)})[{place}];"
            "node.scrollIntoView({block: 'center'}); const box = node.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        at = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1, "modifiers": 8 if shift else 0}
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, **at)

    def screenshot(self, path: Path) -> None:
        """The visible page as a PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def complaints(self) -> list[str]:
        """What the page logged as errors, refused by policy or threw, since it was opened."""
        self.run("0")
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"]))
            elif event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"])
        return found

    def close(self) -> None:
        """End the browser that this object started."""
        self.session = None
        self.send("Browser.close")
        self.process.wait(timeout=60)
        os.close(self.input)
        os.close(self.output)


def one_browser(folder: Path) -> Iterator[Browser]:
    """A browser for a fixture; the tests are skipped where none is installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        pytest.skip("no Chromium or Chrome is installed: the page's script is not exercised")
    browser = Browser(binary, folder)
    yield browser
    browser.close()
