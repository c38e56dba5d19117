"""A researcher's own pictures, texts and methods through the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import webdataset

Cli = Callable[..., Any]
Hashes = Callable[[Path], dict[str, str]]


METHODS = ("raw", "ip-composer", "text-pca", "crl", "clay", "clay-values")


def evaluate(cli: Cli, data: Path, out: Path, encoder: Path, *more: object) -> dict[str, Any]:
    outcome = cli(
        "evaluate", "--data", data, "--out", out, "--encoder", encoder, "--draws", 20, "--json", *more
    )
    assert outcome.code == 0, outcome.err
    record: dict[str, Any] = json.loads(outcome.out)
    assert record == json.loads((out / "report" / "report.json").read_text())
    return record


def single(record: dict[str, Any]) -> set[tuple[str, tuple[str, ...]]]:
    return {(r["method"], tuple(r["conditions"])) for r in record["results"]}


def expected(*names: str) -> set[tuple[str, tuple[str, ...]]]:
    sets = [c for size in range(1, len(names) + 1) for c in combinations(names, size)]
    return {(method, c) for method in METHODS for c in sets}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": "things",
        "origin": {"author": "someone", "method": "by hand"},
        "conditions": {
            "color": [{"text": f"something {c}", "value": c} for c in ("red", "green", "blue", "yellow")],
            "shape": [{"text": f"a {c} on grey", "value": c} for c in ("disc", "box")],
        },
    }
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(record))
    return path


def test_a_folder_of_pictures_gets_the_same_report(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, hashes: Hashes
) -> None:
    before = hashes(own_folder)
    record = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    assert single(record) == expected("color", "shape")
    assert {r["entity"] for r in record["results"]} == {"things"}
    assert record["inputs"]["data"]["kind"] == "folder"
    assert record["entities"]["things"]["images"] == 48
    assert hashes(own_folder) == before
    with (tmp_path / "out" / "report" / "per_query.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == record["per_query"]["rows"] == 5 * len(METHODS) * 3
    for result in record["results"]:
        scores = [
            float(row[result["metric"]])
            for row in rows
            if row["method"] == result["method"]
            and row["conditions"] == "+".join(result["conditions"])
            and row[result["metric"]]
        ]
        assert len(scores) == result["queries"]
        assert sum(scores) / len(scores) == pytest.approx(result["value"])
    for name in ("report.html", "report.md"):
        assert "things" in (tmp_path / "out" / "report" / name).read_text()


def test_a_second_evaluation_and_changed_pictures(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, hashes: Hashes
) -> None:
    first = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    before = hashes(tmp_path / "out")
    assert evaluate(cli, own_folder, tmp_path / "out", tiny_encoder) == first
    assert hashes(tmp_path / "out") == before
    (own_folder / "img" / "00.png").write_bytes((own_folder / "img" / "09.png").read_bytes())
    outcome = cli(
        "evaluate", "--data", own_folder, "--out", tmp_path / "out", "--encoder", tiny_encoder, "--draws", 20
    )
    outcome.refused(3, "inputs.data.fingerprint")
    assert hashes(tmp_path / "out") == before


def write_tars(
    folder: Path, drawn: list[tuple[str, str, Any]], record: Callable[..., dict[str, Any]]
) -> Path:
    folder.mkdir()
    with webdataset.ShardWriter(str(folder / "part-%03d.tar"), maxcount=20, verbose=0) as writer:
        for number, (color, shape, image) in enumerate(drawn):
            stream = io.BytesIO()
            image.save(stream, "PNG")
            sample = {"__key__": f"{number:06d}", "png": stream.getvalue(), "txt": "ignored"}
            writer.write({**sample, "json": record(number, color, shape)})
    return folder


@pytest.mark.parametrize("nested", [True, False])
def test_tars_made_elsewhere(
    cli: Cli, drawn: list[tuple[str, str, Any]], tiny_encoder: Path, tmp_path: Path, nested: bool
) -> None:
    def record(number: int, color: str, shape: str) -> dict[str, Any]:
        labels = {"color": color, "shape": shape}
        return {"labels": labels} if nested else {**labels, "id": number, "licence": "none"}

    folder = write_tars(tmp_path / "things", drawn, record)
    assert len(list(folder.iterdir())) == 3
    report = evaluate(cli, folder, tmp_path / "out", tiny_encoder)
    assert single(report) == expected("color", "shape")
    assert report["inputs"]["data"]["kind"] == "webdataset"


def test_folder_and_tars_agree(
    cli: Cli, drawn: list[tuple[str, str, Any]], own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """The same pictures with the same labels; only their keys, and so the split, could tell them apart."""
    lines = (own_folder / "labels.csv").read_text().splitlines()
    keyed = [f"key,{lines[0]}", *(f"s{i:06d},{row}" for i, row in enumerate(lines[1:]))]
    (own_folder / "labels.csv").write_text("\n".join(keyed) + "\n")
    tars = write_tars(tmp_path / "tars", drawn, lambda _, c, s: {"labels": {"color": c, "shape": s}})
    one = evaluate(cli, own_folder, tmp_path / "one", tiny_encoder)
    two = evaluate(cli, tars, tmp_path / "two", tiny_encoder, "--entity", "things")
    assert one["entities"]["things"]["query_keys"] == two["entities"]["things"]["query_keys"]
    for a, b in zip(one["results"], two["results"], strict=True):
        assert a["value"] == pytest.approx(b["value"], abs=1e-6)


def test_texts_from_a_file(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, texts: Path
) -> None:
    record = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--texts", texts)
    assert record["inputs"]["texts"]["things"]["origin"]["author"] == "someone"
    assert record["inputs"]["texts"]["things"]["conditions"]["color"] == {"texts": 4, "values": 4}
    made = evaluate(cli, own_folder, tmp_path / "made", tiny_encoder, "--template", "one {c} thing")
    assert made["inputs"]["texts"]["things"]["origin"]["instruction"] == "one {c} thing"


def test_a_parent_divides_the_database(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = ["--parent", "color=shape", "--query-share", 0.25]
    record = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, *options)
    assert record["entities"]["things"]["attributes"]["color"]["parent"] == "shape"
    fitted = record["methods"]["clay"]["fitted"]
    assert {f["group"] for f in fitted if f["conditions"] == ["color"]} == {"shape=disc", "shape=box"}
    assert {f["group"] for f in fitted if f["conditions"] == ["color", "shape"]} == {None}


def test_one_condition_of_several(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    options = ["--condition", "color", "--entity", "toys", "--method", "raw", "--method", "clay", "--k", 2]
    record = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, *options)
    assert single(record) == {("raw", ("color",)), ("clay", ("color",))}
    assert {r["entity"] for r in record["results"]} == {"toys"}
    assert [f["n_components"] for f in record["methods"]["clay"]["fitted"]] == [2]


def test_shards_of_another_run_and_one_entity(
    cli: Cli, finished: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    record = evaluate(cli, finished, tmp_path / "out", tiny_encoder, "--entity", "demo-human", "--seed", 3)
    same = json.loads((finished / "report" / "report.json").read_text())
    values = {
        (r["method"], *r["conditions"]): r["value"] for r in same["results"] if r["entity"] == "demo-human"
    }
    assert {(r["method"], *r["conditions"]): r["value"] for r in record["results"]} == values
    assert cli("verify", tmp_path / "out").code == 0


PLUG_IN = """
import numpy as np

