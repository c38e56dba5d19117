"""The record behind the pages: sealed, checked before anything is written, and its thumbnails kept inside its folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clay_eval.evaluator.evaluation import thumbnails
from clay_eval.evaluator.report import beside, build, pages
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.validate import read_sealed


def test_a_sealed_report_survives_reading_and_makes_the_same_pages(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    report, folder = made_report
    write_sealed(tmp_path / "report.json", report)
    again = read_sealed(tmp_path / "report.json", "report")
    for part in ("thumbnails", "pictures"):
        shutil.copytree(folder / part, tmp_path / part)
    shutil.copy(folder / "neighbours.json", tmp_path)
    pages.write_pages(again, tmp_path)
    for name in ("report.html", "report.md", "queries.html"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_thumbnails_are_read_from_the_report_alone(tmp_path: Path) -> None:
    outside = tmp_path / "secret.jpg"
    Image.new("RGB", (4, 4)).save(outside)
    folder = tmp_path / "report"
    good = thumbnails.write_thumbnails(
        [("a", Image.new("RGB", (200, 100))), ("b/../c", Image.new("L", (9, 9)))], folder
    )
    inside = folder / "thumbnails"
    (inside / "link.jpg").symlink_to(outside)
    (inside / "text.jpg").write_text("<svg onload=alert(1)>")
    (inside / "huge.jpg").write_bytes(b"\xff\xd8\xff" + bytes(beside.MAX_BYTES))
    (inside / "folder.jpg").mkdir()
    bad = {
        "up": "thumbnails/../../secret.jpg",
        "absolute": str(outside),
        **{name: f"thumbnails/{name}.jpg" for name in ("link", "text", "huge", "folder", "missing")},
    }
    assert set(beside.data_uris({**good, **bad}, folder)) == {"a", "b/../c"}
    assert good["a"] == "thumbnails/a.jpg"
    assert re.fullmatch(r"thumbnails/sha256-[0-9a-f]{32}\.jpg", good["b/../c"])
    with Image.open(folder / good["a"]) as image:
        assert image.size == (96, 48)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("thumbnails", "k"), "thumbnails/../../etc/passwd.jpg"),
        (("thumbnails", "k"), "/etc/passwd.jpg"),
        (("per_query", "file"), "javascript:alert(1)"),
        (("per_query", "file"), "../x.csv"),
        (("fingerprint",), "` <b>"),
        (("schema",), "clay-eval/report/1"),
        (("neighbours", "file"), "../x.json"),
        (("results", 0, "value"), 86.1),
        (("settings", "split"), "by eye"),
    ],
)
def test_a_broken_record_is_refused_and_nothing_is_written(
    made_report: tuple[dict[str, Any], Path], tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    report = {
        **made_report[0],
        **{key: made_report[0][key] for key in ("thumbnails", "per_query", "neighbours", "settings")},
    }
    report = {
        key: dict(v) if isinstance(v, dict) else list(v) if isinstance(v, list) else v
        for key, v in report.items()
    }
    place: Any = report
    for step in path[:-1]:
        place[step] = dict(place[step]) if isinstance(place[step], dict) else place[step]
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(InputError, match="report"):
        pages.write_pages(report, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_results_may_be_dataclasses_and_numbers_numpy() -> None:
    assert build.plain({"a": np.float32(0.5), "b": (np.nan, np.inf), "c": np.arange(2), 1: None}) == {
        "a": 0.5,
        "b": [None, None],
        "c": [0, 1],
        "1": None,
    }
    with pytest.raises(TypeError, match="dataclass"):
        build._result(3)
