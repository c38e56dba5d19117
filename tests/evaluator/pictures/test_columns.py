"""Columns of labels: which are left out with a note, what is one value, and what is refused with line and column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clay_eval.evaluator.pictures.columns import one_form, unusable
from clay_eval.evaluator.pictures.names import condition_name
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"


def table(folder: Path, columns: dict[str, Sequence[str]]) -> Path:
    rows = list(zip(*columns.values(), strict=True))
    for i in range(len(rows)):
        (folder / f"{i}.png").write_bytes(PNG + bytes([i % 256, i // 256]))
    lines = [",".join(["file", *columns]), *(",".join([f"{i}.png", *row]) for i, row in enumerate(rows))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def read(folder: Path, columns: dict[str, Sequence[str]], **options: object) -> tuple[list[str], str]:
    source = open_source(table(folder, columns), **options)  # type: ignore[arg-type]
    (labels,) = source.entities.values()
    return list(labels.labels), "\n".join(getattr(source, "notes", ()))


def test_columns_that_are_of_no_use(tmp_path: Path) -> None:
    columns: dict[str, Sequence[str]] = {
        "id": "0123",
        "color": ["red", "blue"] * 2,
        "wide": "7777",
        "caption": [c * 300 for c in "abcd"],
    }
    names, notes = read(tmp_path, columns)
    assert names == ["color"]
    assert "not taken as a condition: 'id', 'caption' (another value for every picture)" in notes
    assert "not taken as a condition: 'wide' (the same value for all pictures)" in notes
    with pytest.raises(InputError, match="same value for 'wide'"):
        read(tmp_path, columns, conditions=["color", "wide"])
    with pytest.raises(InputError, match="same value for 'wide'"):
        read(tmp_path, columns, parents={"color": "wide"})
    assert read(tmp_path, columns, conditions=["id"])[0] == ["id"]


def test_missing_labels_do_not_make_a_column_useless() -> None:
    assert unusable({"a": ["x", ""], "b": ["x", "y", ""], "c": ["", ""], "d": ["x", "x", ""]}) == {
        "b": "another value for every picture",
        "c": "the same value for all pictures",
    }


def test_limits_hold_where_the_table_is_read(tmp_path: Path) -> None:
    long = ["x" * 201, "y"] * 2
    with pytest.raises(InputError, match=r"too long[\s\S]*labels.csv line 2 column 'b'[\s\S]*200"):
        read(tmp_path, {"a": "xyxy", "b": long})
    assert read(tmp_path, {"a": "xyxy", "b": long}, conditions=["a"])[0] == ["a"]
    assert read(tmp_path, {"a": ["x" * 200, "y"] * 2})[0] == ["a"]
    with pytest.raises(InputError, match="name of a condition"):
        read(tmp_path, {"n" * 64: "xyxy"})


@pytest.mark.parametrize(
    ("column", "values", "note"),
    [
        (["1", "1.0", "true", "2"], ["1", "1", "1", "2"], "'1.0' is '1', 'true' is '1'"),
        (["0", "1", "False", "True"], ["0", "1", "0", "1"], "4 labels|2 labels"),
        (["1", "1.00"], ["1", "1"], "'1.00' is '1'"),
        (["1.0", "2.0"], ["1.0", "2.0"], ""),
        (["01", "1"], ["01", "1"], ""),
        (["true", "false"], ["true", "false"], ""),
        (["1", "1.0", "one"], ["1", "1.0", "one"], ""),
        (["1.1", "1.10"], ["1.1", "1.10"], "texts of the same number"),
        (["red", "Red"], ["red", "Red"], "differ in case only"),
        (["stra\u00dfe", "STRASSE"], ["stra\u00dfe", "STRASSE"], "differ in case only"),
        (["caf\u00e9", "cafe\u0301"], ["caf\u00e9", "caf\u00e9"], "Unicode forms differed"),
        (["Caf\u00e9", "cafe\u0301"], ["Caf\u00e9", "caf\u00e9"], "differ in case only"),
        (["red", "blue"], ["red", "blue"], ""),
    ],
)
def test_one_form(column: list[str], values: list[str], note: str) -> None:
    found, notes = one_form("c", column)
    assert list(found) == values
    assert bool(notes) == bool(note)
    assert any(part in " ".join(notes) for part in note.split("|"))


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("Farbe (Haupt)", "farbe_haupt"),
        ("\u0444\u043e\u0440\u043c\u0430", "\u0444\u043e\u0440\u043c\u0430"),
        ("\u0424\u041e\u0420\u041c\u0410", "\u0444\u043e\u0440\u043c\u0430"),
        ("\u989c\u8272 2", "\u989c\u8272_2"),
        ("\u0930\u0902\u0917", "\u0930\u0902\u0917"),
        ("e\u0301tat", "\u00e9tat"),
        ("a__b-c", "a__b-c"),
        (" Sub  Category ", "sub_category"),
    ],
)
def test_names_in_any_script(name: str, condition: str, tmp_path: Path) -> None:
    assert condition_name(name, "x") == condition
    assert condition_name(condition, "x") == condition
    assert read(tmp_path, {name: "xyxy"})[0] == [condition]
    assert read(tmp_path, {name: "xyxy", "b": "xxyy"}, conditions=[condition])[0] == [condition]


@pytest.mark.parametrize("name", ["2", "-x", "", "???", "\u0301a", "\u202e", "x" * 64])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError, match="name of a condition"):
        condition_name(name, "x")
