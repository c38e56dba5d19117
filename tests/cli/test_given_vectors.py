"""Vectors with labels and no picture, and the way from an edit to its numbers: what is imported, told, kept and left out."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

Cli = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
COLORS, SHAPES = ("red", "green", "blue"), ("disc", "box")
PAGES = {"report.html", "report.md", "queries.html"}
NUMBERS = ("inputs", "settings", "entities", "results", "comparisons", "failures", "methods", "per_query")
HEAVY = ("torch", "sklearn", "scipy.stats", "matplotlib", "pandas", "transformers", "open_clip", "pyarrow")


def write_vectors(folder: Path, *, file_column: bool = False) -> Path:
    """60 labelled vectors, their texts, and a table of labels; no picture."""
    rng = np.random.default_rng(0)
    meaning = {value: rng.normal(size=16) for value in (*COLORS, *SHAPES)}
    rows = [(f"Photo {i:02d}", COLORS[i % 3], SHAPES[i // 3 % 2]) for i in range(60)]
    images = [meaning[color] + meaning[shape] + rng.normal(size=16) * 0.4 for _, color, shape in rows]
    texts = {f"{word} {value}": (value, meaning[value]) for value in meaning for word in ("a", "one")}
    folder.mkdir(parents=True)
    for name, keys, vectors in (
        ("images", [key for key, _, _ in rows], images),
        ("texts", list(texts), [vector + rng.normal(size=16) * 0.1 for _, vector in texts.values()]),
    ):
        np.save(folder / f"{name}.npy", np.array(vectors, np.float32))
        (folder / f"{name}.keys.txt").write_text("".join(f"{key}\n" for key in keys))
    with (folder / "labels.csv").open("w", newline="") as file:
        named = [(f"{key}.png", *values) for key, *values in rows] if file_column else rows
        csv.writer(file).writerows([("file" if file_column else "key", "color", "shape"), *named])
    conditions = {
        name: [{"text": text, "value": value} for text, (value, _) in texts.items() if value in values]
        for name, values in (("color", COLORS), ("shape", SHAPES))
    }
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": "called-otherwise",
        "origin": {"author": "tests", "method": "written by hand"},
        "conditions": conditions,
    }
    (folder / "texts.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    return write_vectors(tmp_path / "Some Things")


def words(folder: Path, out: Path, *more: object, labels: bool = True) -> list[object]:
    where = ["--labels", folder / "labels.csv"] if labels else ["--data", folder]
    given = ["--features", folder / "images.npy", "--text-features", folder / "texts.npy"]
    return [*where, *given, "--texts", folder / "texts.json", "--out", out, *more]


def evaluate(cli: Cli, folder: Path, out: Path, *more: object, **options: bool) -> dict[str, Any]:
    outcome = cli(
        "evaluate", *words(folder, out, "--method", "raw", "--method", "clay", "--json", *more, **options)
    )
    assert outcome.code == 0, outcome.err
    record: dict[str, Any] = json.loads(outcome.out)
    return record


def files(report: Path) -> set[str]:
    return {path.name for path in report.iterdir() if not path.name.startswith(".")}


def test_a_table_of_labels_gives_the_whole_report_less_its_thumbnails(
    cli: Cli, vectors: Path, tmp_path: Path
) -> None:
    """By key, by file with and without extension, and through the folder: the same numbers, and all that pages show."""
    record = evaluate(cli, vectors, tmp_path / "out")
    assert list(record["entities"]) == ["some-things"]
    assert record["inputs"]["data"]["kind"] == "labels"
    assert any("none of the pictures is here" in warning for warning in record["warnings"])
    assert record["thumbnails"] == {}
    assert record["retrievals"]
    assert len(record["maps"]) == 4
    report = tmp_path / "out" / "report"
    assert PAGES | {"report.json", "per_query.csv", "neighbours.json"} <= files(report)
    assert json.loads((report / "neighbours.json").read_text())["sheets"] == 0
    page = (report / "report.html").read_text()
    shown = record["retrievals"][0]["query"]["key"]
    assert shown.startswith("sPhoto-")
    assert f">{shown}</span>" in page
    assert "no picture<" not in page
    by_file = write_vectors(tmp_path / "again" / "some things", file_column=True)
    other = evaluate(cli, by_file, tmp_path / "files")
    through_folder = evaluate(cli, by_file, tmp_path / "folder", labels=False)
    assert record["results"] == other["results"] == through_folder["results"]
    assert other["inputs"]["data"] == through_folder["inputs"]["data"]


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (("export", "--format", "csv"), "exports"),
        (("export", "--format", "trec", "--method", "raw"), "exports/trec"),
        (("ablate", "--axis", "k", "--seed", "0"), "experiments/ablate"),
        (("rank", "--order", "color=red,green,blue", "--seed", "0"), "experiments/rank"),
        (("leak",), "experiments/leak"),
        (("cost", "--images", "20", "--repeats", "1"), "experiments/cost"),
    ],
)
def test_commands_on_vectors_take_labels_alone(
    cli: Cli, vectors: Path, tmp_path: Path, command: tuple[str, ...], made: str
) -> None:
    if command[0] == "export":
        evaluate(cli, vectors, tmp_path / "out")
    outcome = cli(*command[:1], *words(vectors, tmp_path / "out"), *command[1:])
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / made).is_dir()


def test_labels_alone_are_refused_where_they_do_not_do(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    out, table = ["--out", tmp_path / "out"], vectors / "labels.csv"
    cli("evaluate", "--labels", table, *out).refused(2, "without vectors", "--features")
    cli("evaluate", "--data", table, *out).refused(2, "without pictures", "--features")
    cli("evaluate", *words(vectors, tmp_path / "out"), "--data", vectors).refused(2, "labels twice")
    cli("evaluate", "--labels", vectors, *out).refused(2, "no such table of labels")
    texts = tmp_path / "needed.txt"
    assert cli("evaluate", "--labels", table, *out, "--write-texts", texts).code == 0
    assert "a photo of red" in texts.read_text()
    table.write_text("key,color\na,red\na,blue\n")
    cli("evaluate", *words(vectors, tmp_path / "out")).refused(2, "a key stands twice")
    table.write_text("key,color\na,red\n,blue\n")
    cli("evaluate", *words(vectors, tmp_path / "out")).refused(2, "an empty cell", "line 3")
    write_vectors(tmp_path / "more")
    table.write_text((tmp_path / "more" / "labels.csv").read_text() + "other,red,box\n")
    cli("evaluate", *words(vectors, tmp_path / "out")).refused(
        2, "1 of 61 pictures have no features", "'other'"
    )


def test_a_folder_of_some_pictures_is_no_table_of_labels(
    cli: Cli, own_folder: Path, vectors: Path, tmp_path: Path
) -> None:
    """With one picture gone nothing is taken for a data set without pictures; the way out is named."""
    folder = shutil.copytree(own_folder, tmp_path / "copy")
    next(iter(sorted(folder.rglob("*.png")))).unlink()
    given = ["--features", vectors / "images.npy", "--method", "raw"]
    cli("evaluate", "--data", folder, *given, "--out", tmp_path / "out").refused(
        2, "a picture is missing", "--labels"
    )


@pytest.mark.parametrize(
    "change", [lambda texts: texts.pop("shape"), lambda texts: texts["shape"].clear()], ids=["gone", "empty"]
)
def test_texts_of_another_entity_fit_only_where_they_know_its_conditions(
    cli: Cli, vectors: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    record = json.loads((vectors / "texts.json").read_text())
    change(record["conditions"])
    (vectors / "texts.json").write_text(json.dumps(record))
    assert cli("evaluate", *words(vectors, tmp_path / "out")).code == 2


def test_texts_that_name_no_value_of_the_data_do_not_fit(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    record = json.loads((vectors / "texts.json").read_text())
    for item in record["conditions"]["shape"]:
        item["value"] = f"other {item['value']}"
    (vectors / "texts.json").write_text(json.dumps(record))
    cli("evaluate", *words(vectors, tmp_path / "out")).refused(
        2, "condition texts of an entity", "some-things"
    )


def test_nothing_heavy_is_imported_for_given_vectors(start: Start, vectors: Path, tmp_path: Path) -> None:
    """Neither torch nor scikit-learn, with all pages; and the numbers stand on standard output."""
    tell = f"import atexit, sys; atexit.register(lambda: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr))"
    arguments = words(vectors, tmp_path / "out", "--method", "raw", "--method", "clay")
    out, err = start("evaluate", *arguments, before=tell).communicate(timeout=120)
    assert err.splitlines()[-1] == "[]"
    assert out.count("mAP") == 6
    recorded = json.loads((tmp_path / "out" / "report" / "report.json").read_text())["recorded"]
    assert recorded["threads"] >= 1
    assert "device" not in recorded


def test_numbers_are_told_before_anything_is_shown(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    from clay_eval.evaluator.evaluation import evaluate as module
    from clay_eval.schemas.errors import InputError

    told = ["--method", "raw", "--method", "clay"]
    whole = cli("evaluate", *words(vectors, tmp_path / "whole", *told))
    with patch.object(module, "show_entity", side_effect=InputError("stopped")):
        stopped = cli("evaluate", *words(vectors, tmp_path / "out", *told))
    assert stopped.code == 2
    lines = whole.out.splitlines()
    assert stopped.out.splitlines() == lines[:-1]
    assert lines[-1].startswith("report: ")
    again = cli("evaluate", *words(vectors, tmp_path / "whole", *told))
    assert again.out == whole.out


def test_a_closed_output_costs_no_report(start: Start, vectors: Path, tmp_path: Path) -> None:
    unread = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    process = start("evaluate", *words(vectors, tmp_path / "out", "--method", "raw"), before=unread)
    process.communicate(timeout=120)
    assert process.returncode == 141
    assert files(tmp_path / "out" / "report") >= PAGES


def test_without_pages_there_are_the_same_numbers_and_nothing_else(
    cli: Cli, vectors: Path, tmp_path: Path
) -> None:
    """Pages of the numbers come from the record; the same command without the option adds the rest."""
    whole = evaluate(cli, vectors, tmp_path / "whole")
    lean = evaluate(cli, vectors, tmp_path / "lean", "--no-pages")
    report = tmp_path / "lean" / "report"
    assert files(report) == {"report.json", "per_query.csv"}
    assert {name: lean[name] for name in NUMBERS} == {name: whole[name] for name in NUMBERS}
    assert set(lean["warnings"]) == set(whole["warnings"])
    assert evaluate(cli, vectors, tmp_path / "lean", "--no-pages") == lean
    assert cli("report", "--out", tmp_path / "lean").code == 0
    assert PAGES - files(report) == {"queries.html"}
    for page in PAGES & files(report):
        assert "--no-pages" in (report / page).read_text()
    assert evaluate(cli, vectors, tmp_path / "lean") == whole
    for name in files(tmp_path / "whole" / "report"):
        assert (report / name).read_bytes() == (tmp_path / "whole" / "report" / name).read_bytes()


def test_pages_stay_with_their_record(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    """A report with pages satisfies who wants none; one that replaces it takes its pages away."""
    whole = evaluate(cli, vectors, tmp_path / "out")
    report = tmp_path / "out" / "report"
    assert evaluate(cli, vectors, tmp_path / "out", "--no-pages") == whole
    assert files(report) >= PAGES
    other = evaluate(cli, vectors, tmp_path / "out", "--no-pages", "--replace", "--seed", "3")
    assert other["results"] != whole["results"]
    assert not (PAGES | {"neighbours.json"}) & files(report)


def test_only_maps_of_what_changed_are_drawn_again(cli: Cli, vectors: Path, tmp_path: Path) -> None:
    """Other texts move CLAY's maps of their condition, and neither raw's nor the other condition's."""
    from clay_eval.evaluator.evaluation import maps

    first = evaluate(cli, vectors, tmp_path / "out")
    record = json.loads((vectors / "texts.json").read_text())
    record["conditions"]["color"].pop(0)
    (vectors / "texts.json").write_text(json.dumps(record))
    with patch.object(maps, "two_d_map", wraps=maps.two_d_map) as drawn:
        second = evaluate(cli, vectors, tmp_path / "out", "--replace")
        assert drawn.call_count == 1
        evaluate(cli, vectors, tmp_path / "out", "--replace", "--draws", "30")
        assert drawn.call_count == 1
    changed = [(m["conditions"], m["method"]) for m in second["maps"] if m not in first["maps"]]
    assert changed == [(["color"], "clay")]
    assert evaluate(cli, vectors, tmp_path / "fresh")["maps"] == second["maps"]


def test_which_report_is_said_once(cli: Cli, tmp_path: Path) -> None:
    cli("report").refused(2, "which report?")
    cli("report", tmp_path, "--out", tmp_path).refused(2, "which report?")
