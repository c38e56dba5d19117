"""The endpoint renderer against a server on this machine that answers well, badly, late, or not at all."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clay_eval.cli.filtering import failures_table
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.endpoint import EndpointOptions, EndpointRenderer, picture_bytes
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec

KEY = "sk-secret-of-mine"
SIZE = 24


def encoded(color: tuple[int, int, int] = (1, 2, 3), size: int = SIZE, mode: str = "RGB") -> str:
    stream = io.BytesIO()
    Image.new("RGB", (size, size), color).convert(mode).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def good(request: dict[str, Any]) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": encoded((request["seed"], 0, 0))}]}


class Server(ThreadingHTTPServer):
    """Answers with `script`'s entries in turn, then with `good`; as many at once as `together` says, and no fewer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Callable[[Handler, dict[str, Any]], None]] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0
        self.together = threading.Barrier(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.paths.append(self.path)
            self.server.headers.append({k.lower(): v for k, v in self.headers.items()})
            answer = self.server.script.pop(0) if self.server.script else json_answer(good)
            self.server.busy += 1
            self.server.most_busy = max(self.server.most_busy, self.server.busy)
        self.server.together.wait(60)
        with self.server.lock:
            self.server.busy -= 1
        with suppress(BrokenPipeError, ConnectionResetError):
            answer(self, body)

    def send(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", headers.pop("length", str(len(data))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


Answer = Callable[[Handler, dict[str, Any]], None]


def json_answer(content: Any) -> Answer:
    def answer(handler: Handler, request: dict[str, Any]) -> None:
        handler.send(200, json.dumps(content(request) if callable(content) else content).encode())

    return answer


def status(code: int, message: str = "no", **headers: str) -> Answer:
    def answer(handler: Handler, request: dict[str, Any]) -> None:
        handler.send(code, json.dumps({"error": {"message": message}}).encode(), **headers)

    return answer


def raw(data: bytes, kind: str = "application/json", **headers: str) -> Answer:
    return lambda handler, request: handler.send(200, data, kind, **headers)


def hang(handler: Handler, request: dict[str, Any]) -> None:
    time.sleep(1.0)


def cut_off(handler: Handler, request: dict[str, Any]) -> None:
    handler.send(200, b'{"data": [{"b64_', length="5000")
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make(server: Server) -> Iterator[Callable[..., EndpointRenderer]]:
    made: list[EndpointRenderer] = []

    def build(model: str = "org/model", **options: Any) -> EndpointRenderer:
        options = {
            "base_url": server.url,
            "api_key": KEY,
            "size": SIZE,
            "retries": 2,
            "timeout": 60.0,
        } | options
        made.append(EndpointRenderer(model, EndpointOptions(**options)))
        return made[-1]

    yield build
    for renderer in made:
        renderer.close()


def sample(seed: int, prompt: str = "a mug", negative: str = "blurry") -> SampleSpec:
    return SampleSpec(f"e-{seed}", "e", 0, seed, {"color": "red"}, {}, prompt, negative, seed)


def test_each_sample_gets_its_own_picture(server: Server, make: Callable[..., EndpointRenderer]) -> None:
    server.together = threading.Barrier(2)
    images = make(concurrency=3).render([sample(seed) for seed in range(8)])
    assert [image.getpixel((0, 0)) for image in images] == [(seed, 0, 0) for seed in range(8)]
    assert {(image.mode, image.size) for image in images} == {("RGB", (SIZE, SIZE))}
    assert 2 <= server.most_busy <= 3


def test_what_is_asked(server: Server, make: Callable[..., EndpointRenderer]) -> None:
    make(steps=4, guidance=0.0).render([sample(7)])
    assert server.requests == [
        {
            "model": "org/model",
            "prompt": "a mug",
            "n": 1,
            "size": "24x24",
            "response_format": "b64_json",
            "seed": 7,
            "negative_prompt": "blurry",
            "num_inference_steps": 4,
            "guidance_scale": 0.0,
        }
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    server.requests.clear()
    make().render([sample(7, negative="")])
    assert set(server.requests[0]) == {"model", "prompt", "n", "size", "response_format", "seed"}


def test_without_extras_only_openais_own_fields(
    server: Server, make: Callable[..., EndpointRenderer]
) -> None:
    server.script = [json_answer({"data": [{"b64_json": encoded()}]})] * 2
    make(extras=False).render([sample(7)])
    make("gpt-image-1", extras=False).render([sample(7)])
    assert set(server.requests[0]) == {"model", "prompt", "n", "size", "response_format"}
    assert set(server.requests[1]) == {"model", "prompt", "n", "size"}, "they always send base64"


def test_identity_holds_neither_key_nor_address(make: Callable[..., EndpointRenderer]) -> None:
    identity = make(steps=4).identity
    assert identity == {
        "type": "endpoint",
        "model": "org/model",
        "size": SIZE,
        "steps": 4,
        "guidance": None,
        "seed": True,
        "negative_prompt": True,
    }
    assert make(steps=4, api_key="other", timeout=9.0, concurrency=1, retries=0).identity == identity
    assert KEY not in repr(EndpointOptions(api_key=KEY))


def test_key_and_address_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
    renderer = EndpointRenderer("m", EndpointOptions(size=SIZE))
    renderer.render([sample(1)])
    renderer.close()
    assert server.headers[0]["authorization"] == "Bearer of-the-environment"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"timeout": float("inf")}, "--timeout"),
        ({"timeout": float("nan")}, "--timeout"),
        ({"timeout": 1e300}, "--timeout"),
        ({"guidance": float("inf")}, "--guidance"),
        ({"guidance": float("nan")}, "--guidance"),
        ({"guidance": -1.0}, "--guidance"),
        ({"size": 9000}, "--size"),
        ({"size": 10**12}, "--size"),
    ],
)
def test_numbers_that_no_request_can_have(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        EndpointOptions(base_url="http://localhost:1", **options)
    assert where in str(caught.value.where)


@pytest.mark.parametrize("url", [None, "localhost:8000", "file:///etc/passwd"])
def test_no_address(url: str | None) -> None:
    with pytest.raises(InputError, match="where is the images endpoint"):
        EndpointRenderer("m", EndpointOptions(base_url=url))


@pytest.mark.parametrize("answer", ["nothing", "wait a minute"])
def test_an_interruption_waits_for_no_server(
    server: Server, make: Callable[..., EndpointRenderer], answer: str
) -> None:
    """Requests that may take minutes, and pauses before the next try, are given up; the renderer can be used again."""
    arrived, over = threading.Barrier(3), threading.Event()

    def keep_waiting(handler: Handler, request: dict[str, Any]) -> None:
        if answer != "nothing":
            handler.send(429, b"{}", Retry_After="50")
        if arrived.wait(20) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        if answer == "nothing":
            over.wait(100)
            handler.close_connection = True

    server.script = [keep_waiting] * 3
    renderer, before = make(concurrency=3, timeout=100.0, retries=5), time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        renderer.render([sample(seed) for seed in range(6)])
    assert time.monotonic() - before < 40
    over.set()
    assert renderer.render([sample(9)])[0].getpixel((0, 0)) == (9, 0, 0)


SOON = {"retry_after_ms": "10"}


@pytest.mark.parametrize(
    "faults",
    [
        [status(429, **SOON)],
        [status(429, Retry_After="0.01"), status(503, **SOON)],
        [status(500, **SOON), status(502, **SOON)],
        [cut_off],
    ],
)
def test_passing_faults_are_waited_out(
    server: Server, make: Callable[..., EndpointRenderer], faults: list[Answer]
) -> None:
    server.script = list(faults)
    assert make().render([sample(9)])[0].getpixel((0, 0)) == (9, 0, 0)
    assert len(server.requests) == len(faults) + 1


@pytest.mark.parametrize(
    ("answer", "requests", "message", "found"),
    [
        (status(429, "slow down", **SOON), 3, "refuses this request", "slow down"),
        (status(500, "boom", **SOON), 3, "keeps failing", "HTTP 500"),
        (status(400, "your prompt was rejected by the safety system"), 1, "refuses this request", "safety"),
        (status(401, f"wrong key {KEY}"), 1, "refuses this request", "wrong key ***"),
        (status(404, "no such model"), 1, "refuses this request", "no such model"),
        (raw(b"<html>Welcome</html>", "text/html"), 1, "holds no picture", "<html>Welcome"),
        (raw(b'{"data": [{"b64_json": "aaaa'), 1, "cannot be read", None),
        (raw(b"\xff\xfe\x00"), 1, "cannot be read", None),
        (raw(b""), 1, "cannot be read", None),
        (json_answer({"data": []}), 1, "holds no picture", None),
        (json_answer({"images": ["x"]}), 1, "holds no picture", None),
        (json_answer([1, 2]), 1, "holds no picture", None),
        (json_answer({"data": "many"}), 1, "holds no picture", None),
        (json_answer({"data": [{"b64_json": ""}]}), 1, "holds no picture", None),
        (json_answer({"data": [{"b64_json": 7}]}), 1, "holds no picture", None),
        (json_answer({"data": [{"url": "http://127.0.0.1/x.png"}]}), 1, "link instead of a picture", None),
        (json_answer({"data": [{"b64_json": "no base64!"}]}), 1, "not base64", "no base64!"),
        (json_answer({"data": [{"b64_json": "aGVsbG8="}]}), 1, "not a picture", "hello"),
        (json_answer({"data": [{"b64_json": encoded()[:60]}]}), 1, "damaged|not a picture", None),
        (json_answer({"data": [{"b64_json": encoded(size=25)}]}), 1, "another size", "25 x 25"),
    ],
)
def test_faults_that_stay_name_their_sample(
    server: Server,
    make: Callable[..., EndpointRenderer],
    answer: Answer,
    requests: int,
    message: str,
    found: str | None,
) -> None:
    server.script = [answer] * 5
    with pytest.raises(ClayEvalError, match=message) as caught:
        make(concurrency=1).render([sample(4)])
    assert caught.value.where == "e-4"
    assert found is None or found in str(caught.value.found)
    assert KEY not in str(caught.value)
    assert len(server.requests) == requests


def test_data_urls_are_pictures_and_grey_becomes_rgb(
    server: Server, make: Callable[..., EndpointRenderer]
) -> None:
    server.script = [
        json_answer({"data": [{"url": f"data:image/png;base64,{encoded((9, 9, 9), mode='L')}"}]})
    ]
    image = make().render([sample(1)])[0]
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (9, 9, 9))


