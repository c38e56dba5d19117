"""JSON from strangers: parsed strictly, checked against the schemas, sealed files byte for byte."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.schemas import validate
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.validate import (
    check,
    parse_json,
    read_json,
    read_sealed,
    read_text,
    schema,
    schema_errors,
)

FOLDER = Path(__file__).parents[2] / "schemas"
NAMES = sorted(p.name.removesuffix(".schema.json") for p in FOLDER.glob("*.schema.json"))
SETTINGS = {
    "schema": "clay-eval/render-settings/1",
    "plan": "0" * 64,
    "renderer": {"type": "é"},
    "judge": None,
    "attempts": 1,
    "shard_size": 3,
    "image": {},
}
SAMPLE = {
    "key": "a-1",
    "entity": "a",
    "combination": 0,
    "index": 0,
    "labels": {"color": "red"},
    "diversity": {},
    "prompt": "red",
    "negative_prompt": "",
    "seed": 1,
}


def test_the_schemas_are_there() -> None:
    assert {"entity-spec", "sample-spec", "condition-texts", "manifest", "plan", "report"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_is_a_valid_2020_12_schema(name: str) -> None:
    content = schema(name)
    assert content["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(content)
    assert content["$id"].endswith(f"/{name}.schema.json")
    assert content["type"] == "object"
    assert set(content["required"]) <= set(content["properties"])
    with pytest.raises(InputError):
        check([], name, "nowhere")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=6))
def test_parse_json_reads_what_json_writes(value: object) -> None:
    try:
        text = json.dumps(value, ensure_ascii=False)
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert parse_json(text, "here") == value
    assert parse_json(data, "here") == value
    assert parse_json(json.dumps(value), "here") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "'c' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": -1e999}', "-1e999 is too large"),
        ("1" * 5000, "too large a number"),
        ('{"a": "\\ud800"}', "half a character"),
        ('{"\\uDFFF": 1}', "half a character"),
        ("[" * 65 + "]" * 65, "nested too deeply"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested too deeply"),
        ("[" * 200_000, "nested too deeply"),
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        ('{"a": 1,}', "line 1 column"),
        ('{\n"a": 1', "line 2 column"),
        ("", "line 1 column 1"),
        ("{} {}", "Extra data"),
        ("\ufeff{}", "BOM"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ("{'a': 1}", "line 1 column 2"),
    ],
)
def test_broken_json(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_json(text, "some/file.json")
    assert message in str(caught.value)
    assert "some/file.json" in str(caught.value)
    assert caught.value.exit_code == 2


def test_whole_numbers_beyond_float64_are_refused_and_those_within_are_exact() -> None:
    largest = int(sys.float_info.max)
    assert parse_json(f"[{largest}, -{largest}, {2**63 + 1}]", "x") == [largest, -largest, 2**63 + 1]
    for text in ("1" + 309 * "0", "-1" + 309 * "0", 4299 * "9"):
        with pytest.raises(InputError, match="too large a number"):
            parse_json(f'{{"a": [{text}]}}', "x")
        assert abs(parse_json(text, "x", numbers=float)) == float("inf")


def test_whole_characters_from_two_escapes_are_read() -> None:
    assert parse_json('"\\ud83d\\ude00"', "here") == "\U0001f600"
    assert parse_json("[" * 64 + "]" * 64, "here")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"seed": "1"}, "$.seed"),
        ({"seed": 1.0}, "$.seed"),
        ({"seed": True}, "$.seed"),
        ({"seed": -1}, "$.seed"),
        ({"seed": 2**53}, "$.seed"),
        ({"labels": {}}, "$.labels"),
        ({"labels": {"color": 3}}, "$.labels.color"),
        ({"labels": None}, "$.labels"),
        ({"key": "A"}, "$.key"),
        ({"key": "a\n"}, "$.key"),
        ({"key": "a.b"}, "$.key"),
        ({"key": "../a"}, "$.key"),
        ({"entity": "a\n"}, "$.entity"),
        ({"surplus": 1}, "$"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], place: str) -> None:
    check(SAMPLE, "sample-spec", "plan.jsonl")
    with pytest.raises(InputError) as caught:
        check({**SAMPLE, **change}, "sample-spec", "plan.jsonl")
    assert caught.value.where == f"plan.jsonl at {place}"
    assert caught.value.expected
    assert caught.value.found
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("missing", SAMPLE)
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(InputError) as caught:
        check({k: v for k, v in SAMPLE.items() if k != missing}, "sample-spec", "plan.jsonl")
    assert repr(missing) in caught.value.what


def test_huge_values_do_not_flood_the_message() -> None:
    with pytest.raises(InputError) as caught:
        check({**SAMPLE, "prompt": ["x" * 10_000_000]}, "sample-spec", "plan.jsonl")
    assert len(str(caught.value)) < 2000


def test_read_json(tmp_path: Path) -> None:
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(SAMPLE))
    assert read_json(path, "sample-spec") == SAMPLE
    path.write_text(json.dumps({**SAMPLE, "index": []}))
    with pytest.raises(InputError) as caught:
        read_json(path, "sample-spec")
    assert caught.value.where == f"{path} at $.index"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_text(tmp_path / "file", limit=5) == "12345"
    for path, limit, message in [
        (tmp_path / "none", 9, "not found"),
        (tmp_path, 9, "found a folder"),
        (tmp_path / "file" / "below", 9, "cannot read"),
        (tmp_path / "file", 4, "too large"),
        (Path("/dev/zero"), 9, "found a character device"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            read_text(path, limit=limit)
        assert str(path) in str(caught.value)
    (tmp_path / "file").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        read_text(tmp_path / "file")


def test_every_changed_byte_of_a_sealed_file_shows(tmp_path: Path) -> None:
    path = tmp_path / "render.json"
    write_sealed(path, SETTINGS)
    whole = path.read_bytes()
    assert read_sealed(path, "render-settings")["renderer"] == {"type": "é"}
    accepted = []
    for i in range(len(whole)):
        for bit in range(8):
            path.write_bytes(whole[:i] + bytes([whole[i] ^ (1 << bit)]) + whole[i + 1 :])
            try:
                read_sealed(path, "render-settings")
            except IntegrityError:
                continue
            accepted.append((i, bit))
    assert accepted == []


def test_every_cut_and_every_added_byte_of_a_sealed_file_shows(tmp_path: Path) -> None:
    path = tmp_path / "render.json"
    write_sealed(path, SETTINGS)
    whole = path.read_bytes()
    changed = [whole[:i] for i in range(len(whole))]
    changed += [whole[:i] + extra + whole[i:] for i in range(len(whole) + 1) for extra in (b" ", b"0", b"\n")]
    changed += [whole + whole, whole.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + whole, b"[]", b"{}", b"null"]
    for data in changed:
        path.write_bytes(data)
        with pytest.raises(IntegrityError) as caught:
            read_sealed(path, "render-settings")
        assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(InputError):
        read_sealed(path, "render-settings")


def test_a_sealed_file_of_another_kind(tmp_path: Path) -> None:
    write_sealed(tmp_path / "f", {"schema": "clay-eval/manifest/1"})
    with pytest.raises(InputError):
        read_sealed(tmp_path / "f", "render-settings")


def test_no_depth_that_is_let_in_can_break_the_seal(tmp_path: Path) -> None:
    inner: object = 1
    for _ in range(validate.MAX_DEPTH - 3):
        inner = [inner]
    write_sealed(tmp_path / "f", {**SETTINGS, "image": {"deep": inner}})
    assert read_sealed(tmp_path / "f", "render-settings")["image"] == {"deep": inner}


def _seconds(record: Any, name: str) -> float:
    start = time.process_time()
    with pytest.raises(InputError):
        check(record, name, "hostile.json")
    return time.process_time() - start


def test_checks_take_time_that_grows_with_what_they_check() -> None:
    """Mixed items of a list that must be unique, and as many errors as items: seconds, not hours."""
    many = 200_000
    mixed: list[Any] = [number if number % 2 else str(number) for number in range(many)]
    submission: dict[str, Any] = {
        "schema": "clay-eval/submission/1",
        "name": "x",
        "data": {"fingerprint": "0" * 64},
        "settings": {"split": "image", "seeds": mixed, "measures": ["AP"]},
        "format": "embeddings",
        "similarity": "inner",
        "parts": [1] * many,
        "conditions_seen": mixed,
    }
    assert _seconds(submission, "submission") < 20
    exclusion = {"when": {"a": mixed}, "reason": "r"}
    assert _seconds({"exclusions": [exclusion]}, "entity-spec") < 20
    assert _seconds({"software": {f"{'x' * 201}{i}": 1 for i in range(many)}}, "report") < 20


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 2], True),
        ([1, 1], False),
        ([1, 1.0], False),
        ([1, True], True),
        ([0, False, "0", None], True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        ([[1], [1]], False),
        ([[1], [2], {"a": []}], True),
        (["a", "b", "a"], False),
    ],
)
def test_unique_items_are_those_of_json_schema(items: list[Any], unique: bool) -> None:
    errors = schema_errors(items, {"uniqueItems": True}, 5)
    assert (not errors) == unique
    assert jsonschema.Draft202012Validator({"uniqueItems": True}).is_valid(items) == unique
