"""An OpenAI-compatible server of the tests' own that misbehaves by script, on a loopback port."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]


@dataclass
class Answer:
    """What the server does for one request: status, headers and body; pause before it; seconds between its bytes."""

    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    drip: float = 0.0
    cut: int | None = None


def completion(
    text: str | None, *, refusal: str | None = None, finish: str = "stop", usage: bool = True
) -> Answer:
    """A well-formed chat completion."""
    record: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, "refusal": refusal},
            }
        ],
    }
    if usage:
        record["usage"] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return Answer(json.dumps(record))


@dataclass
class FaultyServer:
    """`reply` decides the answer from (number of the request, its body); `requests` holds all bodies."""

    reply: Callable[[int, Request], Answer]
    requests: list[Request] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _handler(state: FaultyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                number = len(state.requests)
                state.requests.append(body)
                state.paths.append(self.path)
                state.keys.append(self.headers.get("Authorization", ""))
            answer = state.reply(number, body)
            if answer.pause:
                state.closing.wait(answer.pause)
            data = answer.body.encode()
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if answer.drip:
                    for byte in data:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if state.closing.is_set():
                            return
                        time.sleep(answer.drip)
                else:
                    self.wfile.write(data[: answer.cut])
            except OSError:
                # The client has gone.
                pass
            self.close_connection = True

    return Handler


@contextmanager
def faulty_server(reply: Callable[[int, Request], Answer]) -> Iterator[FaultyServer]:
    """Serve `reply` for the length of the block."""
    state = FaultyServer(reply)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class RawServer:
    """A server that reads a request and then sends what `attack` yields, for as long as the client takes it."""

    url: str
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def raw_server(attack: Callable[[], Iterable[bytes]], pause: float = 0.0) -> Iterator[RawServer]:
    """Serve `attack` for the length of the block; pause: seconds before each piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = RawServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    closing = threading.Event()

    def serve(client: socket.socket) -> None:
        with client:
            try:
                state.requests.append(_whole_request(client))
                for piece in attack():
                    if closing.wait(pause) if pause else closing.is_set():
                        return
                    client.sendall(piece)
            except OSError:
                pass  # the client has gone

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(client,), daemon=True))
            threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield state
    finally:
        closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(5)


def _whole_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += (piece := client.recv(1 << 16))
        if not piece:
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(v)
            for k, _, v in (line.partition(b":") for line in head.split(b"\r\n"))
            if k.lower() == b"content-length"
        ),
        0,
    )
    while len(body) < length:
        body += client.recv(1 << 16)
    return head + b"\r\n\r\n" + body