PNG = base64.b64decode(encoded((9, 9, 9)))
FOR_URLS = base64.urlsafe_b64encode(b"\xfb\xff\xfe" * 3 + b"\xfb")


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(PNG).decode(),
        base64.b64encode(PNG).decode().rstrip("="),
        base64.urlsafe_b64encode(PNG).decode().rstrip("="),
        base64.encodebytes(PNG).decode(),
        base64.encodebytes(PNG).decode().replace("\n", "\r\n "),
        "data:image/png;base64," + base64.b64encode(PNG).decode(),
        "data:image/png;base64," + base64.b64encode(PNG).decode().replace("+", "%2B").replace("=", "%3D"),
        base64.b64encode(PNG).decode() + "==",
    ],
)
def test_base64_as_servers_write_it(server: Server, make: Callable[..., EndpointRenderer], text: str) -> None:
    assert picture_bytes(text) == PNG
    server.script = [json_answer({"data": [{"b64_json": text}]})]
    assert make().render([sample(1)])[0].getpixel((0, 0)) == (9, 9, 9)


def test_the_alphabet_for_urls() -> None:
    assert picture_bytes(FOR_URLS.decode()) == b"\xfb\xff\xfe" * 3 + b"\xfb"


@pytest.mark.parametrize("text", ["a", "abc!", "äöü", "=", "a=b="])
def test_what_is_no_base64(text: str) -> None:
    if text == "=":
        assert picture_bytes(text) == b""
        return
    with pytest.raises(ValueError):
        picture_bytes(text)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (raw(b"{" * 100_000), "{{{"),
        (raw(b"data: {}\n\n", "text/event-stream"), "a stream of events"),
        (raw(b'{"error": {"message": "out of memory"}}'), "out of memory"),
        (raw(b'{"data": [5]}'), "data"),
        (status(429, "slow down", Retry_After="9999999"), "asks to wait 9999999 s"),
        (raw(f"{{{json.dumps(KEY)}}}".encode()), "***"),
        (status(400, f"key {KEY} " * 50), "key *** key ***"),
    ],
)
def test_what_the_server_said(
    server: Server, make: Callable[..., EndpointRenderer], answer: Answer, found: str
) -> None:
    server.script = [answer]
    with pytest.raises(ClayEvalError) as caught:
        make(retries=0).render([sample(4)])
    assert found in str(caught.value.found)
    assert KEY[:6] not in str(caught.value)


