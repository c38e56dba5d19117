"""neighbours.json and the sheets of its pictures: what is kept, where it lies, and what is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_report import Pictures
from PIL import Image

from clay_eval.evaluator.evaluation import neighbours, sheets
from clay_eval.evaluator.evaluation.sheets import COLUMNS, SIDE
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.report import beside
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256


def read(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    found = beside.read_neighbours(folder, report["neighbours"])
    assert found is not None
    return found


def test_the_file_holds_the_retrievals_of_the_report(made_report: tuple[dict[str, Any], Path]) -> None:
    report, folder = made_report
    found = read(folder, report)
    sets = {(n, tuple(s["conditions"])): (e, s) for n, e in found["entities"].items() for s in e["sets"]}
    assert report["neighbours"]["queries"] == sum(len(s["queries"]) for _, s in sets.values())
    for item in report["retrievals"]:
        entity, one = sets[item["entity"], tuple(item["conditions"])]
        place = [entity["keys"][q] for q in one["queries"]].index(item["query"]["key"])
        assert one["groups"][one["group"][place]] == item["group"]
        for method, ranked in item["methods"].items():
            mine = one["methods"][method]
            assert mine["scores"][place] == pytest.approx(ranked["ap"], abs=5e-6)
            assert [entity["keys"][i] for i in mine["neighbours"][place]] == [
                n["key"] for n in ranked["neighbours"]
            ]
            for image, shown in zip(mine["neighbours"][place], ranked["neighbours"], strict=True):
                labels = {a: c["values"][c["codes"][image]] for a, c in entity["labels"].items()}
                assert labels == shown["labels"]


def test_every_picture_lies_where_its_number_says(made_report: tuple[dict[str, Any], Path]) -> None:
    report, folder = made_report
    found = read(folder, report)
    images = sum(len(entity["keys"]) for entity in found["entities"].values())
    assert found["sheets"] == len(list((folder / "pictures").iterdir())) == -(-images // COLUMNS**2)
    for entity in found["entities"].values():
        for key in set(entity["keys"]) & set(report["thumbnails"]):
            number = entity["first"] + entity["keys"].index(key)
            sheet, at = divmod(number, COLUMNS**2)
            left, top = at % COLUMNS * SIDE, at // COLUMNS * SIDE
            with Image.open(folder / beside.sheet_path(sheet)) as image:
                cell = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), float)
            with Image.open(folder / report["thumbnails"][key]) as image:
                assert np.abs(cell - np.asarray(image, float)).mean() < 6


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=1, max_size=60), st.integers(1, 20))
def test_a_sample_goes_from_worst_to_best_and_holds_both(values: list[float], limit: int) -> None:
    keys = [f"k{i:02d}" for i in range(len(values))]
    scores = np.array(values)
    chosen = neighbours.choose_sample(keys, scores, limit)
    assert len(set(chosen.tolist())) == len(chosen)
    if len(values) <= limit:
        assert chosen.tolist() == list(range(len(values)))
        return
    finite = scores[np.isfinite(scores)]
    assert len(chosen) == min(limit, len(finite))
    assert (np.diff(scores[chosen]) >= 0).all()
    if len(chosen) > 1:
        assert (scores[chosen[0]], scores[chosen[-1]]) == (finite.min(), finite.max())


def test_small_entities_are_kept_whole_and_large_ones_sampled() -> None:
    assert neighbours.sample_size(1500, 7) == 5000 // 7
    assert neighbours.sample_size(1501, 7) == neighbours.sample_size(14_000, 1) == 40
    assert neighbours.sample_size(10, 1000) == 40


def broken(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(record)
    place: Any = made["entities"]["demo-human"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sets", 0, "queries", 0), 10**6),
        (("sets", 0, "queries", 0), -1),
        (("sets", 0, "group", 0), 7),
        (("sets", 0, "conditions"), ["unknown"]),
        (("sets", 0, "methods", "raw", "scores"), []),
        (("sets", 0, "methods", "raw", "scores", 0), 2.0),
        (("sets", 0, "methods", "raw", "neighbours", 0), [0]),
        (("sets", 0, "methods", "raw", "neighbours", 0, 0), 10**6),
        (("labels", "age", "codes", 0), 99),
        (("labels", "age", "codes"), [0]),
        (("keys", 0), 3),
        (("first",), -1),
    ],
)
def test_a_record_that_points_elsewhere_is_refused(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    record = broken(read(made_report[1], made_report[0]), path, value)
    file = tmp_path / "neighbours.json"
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match="neighbours"):
        beside.read_neighbours(tmp_path, {"file": file.name, "sha256": file_sha256(file)})


def test_a_changed_file_is_refused_and_a_missing_one_is_none(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text("{}")
    with pytest.raises(IntegrityError, match="changed"):
        beside.read_neighbours(tmp_path, {"file": "n.json", "sha256": "0" * 64})
    assert beside.read_neighbours(tmp_path, {"file": "m.json", "sha256": "0" * 64}) is None
    assert beside.read_neighbours(tmp_path / "x", {"file": "../n.json", "sha256": "0" * 64}) is None


def test_sheets_of_a_larger_report_are_deleted_and_pictures_are_centred(tmp_path: Path) -> None:
    red, wide = Image.new("RGB", (SIDE, SIDE), "red"), Image.new("RGB", (SIDE, SIDE // 2), "blue")
    assert sheets.write_sheets([red] * (COLUMNS**2 + 1), tmp_path) == 2
    assert beside.missing_sheets(tmp_path, 3) == 1
    assert sheets.write_sheets([red, wide], tmp_path) == 1
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["0000.jpg"]
    with Image.open(tmp_path / "pictures/0000.jpg") as image:
        assert image.size == (COLUMNS * SIDE, SIDE)
        pixels = np.asarray(image, int)
    assert np.abs(pixels[SIDE // 2, SIDE // 2] - (254, 0, 0)).max() < 12
    assert np.abs(pixels[SIDE // 2, SIDE + SIDE // 2] - (0, 0, 254)).max() < 12
    assert np.abs(pixels[4, SIDE + SIDE // 2] - 222).max() < 12
    assert sheets.write_sheets([], tmp_path) == 0
    assert list((tmp_path / "pictures").iterdir()) == []


def test_small_pictures_come_in_the_order_of_the_data_from_units_that_hold_them() -> None:
    labels = {"age": ("child",) * 300, "action": ("running",) * 300, "background": ("beach",) * 300}

    class Counted(Pictures):
        opened = 0

        def images(self, unit: Any) -> Iterator[tuple[str, bytes]]:
            self.opened += 1
            return super().images(unit)

    keys = tuple(f"k{i:03d}" for i in range(300))
    source = Counted({name: Labelled(keys, labels, {}, name) for name in ("demo-human", "other")})
    wanted = [keys[i] for i in (299, 3, 150)]
    small = list(sheets.small_pictures(source, "demo-human", wanted, side=12))
    assert [key for key, _ in small] == sorted(wanted)
    assert {image.size for _, image in small} == {(12, 12)}
    assert source.opened == 1
    assert list(sheets.small_pictures(source, "demo-human", [])) == []
