"""Servers that never end, asked by the planner and the images endpoint: a clear stop in bounded time and memory."""

from __future__ import annotations

import gzip
import itertools
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faulty_llm as faulty
import openai
import pytest

from clay_eval.generator.plan.llm import client as client_module
from clay_eval.generator.plan.llm.client import ChatClient, Server
from clay_eval.generator.plan.llm.errors import ServerError
from clay_eval.generator.plan.llm.meter import Limits
from clay_eval.generator.render.endpoint import EndpointOptions, EndpointRenderer
from clay_eval.generator.servers import exchange
from clay_eval.generator.servers.exchange import TooLargeError, open_client
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec

Attack = Callable[[], Iterable[bytes]]
LIMIT = 1 << 20
TIMEOUT = 0.6
SAMPLE = SampleSpec("e-1", "e", 0, 1, {"color": "red"}, {}, "a mug", "", 1)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", LIMIT)


def head(status: int, *lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", *lines, "")).encode()


def for_ever(start: bytes, piece: bytes) -> Attack:
    return lambda: itertools.chain([start], itertools.repeat(piece))


def drip(data: bytes) -> Attack:
    return lambda: (bytes([byte]) for byte in itertools.chain(data, itertools.repeat(32)))


BLOCK = b"x" * (1 << 16)
CHUNK = b"10000\r\n" + BLOCK + b"\r\n"
BOMB = gzip.compress(bytes(64 << 20))

FAST: dict[str, Attack] = {
    "endless 400": for_ever(head(400), BLOCK),
    "endless 500": for_ever(head(500), BLOCK),
    "endless 200": for_ever(head(200), BLOCK),
    "endless 301": for_ever(head(301, "Location: /elsewhere"), BLOCK),
    "endless chunks": for_ever(head(400, "Transfer-Encoding: chunked"), CHUNK),
    "endless 1xx": for_ever(b"", head(103, "Link: <x>") * 500),
    "endless header": for_ever(b"HTTP/1.1 200 X\r\nA: ", BLOCK),
    "endless headers": for_ever(b"HTTP/1.1 200 X\r\n", b"A: b\r\n" * 1000),
    "gzip bomb 400": lambda: [head(400, "Content-Encoding: gzip", f"Content-Length: {len(BOMB)}"), BOMB],
    "gzip bomb 200": lambda: [head(200, "Content-Encoding: gzip", f"Content-Length: {len(BOMB)}"), BOMB],
    "gzip for ever": lambda: [head(200, f"Content-Encoding: {'gzip, ' * 9000}gzip"), BOMB],
    "gzip in gzip": lambda: [head(200, "Content-Encoding: gzip, gzip"), gzip.compress(BOMB)],
}
SLOW: dict[str, Attack] = {
    "drip of a 400 body": drip(head(400, "Content-Length: 99999")),
    "drip of headers": drip(b"HTTP/1.1 200 OK\r\nA: "),
    "1xx now and then": for_ever(b"", head(100)),
    "chunk extensions": for_ever(head(200, "Transfer-Encoding: chunked") + b"5;", b"a"),
    "429 body now and then": for_ever(head(429, "Content-Length: 99999"), b"x"),
}


def planner(url: str, timeout: float = TIMEOUT, retries: int = 1) -> ServerError:
    client = ChatClient(
        Server(url, "m", "test", "sk-0123456789"),
        Limits(timeout=timeout, retries=retries),
        sleep=lambda _: None,
    )
    try:
        with pytest.raises(ServerError) as caught:
            client.complete([{"role": "user", "content": "hello"}], {})
    finally:
        client.close()
    return caught.value


def endpoint(url: str, timeout: float = TIMEOUT) -> ClayEvalError:
    options = EndpointOptions(url, "sk-0123456789", size=64, timeout=timeout, retries=0)
    renderer = EndpointRenderer("m", options)
    try:
        with pytest.raises(ClayEvalError) as caught:
            renderer.render([SAMPLE])
    finally:
        renderer.close()
    return caught.value


@pytest.mark.parametrize("attack", FAST.values(), ids=FAST)
@pytest.mark.parametrize("ask", [planner, endpoint])
def test_a_flood_is_cut_off_by_its_size(ask: Any, attack: Attack) -> None:
    with faulty.raw_server(attack) as server:
        tracemalloc.start()
        begun = time.monotonic()
        error = ask(server.url, timeout=60.0)
        assert time.monotonic() - begun < 30
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 40 << 20
    assert "too large" in error.what or "failed" in error.what or "cannot be reached" in error.what


@pytest.mark.parametrize("attack", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("ask", [planner, endpoint])
def test_a_drip_is_cut_off_by_its_time(ask: Any, attack: Attack) -> None:
    with faulty.raw_server(attack, pause=0.02) as server:
        begun = time.monotonic()
        error = ask(server.url)
        assert time.monotonic() - begun < 20
    assert "within 0.6 s" in str(error)


def test_a_server_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = open_client(url, "", timeout=0.5, largest=LIMIT, where="x", key_where="y")
        with pytest.raises(openai.APITimeoutError):
            client.post("/x", body={"a": "x" * (32 << 20)}, cast_to=object)
        client.close()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [planner, endpoint])
def test_the_key_follows_no_redirect(ask: Any, code: int) -> None:
    with faulty.raw_server(lambda: [head(200, "Content-Length: 2"), b"{}"]) as other:
        place = other.url.replace("127.0.0.1", "localhost").replace("://", "://user:password@") + "?a=b"
        with faulty.raw_server(lambda: [head(code, f"Location: {place}", "Content-Length: 0")]) as server:
            error = ask(server.url)
            assert len(server.requests) == 1
        assert other.requests == []
    assert "elsewhere" in error.what
    assert "localhost" in str(error)
    assert "password" not in str(error)


def test_a_redirect_to_itself_ends() -> None:
    with faulty.raw_server(
        lambda: [head(307, "Location: /v1/chat/completions", "Content-Length: 0")]
    ) as server:
        assert "elsewhere" in planner(server.url).what
        assert len(server.requests) == 1


def test_packed_answers_are_read() -> None:
    body = gzip.compress(faulty.completion("hi").body.encode())
    answer = [head(200, "Content-Encoding: gzip", f"Content-Length: {len(body)}"), body]
    with faulty.raw_server(lambda: answer) as server:
        client = ChatClient(Server(server.url, "m", "test"), Limits(retries=0))
        assert client.complete([{"role": "user", "content": "hello"}], {}).text == "hi"
        client.close()


def test_what_came_of_a_body_is_kept() -> None:
    client = open_client
    with faulty.raw_server(lambda: [head(200, "Content-Length: 99"), b'{"choi']) as server:
        opened = client(server.url, "", timeout=5, largest=LIMIT, where="x", key_where="y")
        with pytest.raises(openai.APIConnectionError) as caught:
            opened.models.list()
        assert exchange.received(caught.value) == b'{"choi'
        opened.close()
    with faulty.raw_server(for_ever(head(200), BLOCK)) as server:
        opened = client(server.url, "", timeout=5, largest=100, where="x", key_where="y")
        with pytest.raises(TooLargeError) as large:
            opened.models.list()
        assert exchange.received(large.value) == BLOCK[:100]
        opened.close()


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with faulty.raw_server(lambda: [head(418, "Content-Length: 0")]) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, server.url.removesuffix("/v1"))
        yield server