def test_a_query_goes_along(server: Server, make: Callable[..., EndpointRenderer]) -> None:
    make(base_url=f"{server.url}?api-version=2024-06-01").render([sample(1)])
    assert server.paths == ["/v1/images/generations?api-version=2024-06-01"]


def test_a_server_that_hangs(server: Server, make: Callable[..., EndpointRenderer]) -> None:
    server.script = [hang] * 3
    begun = time.monotonic()
    with pytest.raises(ClayEvalError, match="did not answer in time") as caught:
        make(timeout=0.1, retries=0).render([sample(5)])
    assert caught.value.where == "e-5"
    assert time.monotonic() - begun < 30


def test_a_server_that_is_not_there(server: Server, make: Callable[..., EndpointRenderer]) -> None:
    renderer = make(retries=0)
    server.server_close()
    renderer = make(base_url="http://127.0.0.1:1/v1", retries=0)
    with pytest.raises(ClayEvalError, match="cannot be reached") as caught:
        renderer.render([sample(6)])
    assert caught.value.where == "e-6"


def test_nothing_is_asked_for_twice_after_a_fault(
    server: Server, make: Callable[..., EndpointRenderer]
) -> None:
    server.script = [json_answer(good), status(400), json_answer(good), status(400)]
    renderer = make(concurrency=1)
    batch = [sample(seed) for seed in range(6)]
    with pytest.raises(ClayEvalError) as caught:
        renderer.render(batch)
    assert caught.value.where == "e-1"
    del batch[1]
    with pytest.raises(ClayEvalError) as caught:
        renderer.render(batch)
    assert caught.value.where == "e-3"
    del batch[2]
    pictures = renderer.render(batch)
    assert [p.getpixel((0, 0)) for p in pictures] == [(s.seed, 0, 0) for s in batch]
    assert len(server.requests) == 6
    renderer.render([sample(1)])
    assert len(server.requests) == 7


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"concurrency": 0},
        {"timeout": 0.0},
        {"retries": -1},
        {"extras": False, "steps": 3},
        {"extras": False, "guidance": 1.0},
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        EndpointOptions(**options)


def test_a_reason_when_every_sample_failed(
    server: Server, make: Callable[..., EndpointRenderer], tmp_path: Path
) -> None:
    server.script = [status(401, f"wrong key {KEY}")] * 12
    plan, out = tmp_path / "plan", tmp_path / "shards"
    write_plan(PlanRequest([load_entity("demo-object")], [None], 12, 0), plan, lambda _: None)
    with pytest.raises(ClayEvalError, match="not one picture is left") as caught:
        render_plan(plan, out, make(), RenderOptions(shard_size=8))
    assert caught.value.found == (
        "12 of 12 failed samples: the server refuses this request (HTTP 401: wrong key ***)"
    )
    assert not any(KEY in path.read_text() for path in (out / "failures").iterdir())
    assert failures_table(out)[0].endswith(": the server refuses this request (HTTP 401: wrong key ***)")
