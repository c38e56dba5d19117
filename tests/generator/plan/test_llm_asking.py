"""Questions: the ladder of formats, repairs, what is kept, the cache, and the stop that loses nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import faulty_llm as faulty
import pytest

from clay_eval.generator.plan.llm.answers import array, extract_object, schema_problems, strict_object, words
from clay_eval.generator.plan.llm.asking import Chat, Question
from clay_eval.generator.plan.llm.client import ChatClient, Server
from clay_eval.generator.plan.llm.errors import AnswerError, BudgetError, ServerError
from clay_eval.generator.plan.llm.meter import Limits
from clay_eval.generator.plan.llm.store import CallStore
from clay_eval.schemas.errors import InputError, IntegrityError

SCHEMA = strict_object({"phrases": array(words(40), 2, 4)})
GOOD = '{"phrases": ["a photo of", "a picture of"]}'


def question(number: int = 0, least: int = 0) -> Question:
    fields = {"subject": f"things {number}", "number": 4, "plain": "a photo of", "values": "red"}
    check = lambda a: ["more phrases are needed"] if len(a["phrases"]) < least else []  # noqa: E731
    return Question("opening", fields, SCHEMA, check)


def chat(server: Any, folder: Path, limits: Limits | None = None, model: str = "m") -> Chat:
    client = ChatClient(
        Server(server.url, model, "test", "sk-secret"), limits or Limits(retries=1), sleep=lambda _: None
    )
    return Chat(client, CallStore(folder), {"temperature": 0.0, "seed": 0})


def scripted(*texts: Any) -> Any:
    """A server that gives `texts` in turn, the last one for ever; what is no string is an Answer itself."""
    answers = [faulty.completion(t) if isinstance(t, str) else t for t in texts]
    return faulty.faulty_server(lambda n, _: answers[min(n, len(answers) - 1)])


def test_strict_schema_first_and_all_is_kept(tmp_path: Path) -> None:
    with scripted(GOOD) as server:
        assert chat(server, tmp_path).ask(question()) == json.loads(GOOD)
    shape = server.requests[0]["response_format"]
    assert shape["json_schema"] == {"name": "opening", "strict": True, "schema": SCHEMA}
    (file,) = tmp_path.iterdir()
    record = json.loads(file.read_text())
    assert record["reply"]["text"] == GOOD
    assert json.loads(record["raw"])["choices"]
    assert (record["rung"], record["instruction"], record["problems"]) == ("json_schema", "opening", [])
    assert record["made"] == json.loads(GOOD)
    assert len(record["instruction_sha256"]) == 64
    assert "sk-secret" not in file.read_text()


@pytest.mark.parametrize("refused", [1, 2])
def test_the_ladder_is_descended_once(tmp_path: Path, refused: int) -> None:
    rungs = ["json_schema", "json_object", None]

    def reply(_: int, body: dict[str, Any]) -> Any:
        kind = body.get("response_format", {}).get("type")
        if rungs.index(kind) < refused:
            return faulty.Answer('{"error": {"message": "unknown response_format"}}', 400)
        return faulty.completion(f"Here you are:\n```json\n{GOOD}\n```\nAnything else?")

    with faulty.faulty_server(reply) as server:
        asking = chat(server, tmp_path)
        for number in range(3):
            assert asking.ask(question(number)) == json.loads(GOOD)
    assert len(server.requests) == refused + 3
    assert '"additionalProperties": false' in server.requests[-1]["messages"][1]["content"]


def test_a_server_that_ignores_the_format_is_repaired(tmp_path: Path) -> None:
    with scripted("Sure! I would say: a photo of.", '{"phrases": ["one"]}', GOOD) as server:
        assert chat(server, tmp_path).ask(question()) == json.loads(GOOD)
    assert len(server.requests) == 3
    assert "no JSON object" in server.requests[1]["messages"][-1]["content"]
    assert "$.phrases" in server.requests[2]["messages"][-1]["content"]
    assert server.requests[2]["messages"][-2] == {"role": "assistant", "content": '{"phrases": ["one"]}'}


def test_the_check_is_shown_to_the_model(tmp_path: Path) -> None:
    with scripted(GOOD, '{"phrases": ["a b", "c d", "e f"]}') as server:
        assert len(chat(server, tmp_path).ask(question(least=3))["phrases"]) == 3
    assert "more phrases are needed" in server.requests[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("replies", "said", "requests"),
    [
        (["no"], "repeats", 2),
        ([""], "repeats", 2),
        (['{"phrases": ["a'], "repeats", 2),
        (['{"wrong": 1}', "<html>", "{}"], "no usable answer in 3 attempts", 3),
        (["REFUSAL"], "refuses", 1),
        (["FILTER"], "refuses", 1),
    ],
)
def test_what_cannot_be_used_ends_clearly(
    tmp_path: Path, replies: list[str], said: str, requests: int
) -> None:
    special = {
        "REFUSAL": faulty.completion(None, refusal="I will not"),
        "FILTER": faulty.completion("", finish="content_filter"),
    }
    with scripted(*(special.get(text, text) for text in replies)) as server:
        with pytest.raises(AnswerError, match=said) as caught:
            chat(server, tmp_path).ask(question())
        assert len(server.requests) == requests
    assert caught.value.where is not None
    path = Path(caught.value.where.rpartition("kept in ")[2])
    assert json.loads(path.read_text())["reply"]["text"] in {*replies, ""}


def test_a_cut_answer_says_so(tmp_path: Path) -> None:
    with scripted(faulty.completion('{"phrases": ["a', finish="length"), GOOD) as server:
        chat(server, tmp_path).ask(question())
    assert "be brief" in server.requests[1]["messages"][-1]["content"]


def test_what_is_no_reply_is_kept_and_never_read_back(tmp_path: Path) -> None:
    with scripted(faulty.Answer("<html>busy</html>")) as server, pytest.raises(ServerError) as caught:
        chat(server, tmp_path).ask(question())
    (file,) = tmp_path.iterdir()
    assert str(file) in str(caught.value)
    assert json.loads(file.read_text())["raw"] == "<html>busy</html>"
    with scripted(GOOD) as server:
        assert chat(server, tmp_path).ask(question()) == json.loads(GOOD)


def test_a_rerun_asks_nothing_repairs_included(tmp_path: Path) -> None:
    with scripted("nonsense", GOOD) as server:
        chat(server, tmp_path).ask(question())
        again = chat(server, tmp_path)
        assert again.ask(question()) == json.loads(GOOD)
        assert again.client.meter.usage.cached == 2
        assert len(server.requests) == 2
        chat(server, tmp_path, model="other").ask(question())
        assert len(server.requests) == 3
        chat(server, tmp_path).ask(question(), 1)
        assert len(server.requests) == 4


def test_a_damaged_reply_is_told(tmp_path: Path) -> None:
    with scripted(GOOD) as server:
        chat(server, tmp_path).ask(question())
        (file,) = tmp_path.iterdir()
        for text in ("{", "{}", file.read_text().replace('"text": ', '"txt": ')):
            file.write_text(text)
            with pytest.raises(IntegrityError, match="damaged"):
                chat(server, tmp_path).ask(question())


@pytest.mark.parametrize("fault", [faulty.completion(GOOD), faulty.Answer("", 429, {"Retry-After": "80"})])
def test_an_interruption_waits_for_no_answer(tmp_path: Path, fault: faulty.Answer) -> None:
    """Answers that may take minutes, and pauses that a server asked for, are given up; what came before is kept."""
    arrived = threading.Barrier(2)

    def reply(number: int, _: dict[str, Any]) -> faulty.Answer:
        if number < 2:
            return faulty.completion(GOOD)
        if arrived.wait(20) == 0:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        return replace(fault, pause=0.0 if fault.status == 429 else 100.0)

    with faulty.faulty_server(reply) as server:
        client = ChatClient(Server(server.url, "m", "test"), Limits(concurrency=2, timeout=100.0))
        asking = Chat(client, CallStore(tmp_path), {"temperature": 0.0, "seed": 0})
        before = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            asking.ask_all(range(12), lambda n: asking.ask(question(n)))
        assert time.monotonic() - before < 40
        assert len(server.requests) == 4
    assert len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_budget_stop_loses_nothing(tmp_path: Path, concurrency: int) -> None:
    with scripted(GOOD) as server:
        first = chat(server, tmp_path, Limits(requests=5, concurrency=concurrency))
        with pytest.raises(BudgetError, match="requests is spent"):
            first.ask_all(range(12), lambda n: first.ask(question(n)))
        assert len(server.requests) == 5
        assert len(list(tmp_path.iterdir())) == 5
        second = chat(server, tmp_path, Limits(concurrency=concurrency))
        assert len(second.ask_all(range(12), lambda n: second.ask(question(n)))) == 12
        assert len(server.requests) == 12
        assert second.client.meter.usage.cached == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure {as you like}: {"a": {"b": "}"}} and {"c": 2}', {"a": {"b": "}"}}),
        ("<think>{hmm}</think>{}", {}),
    ],
)
def test_json_is_found_in_prose(text: str, value: Any) -> None:
    assert extract_object(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "[1]",
        '{"a": {"b": 1}',
        '{"a": 1, "a": 2}',
        "{" * 5000,
        '{"a":' * 5000,
        '{"a": NaN}',
        "x" * (2 << 20),
    ],
)
def test_what_holds_no_sound_object_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        extract_object(text)


def test_schema_problems_name_the_place() -> None:
    assert schema_problems({"phrases": ["ok ok", "fine"]}, SCHEMA) == []
    assert schema_problems({"phrases": ["ok", "{x}"]}, SCHEMA)[0].startswith("$.phrases[1]")
    assert schema_problems({"phrases": ["ok", "yes"], "more": 1}, SCHEMA)