@pytest.mark.parametrize("ask", [planner, endpoint])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "LOCALHOST"])
def test_this_machine_is_not_asked_for_through_a_proxy(proxy: Any, ask: Any, host: str) -> None:
    with faulty.raw_server(lambda: [head(401, "Content-Length: 0")]) as server:
        error = ask(server.url.replace("127.0.0.1", host))
    assert proxy.requests == []
    # 127.0.0.2 is this machine too, but nobody listens there.
    assert host == "127.0.0.2" or "HTTP 401" in str(error)


@pytest.mark.parametrize("ask", [planner, endpoint])
def test_others_are(proxy: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HTTP 418" in str(ask("http://example.invalid/v1"))
    assert proxy.requests[0].startswith(b"POST http://example.invalid/v1/")
    monkeypatch.setenv("NO_PROXY", "example.invalid")
    monkeypatch.setenv("no_proxy", "example.invalid")
    assert "HTTP 418" not in str(ask("http://example.invalid/v1"))
    assert len(proxy.requests) == 1


def open_planner(url: str, key: str = "") -> None:
    ChatClient(Server(url, "m", "test", key)).close()


def open_endpoint(url: str, key: str = "") -> None:
    EndpointRenderer("m", EndpointOptions(url, key)).close()


@pytest.mark.parametrize("opened", [open_planner, open_endpoint])
@pytest.mark.parametrize(
    ("proxy_url", "what"),
    [
        ("socks5://user:hunter22@127.0.0.1:9", "SOCKS proxy"),
        ("socks5h://127.0.0.1:9", "SOCKS proxy"),
        ("socks4://127.0.0.1:9", "no proxy"),
        ("ftp://user:hunter22@127.0.0.1", "no proxy"),
        ("http://127.0.0.1:99999999", "no proxy"),
        ("http://[::1", "no proxy"),
        ("http://", "no proxy"),
    ],
)
def test_a_proxy_of_no_use_is_blamed_itself(
    opened: Any, proxy_url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    with pytest.raises(InputError, match=what) as caught:
        opened("https://example.org/v1")
    assert caught.value.where == "HTTPS_PROXY"
    assert "hunter22" not in str(caught.value)
    assert "NO_PROXY" in str(caught.value)
    assert what != "SOCKS proxy" or "pip install socksio" in str(caught.value)
    opened("http://example.org/v1")
    opened("http://127.0.0.1:9/v1")


@pytest.mark.parametrize("opened", [open_planner, open_endpoint])
@pytest.mark.parametrize(
    "url", ["http://host:99999999/v1", "http://[::1/v1", "http:///v1", "http://a b/v1", "http://h:0"]
)
def test_what_is_no_url(opened: Any, url: str) -> None:
    with pytest.raises(InputError, match="not the URL of a server"):
        opened(url)


@pytest.mark.parametrize("opened", [open_planner, open_endpoint])
@pytest.mark.parametrize("key", ["sk-12345678…", "sk-123 45678", "sk-12\n34"])
def test_what_is_no_key(opened: Any, key: str) -> None:
    with pytest.raises(InputError, match="characters that no key has") as caught:
        opened("http://127.0.0.1:9/v1", key)
    assert "sk-12" not in str(caught.value)
