"""Answers in the shapes that real servers send, and what is said where one is no answer."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import faulty_llm as faulty
import pytest

from clay_eval.generator.plan.llm.answers import array, extract_object, strict_object, words
from clay_eval.generator.plan.llm.asking import Chat, Question
from clay_eval.generator.plan.llm.client import ChatClient, Server
from clay_eval.generator.plan.llm.errors import AnswerError, BudgetError, FormatRejectedError, ServerError
from clay_eval.generator.plan.llm.meter import Limits, Usage
from clay_eval.generator.plan.llm.store import CallStore
from clay_eval.generator.servers.refusals import complaint, retry_after
from clay_eval.schemas.errors import InputError

KEY = "sk-very/secret+1234"
MESSAGES = [{"role": "user", "content": "hello"}]
PARAMETERS = {"temperature": 0.5, "seed": 0, "max_tokens": 9}
SCHEMA = strict_object({"phrases": array(words(40), 2, 4)})
DRAFT, FINAL = '{"phrases": ["a b", "c d"]}', '{"phrases": ["e f", "g h"]}'


def message(usage: Any = None, finish: str = "stop", **fields: Any) -> faulty.Answer:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **fields}}
    return faulty.Answer(json.dumps({"choices": [choice], "usage": usage}))


def ask(
    *answers: faulty.Answer, limits: Limits | None = None, path: str = "", rungs: Any = None
) -> tuple[Any, Any, list[float], Usage]:
    """(reply or error, server, waits, cost) of one question to a server that gives `answers`, the last one for ever."""
    waits: list[float] = []
    with faulty.faulty_server(lambda n, _: answers[min(n, len(answers) - 1)]) as server:
        url = server.url.removesuffix("/v1") + path if path else server.url
        client = ChatClient(
            Server(url, "m", "http://label", KEY), limits or Limits(retries=1), sleep=waits.append
        )
        try:
            outcome: Any = client.complete(MESSAGES, PARAMETERS, rungs)
        except (ServerError, BudgetError, FormatRejectedError) as error:
            outcome = error
        finally:
            client.close()
    return outcome, server, waits, client.meter.usage


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "hi"}], "hi"),
        ([{"type": "text", "text": "h"}, {"type": "text", "text": "i"}], "hi"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "hi"},
            ],
            "hi",
        ),
        ([{"type": "output_text", "text": "hi", "annotations": []}], "hi"),
        (["hi"], "hi"),
        ([], ""),
        (None, ""),
    ],
)
def test_content_in_parts(content: Any, text: str) -> None:
    assert ask(message(content=content))[0].text == text


def test_a_refusal_among_the_parts() -> None:
    assert ask(message(content=[{"type": "refusal", "refusal": "no"}]))[0].refusal == "no"


@pytest.mark.parametrize("content", [5, {"text": "hi"}, [5], [None]])
def test_content_that_is_none(content: Any) -> None:
    assert "no chat completion" in str(ask(message(content=content))[0])


@pytest.mark.parametrize(
    "text",
    [
        FINAL,
        f"<think>Perhaps {DRAFT}? No.</think>\n{FINAL}",
        f"Perhaps {DRAFT}? No.</think>{FINAL}",
        f"<think>{DRAFT}</think> no <think>{DRAFT}</think>{FINAL}",
        f"[THINK]{DRAFT}[/THINK]{FINAL}",
        f"<thinking>{DRAFT}</thinking>{FINAL}",
        f"◁think▷{DRAFT}◁/think▷{FINAL}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{FINAL}",
        f"First: {DRAFT}. Better: ```json\n{FINAL}\n```",
        f'{FINAL} Here is how it is used: {{"phrases": 5}} and {{}}',
        f"{{braces}} {{of}} prose {DRAFT} " + "{x} " * 500 + FINAL,
    ],
)
def test_the_answer_is_the_last_object_that_fits_after_the_thoughts(text: str) -> None:
    assert extract_object(text, SCHEMA) == json.loads(FINAL)


def test_the_first_object_if_none_fits() -> None:
    assert extract_object('{"a": 1} {"b": 2}', SCHEMA) == {"a": 1}


@pytest.mark.parametrize(
    "text", [f"<think>{DRAFT}", f"<think>{DRAFT}</think>", f'{DRAFT} {{"phrases": ["e f", "g']
)
def test_a_draft_is_no_answer(text: str) -> None:
    with pytest.raises(InputError):
        extract_object(text, SCHEMA)


@pytest.mark.parametrize(
    "text", ['{"a":' * 170_000, '{"a": 1, "a": 2} ' * 60_000, "{} " * 340_000, "{ " * 500_000]
)
def test_hostile_texts_take_bounded_time(text: str) -> None:
    with suppress(InputError):
        extract_object(text, SCHEMA)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_alone_are_said_to_be_so(tmp_path: Path, field: str) -> None:
    answer = message(content=None, finish="length", **{field: f"Let me see: {DRAFT}"})
    with faulty.faulty_server(lambda n, _: answer) as server:
        client = ChatClient(Server(server.url, "m", "test"), Limits(retries=0))
        question = Question(
            "opening", {"subject": "s", "number": 2, "plain": "p", "values": "v"}, SCHEMA, lambda _: []
        )
        with pytest.raises(AnswerError) as caught:
            Chat(client, CallStore(tmp_path), {}).ask(question)
        client.close()
    assert f"nothing but {field}" in str(caught.value)
    assert "limit on its length" in str(caught.value)


MISTRAL = {
    "object": "error",
    "message": {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "seed"],
                "msg": "Extra inputs are not permitted",
                "input": 0,
            }
        ]
    },
    "type": "invalid_request_error",
    "param": None,
}
FASTAPI = {
    "detail": [
        {
            "type": "extra_forbidden",
            "loc": ["body", "seed"],
            "msg": "Extra inputs are not permitted",
            "input": {"temperature": 1, "max_tokens": 9, "response_format": {}},
        }
    ]
}
OPENAI = {"error": {"message": "Unsupported parameter.", "type": "invalid_request_error", "param": "seed"}}


@pytest.mark.parametrize(
    "body", [MISTRAL, FASTAPI, OPENAI, {"error": "unknown field `seed`"}, {"message": "seed?"}]
)
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("rungs", [None, {"type": "json_object"}])
def test_a_field_that_the_server_does_not_take_is_left_out(body: Any, status: int, rungs: Any) -> None:
    refusal = faulty.Answer(json.dumps(body), status)
    reply, server, waits, _ = ask(refusal, faulty.completion("hi"), limits=Limits(retries=0), rungs=rungs)
    assert reply.text == "hi"
    assert [set(PARAMETERS) - set(request) for request in server.requests] == [set(), {"seed"}]
    assert waits == []


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_bound_of_a_reply_has_the_name_that_the_server_takes(name: str) -> None:
    """OpenAI's reasoning models refuse max_tokens and say what they want; older servers know only that."""
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    refusals = [faulty.Answer(json.dumps({"error": {"message": words, "param": "max_tokens"}}), 400)]
    refusals = refusals if name == "max_completion_tokens" else []
    reply, server, _, _ = ask(*refusals, faulty.completion("hi"), limits=Limits(retries=0))
    assert reply.text == "hi"
    assert server.requests[-1][name] == PARAMETERS["max_tokens"]
    assert len({"max_tokens", "max_completion_tokens"} & set(server.requests[-1])) == 1
    assert len(server.requests) == 1 + len(refusals)