class Constant:
    \"\"\"A method of somebody else's: imports nothing of clay_eval, and finds all pictures alike.\"\"\"

    def __init__(self, value=2):
        self.value = value

    def fit(self, database_features, text_features):
        self.width_ = database_features.shape[1]
        return self

    def transform(self, features):
        return np.full((len(features), 3), float(self.value))

class Unchanged:
    def fit(self, database_features, text_features):
        return self

    def transform(self, features):
        return features
"""


def test_a_method_from_outside(
    start: Callable[..., subprocess.Popen[str]], own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mymod.py").write_text(PLUG_IN)
    names = ["mymod:Constant", "mymod:Unchanged", "raw"]
    process = start(
        *["evaluate", "--data", own_folder, "--out", tmp_path / "out", "--encoder", tiny_encoder],
        *[word for name in names for word in ("--method", name)],
        *["--draws", 10, "--json"],
        PYTHONPATH=str(tmp_path / "code"),
    )
    out, err = process.communicate()
    assert process.returncode == 0, err
    record = json.loads(out)
    assert list(record["methods"]) == names
    constant = record["methods"]["mymod:Constant"]
    assert constant["parameters"] == {"value": 2}
    assert all(fitted["width"] == 32 for fitted in constant["fitted"])
    for conditions in (["color"], ["shape"], ["color", "shape"]):
        constant, unchanged, raw = (
            next(r for r in record["results"] if (r["method"], r["conditions"]) == (name, conditions))
            for name in names
        )
        assert constant["value"] == pytest.approx(constant["chance"])
        assert unchanged["value"] == raw["value"]
    assert "mymod:Constant" in (tmp_path / "out" / "report" / "report.md").read_text()


def test_reading_data_runs_none_of_it(
    cli: Cli, drawn: list[tuple[str, str, Any]], tiny_encoder: Path, tmp_path: Path
) -> None:
    """A pickle among the members of a tar is passed over."""
    trap = tmp_path / "sprung"
    payload = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    folder = tmp_path / "things"
    folder.mkdir()
    with webdataset.TarWriter(str(folder / "x.tar"), encoder=False) as writer:
        for number, (color, shape, image) in enumerate(drawn):
            stream = io.BytesIO()
            image.save(stream, "PNG")
            labels = json.dumps({"labels": {"color": color, "shape": shape}}).encode()
            writer.write(
                {"__key__": f"{number:06d}", "png": stream.getvalue(), "json": labels, "pyd": payload}
            )
    evaluate(cli, folder, tmp_path / "out", tiny_encoder, "--method", "raw")
    assert not trap.exists()


BAD_PLUG_IN = """
import numpy as np

