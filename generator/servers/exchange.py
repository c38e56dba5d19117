"""A client of an OpenAI-style API whose exchanges are bounded, whatever the server sends.

A deadline and a size hold for the whole of an exchange: connection, headers, interim answers (1xx), body, and this whatever
the status. They are held at the socket, where every byte passes; what a body unpacks to is held as it is unpacked. Redirects
are not followed: the key is for the server that was named.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import openai

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.proxies import proxy_for
from clay_eval.schemas.secrets import known_secrets, without_userinfo

_RECEIVED = "clay_eval.received"
_HEADERS = 1 << 18
"""Bytes before the body: headers and interim answers, those of a proxy included."""
_CODINGS = 3
_PIECE = 1 << 14


class TooLargeError(openai.OpenAIError):
    """A server sent more than an answer may have; `received` is the beginning of the body."""

    received = b""


class AbandonedError(openai.OpenAIError):
    """An exchange that was given up because whoever wanted it was interrupted."""


class Client(openai.OpenAI):
    """openai's client, whose exchanges can be ended at once."""

    network: _Network

    @contextmanager
    def abandoned(self) -> Iterator[None]:
        """Exchanges under way end now, and none begins while the block lasts: AbandonedError. Call it where a wait for them
        would otherwise hold up an interruption for as long as they may take."""
        self.network.stop()
        try:
            yield
        finally:
            self.network.stopped.clear()

    def wait(self, seconds: float) -> None:
        """Wait, no longer than until exchanges are abandoned."""
        self.network.stopped.wait(seconds)

    def _calculate_retry_timeout(self, *arguments: Any, **options: Any) -> float:
        # openai sleeps for as long as this says, and nothing would wake it.
        self.wait(super()._calculate_retry_timeout(*arguments, **options))
        return 0.0


def open_client(
    url: str, key: str, *, timeout: float, largest: int, retries: int = 0, where: str, key_where: str
) -> Client:
    """A client of the API at `url`, whose query goes along with every request.

    timeout: seconds for a whole exchange. largest: bytes of a body, unpacked. where, key_where: what to blame for a wrong
    URL and key. Exchanges raise openai's errors, and TooLargeError. Raises InputError for a wrong URL, key or proxy.
    """
    base, query = _parts(url, where)
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(
            "the key holds characters that no key has",
            where=key_where,
            expected="letters, digits and signs, one line",
        )
    http = _library()
    transport = http.HTTPTransport(
        proxy=proxy_for(url), limits=http.Limits(max_connections=None, max_keepalive_connections=0)
    )
    # Each connection carries one exchange, so what holds for the connection holds for the exchange.
    network = _Network(transport._pool._network_backend, timeout)
    transport._pool._network_backend = network
    client = Client(
        base_url=base,
        # A header cannot be empty; servers without keys ignore this one.
        api_key=key or "none",
        default_query=query,
        max_retries=retries,
        timeout=timeout,
        http_client=http.Client(transport=_Transport(transport, largest), trust_env=False, timeout=timeout),
    )
    client.network = network
    return client


def received(error: openai.OpenAIError) -> bytes:
    """What came of a body before an exchange failed."""
    if isinstance(error, TooLargeError):
        return error.received
    request = getattr(error, "request", None)
    data: bytes = request.extensions.get(_RECEIVED, b"") if request is not None else b""
    return data


def _library() -> Any:
    """The HTTP library of openai's client, which is not the same in all versions: httpx or httpx2."""
    (client, *_) = (c for c in openai.DefaultHttpxClient.__mro__ if c.__name__ == "Client")
    return sys.modules[client.__module__.partition(".")[0]]