def test_a_server_that_takes_nothing_is_left() -> None:
    error, server, _, _ = ask(faulty.Answer('{"error": "seed, temperature, max_tokens"}', 422))
    assert isinstance(error, ServerError)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "the model is loading", "code": 1}}', "the model is loading"),
        ('{"error": "model not found, try pulling it first"}', "model not found, try pulling it first"),
        ('{"message": "no"}', "no"),
        ('{"detail": "Not authenticated"}', "Not authenticated"),
        ('{"detail": [{"loc": ["body", "n"], "msg": "too many"}]}', "body.n: too many"),
        ('{"errors": ["one", {"message": "two"}]}', "one; two"),
        ("<html><script>x</script><h1>502</h1>\n<p>Bad gateway</html>", "502 Bad gateway"),
        ("plain\n words", "plain words"),
        ('{"odd": 1}', ""),
        ("", ""),
    ],
)
def test_the_words_of_a_refusal(body: str, said: str) -> None:
    assert complaint(body) == said
    assert said in str(ask(faulty.Answer(body, 403), limits=Limits(retries=0))[0])


@pytest.mark.parametrize(
    ("path", "hinted"), [("/", True), ("/v1/", False), ("/api/v1", False), ("/openai", True)]
)
def test_the_way_to_the_api(path: str, hinted: bool) -> None:
    for answer in (faulty.Answer('{"detail": "Not Found"}', 404), faulty.Answer("Ollama is running")):
        error, *_ = ask(answer, limits=Limits(retries=0), path=path)
        assert isinstance(error, ServerError)
        assert ("/v1" in str(error.hint)) == hinted


def test_a_query_goes_along() -> None:
    reply, server, *_ = ask(faulty.completion("hi"), path="/openai/deployments/d?api-version=2024-06-01&x=")
    assert reply.text == "hi"
    assert server.paths == ["/openai/deployments/d/chat/completions?api-version=2024-06-01&x="]


