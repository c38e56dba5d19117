"""The chat client against a server that fails in every way we know of: a good reply, or a clear stop, in bounded time."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import faulty_llm as faulty
import pytest

from clay_eval.generator.plan.llm.client import ChatClient, Server
from clay_eval.generator.plan.llm.errors import BudgetError, FormatRejectedError, ServerError
from clay_eval.generator.plan.llm.meter import Limits, Meter, Usage
from clay_eval.schemas.errors import InputError

KEY = "sk-very-secret-1234"
MESSAGES = [{"role": "user", "content": "hello"}]


GOOD = faulty.completion("hi")


class Waits:
    """A sleep that only notes what it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def ask(answers: list[Any], limits: Limits | None = None, **more: Any) -> tuple[Any, Any, Waits]:
    """Serve `answers` in turn (the last one for ever) and ask once: (reply or error, server, waits)."""
    waits = Waits()
    with faulty.faulty_server(lambda n, _: answers[min(n, len(answers) - 1)]) as server:
        client = ChatClient(Server(server.url, "m", "test", KEY), limits or Limits(retries=2), sleep=waits)
        try:
            outcome: Any = client.complete(MESSAGES, {"temperature": 0.5}, **more)
        except (ServerError, BudgetError, FormatRejectedError) as error:
            outcome = error
        finally:
            client.close()
        server.usage = client.meter.usage
    return outcome, server, waits


def test_a_good_answer() -> None:
    reply, server, waits = ask([GOOD])
    assert (reply.text, reply.refusal, reply.finish) == ("hi", "", "stop")
    assert json.loads(reply.raw)["model"] == "scripted"
    assert server.usage == Usage(requests=1, prompt_tokens=10, completion_tokens=5)
    assert server.requests == [{"model": "m", "messages": MESSAGES, "temperature": 0.5}]
    assert server.keys == [f"Bearer {KEY}"]
    assert waits.seconds == []


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("7", 7, 7), ("0", 0, 0), ("in 30 seconds", 1, 30), ("soon", 0.5, 0.5)],
)
def test_retry_after_is_honoured(value: str, low: float, high: float) -> None:
    if value == "in 30 seconds":
        value = formatdate(time.time() + 30, usegmt=True)
    reply, server, waits = ask([faulty.Answer("slow down", 429, {"Retry-After": value}), GOOD])
    assert reply.text == "hi"
    assert len(server.requests) == 2
    assert low <= waits.seconds[0] <= high


def test_a_retry_after_of_hours_is_a_clear_stop() -> None:
    error, server, waits = ask([faulty.Answer("{}", 429, {"Retry-After": "7200"})])
    assert isinstance(error, ServerError)
    assert "7200" in str(error)
    assert (len(server.requests), waits.seconds) == (1, [])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_errors_are_tried_again_a_bounded_number_of_times(status: int) -> None:
    reply, server, waits = ask([faulty.Answer("oops", status), faulty.Answer("oops", status), GOOD])
    assert reply.text == "hi"
    assert waits.seconds == [0.5, 1.0]
    error, server, _ = ask([faulty.Answer("oops", status)])
    assert isinstance(error, ServerError)
    assert f"HTTP {status}" in str(error)
    assert len(server.requests) == 3
    assert server.usage.requests == 3


@pytest.mark.parametrize(
    "bad",
    [
        faulty.Answer("<html><body>Bad gateway</body></html>"),
        faulty.Answer(""),
        faulty.Answer(GOOD.body[:40]),
        faulty.Answer("[]"),
        faulty.Answer('{"choices": []}'),
        faulty.Answer('{"choices": [{"message": {"content": 5}}]}'),
        faulty.Answer('{"choices": [{"message": null}]}'),
        faulty.Answer("{" * 100_000),
        faulty.Answer(GOOD.body, cut=30),
    ],
    ids=["html", "empty", "truncated", "list", "no-choice", "number", "null", "deep", "cut-connection"],
)
def test_bodies_that_are_no_completion(bad: Any) -> None:
    reply, _, _ = ask([bad, GOOD])
    assert reply.text == "hi"
    error, server, _ = ask([bad])
    assert isinstance(error, ServerError)
    assert len(server.requests) == 3
    assert error.raw == bad.body[: bad.cut]


@pytest.mark.parametrize("slow", [faulty.Answer(GOOD.body, pause=20), faulty.Answer(GOOD.body, drip=0.05)])
def test_hangs_and_drips_are_cut_off(slow: Any) -> None:
    begun = time.monotonic()
    error, server, _ = ask([slow], Limits(retries=1, timeout=0.3))
    assert isinstance(error, ServerError)
    assert "within 0.3 s" in str(error)
    assert len(server.requests) == 2
    assert time.monotonic() - begun < 10


def test_no_server_at_all() -> None:
    client = ChatClient(Server("http://127.0.0.1:9/v1", "m", "test"), Limits(retries=1), sleep=Waits())
    with pytest.raises(ServerError, match="failed 2 times"):
        client.complete(MESSAGES, {})


@pytest.mark.parametrize("status", [400, 404, 422, 501])
def test_a_rejected_format_is_told_apart(status: int) -> None:
    said = faulty.Answer('{"error": {"message": "response_format is not supported"}}', status)
    error, server, _ = ask([said], response_format={"type": "json_object"})
    assert isinstance(error, FormatRejectedError)
    assert len(server.requests) == 1
    error, _, _ = ask([said])
    assert type(error) is ServerError


def test_a_parameter_that_the_server_does_not_take_is_left_out() -> None:
    said = faulty.Answer('{"error": {"message": "Unsupported value: temperature"}}', 400)
    reply, server, _ = ask([said, GOOD])
    assert reply.text == "hi"
    assert "temperature" not in server.requests[1]


def test_the_key_is_never_told() -> None:
    error, _, _ = ask([faulty.Answer(json.dumps({"error": {"message": f"wrong key {KEY}"}}), 401)])
    assert isinstance(error, ServerError)
    assert KEY not in str(error)
    assert "OPENAI_API_KEY" in str(error)
    assert KEY not in repr(Server("u", "m", "l", KEY))
    error, _, _ = ask([faulty.Answer(f"<html>{KEY}</html>")])
    assert KEY not in error.raw + str(error)


def test_what_is_no_url_is_an_input_error() -> None:
    with pytest.raises(InputError, match="not the URL"):
        ChatClient(Server("http://[::1", "m", "test"))


def test_the_budget_of_requests_counts_retries() -> None:
    error, server, _ = ask([faulty.Answer("", 500)], Limits(requests=2, retries=5))
    assert isinstance(error, BudgetError)
    assert len(server.requests) == 2
    assert "2 requests" in str(error)


def test_the_budget_of_tokens_and_estimates() -> None:
    meter = Meter(Limits(tokens=20))
    meter.take()
    meter.add(Usage(prompt_tokens=12, completion_tokens=7))
    meter.take()
    meter.add(Usage(completion_tokens=1))
    with pytest.raises(BudgetError, match="tokens is spent"):
        meter.take()
    _, server, _ = ask([faulty.completion("12345678", usage=False)])
    assert (server.usage.estimated, server.usage.completion_tokens) == (1, 2)


def test_requests_a_minute_are_spaced() -> None:
    now, waits = [0.0], Waits()
    meter = Meter(Limits(requests_per_minute=30), lambda: now[0], waits)
    for _ in range(3):
        meter.take()
    now[0] = 100.0
    meter.take()
    assert waits.seconds == [2.0, 4.0]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_time_that_no_clock_can_measure(seconds: float) -> None:
    with pytest.raises(InputError, match="no such time"):
        Limits(timeout=seconds)