def _parts(url: str, where: str) -> tuple[str, dict[str, object]]:
    """A URL without its query, and the query."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        _library().URL(url)
    except (ValueError, _library().InvalidURL):
        sound = False
    if not sound or any(map(str.isspace, url)):
        raise InputError(
            "not the URL of a server",
            where=where,
            expected="a URL such as http://localhost:8000/v1",
            found=known_secrets().masked(without_userinfo(url)),
        )
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return bare, dict(parse_qsl(parts.query, keep_blank_values=True))


class _Transport:
    """Reads every answer whole before it is handed on, `largest` bytes of body at most."""

    def __init__(self, inner: Any, largest: int) -> None:
        self._inner = inner
        self._largest = largest

    def handle_request(self, request: Any) -> Any:
        """The answer to a request, with its body."""
        data = bytearray()
        try:
            response = self._inner.handle_request(request)
            # Twice the size: chunks have frames.
            response.extensions["network_stream"].bounds.allow(2 * self._largest)
            try:
                if response.headers.get("content-encoding", "").count(",") >= _CODINGS:
                    raise _library().DecodingError("the body is packed again and again")
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > self._largest:
                        raise _too_large(self._largest, bytes(data[: self._largest]))
            finally:
                response.close()
        except _TooSlowError as error:
            raise _library().ReadTimeout(str(error)) from error
        finally:
            # openai's errors hold the request.
            request.extensions[_RECEIVED] = bytes(data)
        framing = {"content-encoding", "content-length", "transfer-encoding"}
        headers = [
            (name, value) for name, value in response.headers.multi_items() if name.lower() not in framing
        ]
        return type(response)(
            response.status_code, headers=headers, content=bytes(data), extensions=response.extensions
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


class _TooSlowError(Exception):
    """The deadline of an exchange has passed."""


def _too_large(largest: int, data: bytes = b"") -> TooLargeError:
    error = TooLargeError(f"more than {largest} bytes")
    error.received = data
    return error


class _Network:
    """Makes connections that end `timeout` seconds after they were begun, or when `stop` is called."""

    def __init__(self, inner: Any, timeout: float) -> None:
        self._inner = inner
        self._timeout = timeout
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def connect_tcp(self, *args: Any, **options: Any) -> _Stream:
        """A connection."""
        deadline = time.monotonic() + self._timeout
        self._refuse_stopped()
        inner = self._inner.connect_tcp(*args, **options)
        with self._lock:
            self._open.add(inner)
        self._refuse_stopped()
        return _Stream(inner, _Bounds(deadline), lambda: self._open.discard(inner))

    def stop(self) -> None:
        """End all connections, whoever reads from them, and make no more while `stopped` is set."""
        self.stopped.set()
        with self._lock:
            inner = [*self._open]
        for one in inner:
            with suppress(OSError, AttributeError):
                # That of the plain socket: the one of TLS must not be called while another thread reads.
                socket.socket.shutdown(one.get_extra_info("socket"), socket.SHUT_RDWR)

    def _refuse_stopped(self) -> None:
        if self.stopped.is_set():
            raise AbandonedError("interrupted")

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._inner.sleep(seconds)


class _Bounds:
    """What is left of an exchange: seconds and bytes."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._largest = _HEADERS
        self._bytes = 0

    def allow(self, more: int) -> None:
        """Let that many more bytes pass."""
        self._largest += more

    def seconds(self, timeout: float | None) -> float:
        """`timeout`, or what is left until the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _TooSlowError("the deadline of the exchange has passed")
        return left if timeout is None else min(left, timeout)

    def count(self, data: bytes) -> bytes:
        """`data`, counted."""
        self._bytes += len(data)
        if self._bytes > self._largest:
            raise _too_large(self._largest)
        return data


class _Stream:
    """A connection within bounds, TLS included."""

    def __init__(self, inner: Any, bounds: _Bounds, closed: Callable[[], object]) -> None:
        self._inner = inner
        self.bounds = bounds
        self._closed = closed

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes that have come."""
        data: bytes = self._inner.read(max_bytes, self.bounds.seconds(timeout))
        return self.bounds.count(data)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        for piece in _pieces(buffer):
            self._inner.write(piece, self.bounds.seconds(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        """The same connection with TLS on it."""
        inner = self._inner.start_tls(ssl_context, server_hostname, self.bounds.seconds(timeout))
        return _Stream(inner, self.bounds, self._closed)

    def close(self) -> None:
        """Close the connection."""
        self._closed()
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """What the connection says of itself."""
        return self._inner.get_extra_info(info)


def _pieces(buffer: bytes) -> Iterator[bytes]:
    for start in range(0, len(buffer), _PIECE):
        yield buffer[start : start + _PIECE]
