"""Uploads, against a stand-in for the Hub in this process; huggingface_hub itself runs in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_in_hub import StandInHub

TOKEN = "hf_" + "s3cr3t" * 5
PUSH = (
    "import sys; from pathlib import Path\n"
    "from clay_eval.generator.publishing.push import push_release\n"
    "from clay_eval.schemas.errors import ClayEvalError\n"
    "try: sys.stdout.write(push_release(Path(sys.argv[1]), 'org/data', '1.0.0'))\n"
    "except ClayEvalError as error: sys.stdout.write(str(error)); sys.exit(error.exit_code)\n"
)


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    with StandInHub() as server:
        yield server


@pytest.fixture
def push(hub: StandInHub, tmp_path: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }

    def call(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", PUSH, folder],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


Push = Callable[[Path], subprocess.CompletedProcess[str]]


def test_everything_arrives_and_nothing_twice(
    plain_release: Path, hub: StandInHub, push: Push, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(plain_release, tmp_path / "r"))
    (copy / ".DS_Store").write_text("not of the release")
    hub.files["data/old.tar"] = b"of an earlier release"
    hub.files["notes.txt"] = b"somebody's"
    done = push(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.files == content(plain_release) | {"notes.txt": b"somebody's"}
    assert hub.tags == ["v1.0.0"]
    assert "/datasets/org/data/commit/" in done.stdout
    assert hub.tokens <= {f"Bearer {TOKEN}", None}
    assert f"Bearer {TOKEN}" in hub.tokens
    sent = [path for method, path in hub.log if method == "PUT"]
    assert len(sent) == 4
    hub.log.clear()
    assert push(copy).returncode == 0
    assert not [path for method, path in hub.log if method == "PUT"]
    assert TOKEN not in done.stdout + done.stderr


def test_an_interrupted_upload_goes_on(plain_release: Path, hub: StandInHub, push: Push) -> None:
    """The Hub fails after two blobs; the same command sends the rest and not those."""

    def fail(method: str, path: str) -> int | None:
        return 403 if method == "PUT" and len(hub.blobs) >= 2 else None

    hub.fail = fail
    done = push(plain_release)
    assert done.returncode == 2
    assert "the same command again" in done.stdout
    assert hub.files == {}
    there = set(hub.blobs)
    assert 2 <= len(there) < 4
    hub.fail = lambda _, __: None
    hub.log.clear()
    assert push(plain_release).returncode == 0
    assert hub.files == content(plain_release)
    again = {path.removeprefix("/blobs/") for method, path in hub.log if method == "PUT"}
    assert not again & there


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_told_without_the_token(
    plain_release: Path, hub: StandInHub, push: Push, status: int
) -> None:
    hub.fail = lambda _, __: status
    done = push(plain_release)
    assert done.returncode == 2
    assert "the upload did not end" in done.stdout
    assert "org/data" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