class Base:
    def fit(self, database_features, text_features):
        return self
    def transform(self, features):
        return features

class FailsInFit(Base):
    def fit(self, database_features, text_features):
        return {}["missing"]

class FailsInTransform(Base):
    def transform(self, features):
        return features @ np.ones((3, 3))

class FailsWhenMade(Base):
    def __init__(self):
        raise RuntimeError("no licence")

class NeedsMore(Base):
    def __init__(self, folder):
        self.folder = folder

class TooFewRows(Base):
    def transform(self, features):
        return features[1:]

class NotNumbers(Base):
    def transform(self, features):
        return features * np.nan

class Nothing(Base):
    def transform(self, features):
        return None

class NoTransform:
    def fit(self, database_features, text_features):
        return self
"""


BAD = [
    ("plug_in_bad:FailsInFit", ["failed in fit", "plug_in_bad.py line", "KeyError: 'missing'"]),
    ("plug_in_bad:FailsInTransform", ["failed in transform", "plug_in_bad.py line", "ValueError"]),
    ("plug_in_bad:FailsWhenMade", ["failed when it was made", "no licence"]),
    ("plug_in_bad:NeedsMore", ["does not take these options", "folder"]),
    ("plug_in_bad:TooFewRows", ["one row an image", "rows"]),
    ("plug_in_bad:NotNumbers", ["NotNumbers.transform"]),
    ("plug_in_bad:Nothing", ["Nothing.transform"]),
    ("plug_in_bad:NoTransform", ["not a feature method"]),
    ("plug_in_bad:Missing", ["cannot be imported", "Missing"]),
    (
        "plug_in_broken:Anything",
        ["failed when it was imported", "ZeroDivisionError", "plug_in_broken.py"],
    ),
    ("plug_in_typo:Anything", ["SyntaxError"]),
]


def test_plug_ins_that_fail(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plug_in_bad.py").write_text(BAD_PLUG_IN)
    (tmp_path / "plug_in_broken.py").write_text("1 / 0\n")
    (tmp_path / "plug_in_typo.py").write_text("class Anything(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name, said in BAD:
        options = ["--data", own_folder, "--out", tmp_path / "out", "--encoder", tiny_encoder]
        cli("evaluate", *options, "--method", name).refused(2, *said)
        assert not (tmp_path / "out" / "report" / "report.json").exists()


def test_what_was_left_out_stands_in_the_report_and_names_may_be_of_any_script(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    with (own_folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    header = ["форма" if name == "shape" else name for name in header]
    wide = [
        [*header, "caption", "width"],
        *([*row, f"caption {i} " * 30, "64"] for i, row in enumerate(rows)),
    ]
    with (own_folder / "labels.csv").open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream).writerows(wide)
    record = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--method", "raw", "--method", "clay")
    assert {c for r in record["results"] for c in r["conditions"]} == {"color", "форма"}
    said = "\n".join(record["warnings"])
    assert "'caption' (another value for every picture)" in said
    assert "'width' (the same value for all pictures)" in said
    assert "'width'" in (tmp_path / "out" / "report" / "report.md").read_text("utf-8")
    more = ("--data", own_folder, "--encoder", tiny_encoder)
    outcome = cli("export", "--out", tmp_path / "out", "--format", "latex", "--format", "trec", *more)
    assert outcome.code == 0, outcome.err
    written = {path.name for path in (tmp_path / "out" / "exports").rglob("*") if path.is_file()}
    assert all(name.isascii() for name in written)