DAY = "Fri, 31 Dec 9999 23:59:59 GMT"


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        *((odd, None) for odd in ("", "soon", "-5", "NaN", "inf", "-inf", "1e3", "0x10", "7, 8")),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 00 Foo 0000 99:99:99", None),
    ],
)
def test_retry_after(value: str, wait: float | None) -> None:
    assert retry_after({"retry-after": value}) == wait
    reply, _, waits, _ = ask(faulty.Answer("", 429, {"Retry-After": value}), faulty.completion("hi"))
    assert reply.text == "hi"
    assert waits == [0.5 if wait is None else wait]


@pytest.mark.parametrize("value", ["7200", "9" * 300, "9" * 400, DAY, DAY.replace("GMT", "-" + "9" * 30)])
def test_a_far_retry_after_is_a_clear_stop(value: str) -> None:
    error, server, waits, _ = ask(faulty.Answer("", 503, {"Retry-After": value}))
    assert isinstance(error, ServerError)
    assert "asks to wait" in error.what
    assert (len(server.requests), waits) == (1, [])


def events(*records: Any, end: str = "data: [DONE]\n\n", between: str = "\n\n") -> faulty.Answer:
    lines = [f"data: {json.dumps(record)}{between}" for record in records]
    return faulty.Answer("".join(lines) + end, headers={"X": "y"})


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "scripted", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


STREAM = [delta(role="assistant", content=""), delta(content="h"), delta(content="i"), delta("stop")]
COST = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


@pytest.mark.parametrize(
    "answer",
    [
        events(*STREAM, COST),
        events(*STREAM, COST, end=""),
        events(*STREAM, COST, between="\n"),
        events(*STREAM, COST, between="\r\n\r\n"),
        events(json.loads(faulty.completion("hi").body)),
        faulty.Answer(": ping\n\nevent: message\nid: 1\n" + events(*STREAM, COST).body),
    ],
)
def test_events_that_nobody_asked_for_are_read(answer: Any) -> None:
    reply, _, _, cost = ask(answer)
    assert (reply.text, reply.finish) == ("hi", "stop")
    assert cost == Usage(requests=1, prompt_tokens=10, completion_tokens=5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (events(*STREAM[:2], end=""), "cut off"),
        (events({"error": {"message": "out of memory"}}), "out of memory"),
        (events(5), "error"),
        (events({"choices": [5]}), "no part"),
        (faulty.Answer("data: {\n\n"), "not valid JSON"),
    ],
)
def test_broken_events_are_a_failed_try(answer: Any, said: str) -> None:
    error, server, _, _ = ask(answer)
    assert isinstance(error, ServerError)
    assert said in str(error)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": -(10**9), "completion_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": -(10**9)},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": 10**30, "completion_tokens": 5},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 1.5, "completion_tokens": 5},
        {"prompt_tokens": "9", "completion_tokens": 5},
        {},
        [],
    ],
)
def test_token_counts_that_cannot_be_are_estimated(told: Any) -> None:
    _, _, _, cost = ask(message(told, content="12345678"))
    assert (cost.estimated, cost.completion_tokens) == (1, 2)
    assert cost.prompt_tokens > 0


@pytest.mark.parametrize(
    "written",
    [KEY, KEY.replace("/", r"\/"), r"sk-very/secret\u002B1234", "sk-very%2Fsecret%2b1234", f"Bearer {KEY}"],
)
def test_a_key_that_is_repeated_is_kept_nowhere(written: str) -> None:
    body = faulty.completion("you sent KEY").body.replace("KEY", written)
    reply, *_ = ask(faulty.Answer(body))
    assert reply.text.startswith("you sent ")
    assert "***" in reply.text
    for kept in (reply.text, reply.raw, json.loads(reply.raw)["choices"][0]["message"]["content"]):
        assert "sk-very" not in kept
    error, *_ = ask(faulty.Answer("x" * 70 + written))
    assert "sk-ve" not in error.raw + str(error)
    split = [delta(content=KEY[:9]), delta(content=KEY[9:]), delta("stop")]
    reply, *_ = ask(events(*split))
    assert reply.text == "***"
    assert "sk-very" not in reply.raw


def test_passwords_of_the_url_are_masked_too() -> None:
    with faulty.faulty_server(
        lambda _, __: faulty.completion("u hunter2222 dTpodW50ZXIyMjIy q-secret-1")
    ) as server:
        url = server.url.replace("://", "://u:hunter2222@") + "?key=q-secret-1"
        client = ChatClient(Server(url, "m", "test"), Limits(retries=0))
        reply = client.complete(MESSAGES, {})
        client.close()
    assert server.keys == ["Basic dTpodW50ZXIyMjIy"]
    assert reply.text == "u *** *** ***"
    assert "hunter" not in reply.raw
