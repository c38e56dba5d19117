"""Shards that another program wrote, as a source: which of their JSON is labels, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.errors import InputError, IntegrityError


def test_foreign_labels_object(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    records = [
        {"labels": {"Count": 3, "big": True, "hue": " red "}},
        {"labels": {"Count": 4, "big": False, "hue": "x"}},
    ]
    foreign_shard(tmp_path / "My Data" / "a-000.tar", list(zip(["0001", "0002"], records, strict=True)))
    foreign_shard(
        tmp_path / "My Data" / "a-001.tar", list(zip(["0001", "tr/0003"], records, strict=True)), extra=False
    )
    source = open_source(tmp_path / "My Data", parents={"hue": "Count"})
    (labels,) = source.entities.values()
    assert labels.entity == "my-data"
    assert labels.labels == {"count": ("3", "4") * 2, "big": ("true", "false") * 2, "hue": ("red", "x") * 2}
    assert labels.parents == {"hue": "count"}
    assert labels.keys[1] == "s0002"
    assert labels.keys[3] == "tr-0003"
    assert labels.keys[0].startswith("s0001-")
    assert labels.keys[2].startswith("s0001-")
    assert [unit.name for unit in source.units()] == ["a-000", "a-001"]
    one = open_source(tmp_path / "My Data" / "a-000.tar", entity="mine")
    assert list(one.entities) == ["mine"]


def test_foreign_top_level_scalars(
    foreign_shard: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples: list[tuple[str, dict[str, object]]] = [
        (str(i), {"url": f"u{i}", "shape": i % 2, "width": 64, "note": None, "box": [1], "score": 0.5})
        for i in range(4)
    ]
    foreign_shard(tmp_path / "a.tar", samples)
    (labels,) = open_source(tmp_path).entities.values()
    assert labels.labels == {"shape": ("0", "1", "0", "1")}
    assert "'url'" in caplog.text
    assert "'width'" in caplog.text
    (chosen,) = open_source(tmp_path, conditions=["shape", "url"]).entities.values()
    assert list(chosen.labels) == ["shape", "url"]
    with pytest.raises(InputError, match="same value for 'width'"):
        open_source(tmp_path, conditions=["width"])
    with pytest.raises(InputError, match="a label is missing"):
        open_source(tmp_path, conditions=["note"])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"labels": {"a": "x"}}, {"labels": {"b": "x"}}], r"1.*label 'a'"),
        ([{"labels": {"a": "x"}}, {"labels": {"a": "y", "b": "x"}}], "other samples do not have"),
        ([{"labels": {"a": "x"}}, {"a": "y"}], "some samples have no labels"),
        ([{"labels": {"a": "x"}}, {"labels": {"a": None}}], "a label is missing"),
        ([{"labels": {"a": "x"}}, {"labels": {"a": ["y"]}}], "a label is missing"),
        ([{"labels": {"a": "x"}}, {"labels": {"a": "x"}}], "same value for 'a'"),
        ([{"labels": {"1": "x"}}, {"labels": {"1": "y"}}], "name of a condition"),
        ([{"labels": {}}, {"labels": {}}], "no condition"),
        ([{"x": [1]}, {"x": [2]}], "no condition"),
        ([], "no sample"),
    ],
)
def test_foreign_labels_that_make_no_sense(
    foreign_shard: Callable[..., Path], tmp_path: Path, records: list[dict[str, object]], message: str
) -> None:
    foreign_shard(tmp_path / "a.tar", [(str(i), record) for i, record in enumerate(records)])
    with pytest.raises(InputError, match=message):
        open_source(tmp_path)


def test_cut_foreign_shard(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    path = foreign_shard(tmp_path / "a.tar", [(str(i), {"a": i % 2}) for i in range(6)])
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(IntegrityError):
        open_source(tmp_path)


def test_unit_hash_of_foreign_shards_is_the_files(foreign_shard: Callable[..., Path], tmp_path: Path) -> None:
    path = foreign_shard(tmp_path / "a.tar", [(str(i), {"a": i % 2}) for i in range(4)])
    assert open_source(tmp_path).units()[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_number_that_is_none_is_named_where_it_is_a_label(
    foreign_shard: Callable[..., Path], tmp_path: Path
) -> None:
    samples: list[tuple[str, dict[str, object]]] = [
        (str(i), {"a": i % 2, "score": float("nan")}) for i in range(4)
    ]
    foreign_shard(tmp_path / "a.tar", samples)
    (labels,) = open_source(tmp_path).entities.values()
    assert list(labels.labels) == ["a"]
    with pytest.raises(InputError, match=r"a label is missing[\s\S]*a\.tar: 0 label 'score'[\s\S]*nan"):
        open_source(tmp_path, conditions=["score"])


def test_what_is_left_out_of_tars_is_counted(
    foreign_shard: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sizes: list[object] = [1, 1.0, True, 2]
    foreign_shard(tmp_path / "a.tar", [(f"v1.{i}", {"a": i % 2, "size": sizes[i]}) for i in range(4)])
    (labels,) = open_source(tmp_path).entities.values()
    assert len(labels.keys) == 4
    assert labels.labels == {"a": ("0", "1", "0", "1"), "size": ("1", "1", "1", "2")}
    assert "4 members of the tars left out" in caplog.text
    assert "4 .txt" in caplog.text
    assert "'1.0' is '1', 'true' is '1'" in caplog.text


def test_columns_with_fractions_are_named(
    foreign_shard: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign_shard(tmp_path / "a.tar", [(str(i), {"a": i // 2, "size": (0.5, 1)[i % 2]}) for i in range(4)])
    (labels,) = open_source(tmp_path).entities.values()
    assert labels.labels == {"a": ("0", "0", "1", "1")}
    assert "'size' (numbers with fractions" in caplog.text
    (labels,) = open_source(tmp_path, conditions=["size"]).entities.values()
    assert labels.labels == {"size": ("0.5", "1", "0.5", "1")}
