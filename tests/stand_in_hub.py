"""A stand-in for the Hugging Face Hub's HTTP interface, as far as an upload of a data set uses it (LFS, no Xet)."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

BINARY = (".tar", ".parquet")


class StandInHub:
    """Keeps one repository in memory. `fail(method, path)` may return a status to answer with instead.

    files: path -> content as committed; blobs: sha256 -> content as uploaded; log: (method, path) of all requests.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.tags: list[str] = []
        self.log: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.fail: Callable[[str, str], int | None] = lambda _, __: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StandInHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON of a request."""
        base = "/api/datasets/org/data"
        if path == "/api/repos/create":
            return 200, {"url": f"{self.url}/datasets/org/data", "id": "org/data", "name": "org/data"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == f"{base}/preupload/main":
            return 200, {"files": [self._mode(one) for one in json.loads(body)["files"]]}
        if path == "/datasets/org/data.git/info/lfs/objects/batch":
            return 200, {"transfer": "basic", "objects": [self._lfs(o) for o in json.loads(body)["objects"]]}
        if method == "PUT" and path.startswith("/blobs/"):
            self.blobs[path.removeprefix("/blobs/")] = body
            return 200, {}
        if path == f"{base}/commit/main":
            return self._commit([json.loads(line) for line in body.splitlines()])
        if path.startswith(f"{base}/tag/"):
            self.tags.append(json.loads(body)["tag"])
            return 200, {}
        if path == f"{base}/revision/main" or path == base:
            return 200, self._info()
        if path.startswith(f"{base}/tree/main"):
            return 200, [
                {"type": "file", "path": p, "size": len(c), "oid": _blob(c)}
                for p, c in sorted(self.files.items())
            ]
        return 404, {"error": f"the stand-in knows no {method} {path}"}

    def _info(self) -> dict[str, Any]:
        return {
            "id": "org/data",
            "_id": "1",
            "sha": "0" * 40,
            "private": False,
            "xetEnabled": False,
            "siblings": [
                {"rfilename": p, "size": len(c), "blobId": _blob(c)} for p, c in sorted(self.files.items())
            ],
        }

    def _mode(self, one: dict[str, Any]) -> dict[str, Any]:
        held = self.files.get(one["path"])
        lfs = one["path"].endswith(BINARY)
        return {
            "path": one["path"],
            "uploadMode": "lfs" if lfs else "regular",
            "shouldIgnore": False,
            "oid": None if held is None else hashlib.sha256(held).hexdigest() if lfs else _blob(held),
        }

    def _lfs(self, asked: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in self.blobs:
            found["actions"] = {"upload": {"href": f"{self.url}/blobs/{asked['oid']}", "header": {}}}
        return found

    def _commit(self, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.blobs:
                    return 400, {"error": "a blob that was not uploaded"}
                self.files[value["path"]] = self.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
        return 200, {
            "success": True,
            "commitOid": "1" * 40,
            "commitUrl": f"{self.url}/datasets/org/data/commit/{'1' * 40}",
            "hookOutput": "",
        }

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path)
                hub.log.append((self.command, path))
                hub.tokens.add(self.headers.get("Authorization"))
                status = hub.fail(self.command, path)
                code, answer = (
                    hub.answer(self.command, path, body) if status is None else (status, {"error": "no"})
                )
                data = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _do  # noqa: N815

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        return Handler


def _blob(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
