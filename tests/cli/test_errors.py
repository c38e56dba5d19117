"""Bad input ends in one clear error with its own exit code, and leaves the output folder as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

Cli = Callable[..., Any]
Hashes = Callable[[Path], dict[str, str]]


@pytest.fixture
def spec() -> dict[str, Any]:
    text = resources.files("clay_eval.data.entities").joinpath("demo-object.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def unknown_parent_value(spec: dict[str, Any]) -> None:
    child = next(a for a in spec["attributes"] if "parent" in a)
    child["values_by_parent"]["spaceship"] = ["rocket", "saucer"]


def cycle(spec: dict[str, Any]) -> None:
    child = next(a for a in spec["attributes"] if "parent" in a)
    parent = next(a for a in spec["attributes"] if a["name"] == child["parent"])
    names = [v if isinstance(v, str) else v["name"] for g in child["values_by_parent"].values() for v in g]
    parent["parent"] = child["name"]
    parent["values_by_parent"] = dict.fromkeys(names, parent["values"])
    del parent["values"]


def exclusion_of_nothing(spec: dict[str, Any]) -> None:
    spec["exclusions"] = [{"when": {"smell": ["sweet"]}, "reason": "x"}]


def exclude_everything(spec: dict[str, Any]) -> None:
    color = next(a for a in spec["attributes"] if a["name"] == "color")
    names = [v if isinstance(v, str) else v["name"] for v in color["values"]]
    spec["exclusions"] = [{"when": {"color": names}, "reason": "no color at all"}]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unknown_parent_value, ["unknown value of its parent", "values_by_parent", "'spaceship'"]),
        (cycle, ["in a circle", "->", "$.attributes["]),
        (exclusion_of_nothing, ["names no core attribute", "$.exclusions[0].when", "'smell'"]),
        (exclude_everything, ["leave no combination", "$.exclusions", "all excluded"]),
    ],
)
def test_a_spec_without_sense(
    cli: Cli, spec: dict[str, Any], tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: list[str]
) -> None:
    spoil(spec)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(spec))
    for command in (["plan", path], ["run", "--entity", path]):
        outcome = cli(*command, "--out", tmp_path / "run")
        outcome.refused(2, *said, str(path), "expected:", "found:")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "demo-objct"], ["no such entity", "demo-objct", "demo-object"]),
        (["plan", "demo-object", "demo-object"], ["named twice"]),
        (["plan", "missing.json"], ["missing.json"]),
        (["run", "--renderer", "endpoint"], ["--renderer", "clay-eval plan, render, evaluate"]),
        (["render"], ["no finished plan", "clay-eval plan"]),
        (["embed"], ["no shards here"]),
        (["evaluate"], ["no shards here"]),
        (["embed", "--data", "nowhere"], ["no such folder", "nowhere"]),
    ],
)
def test_what_is_not_there(cli: Cli, tmp_path: Path, arguments: list[str], said: list[str]) -> None:
    cli(*arguments, "--out", tmp_path / "run").refused(2, *said)


def test_nothing_to_report_or_to_verify(cli: Cli, tmp_path: Path) -> None:
    cli("report", tmp_path).refused(2, "report.json")
    cli("verify", tmp_path).refused(2, "nothing to verify", str(tmp_path))
    cli("verify", tmp_path / "nowhere").refused(2, "no such folder")


def evaluate(cli: Cli, data: Path, out: Path, encoder: Path, *more: object) -> Any:
    return cli("evaluate", "--data", data, "--out", out, "--encoder", encoder, "--draws", 10, *more)


def test_a_truncated_shard_of_a_run(
    cli: Cli, a_run: Path, run_options: list[str], hashes: Hashes, tmp_path: Path
) -> None:
    tar = next((a_run / "shards").glob("demo-object*.tar"))
    tar.write_bytes(tar.read_bytes()[:-700])
    before = hashes(a_run)
    options = ["--encoder", run_options[-1]]
    for command in (
        ["evaluate", "--out", a_run, *options, "--seed", 3],
        ["embed", "--out", a_run, *options],
        ["evaluate", "--data", a_run / "shards", "--out", tmp_path / "new", *options],
    ):
        cli(*command).refused(4, "not the one in the manifest", str(tar), "expected:", "found:")
    assert hashes(a_run) == before
    assert not (tmp_path / "new").exists()


CUTS = (-30000, -700, -1, 0, 1, 512, 1023)


@pytest.mark.parametrize(("start", "length"), [(0, 0), (0, 512), (0, 5000), *((1, n) for n in CUTS)])
def test_a_truncated_shard_made_elsewhere(
    cli: Cli, finished: Path, tiny_encoder: Path, tmp_path: Path, start: int, length: int
) -> None:
    """Cut at the front, or around the end of the last member, after which two blocks of zeros must follow."""
    (tmp_path / "foreign").mkdir()
    content = next((finished / "shards").glob("demo-object*.tar")).read_bytes()
    end = -(-len(content.rstrip(b"\0")) // 512) * 512
    cut = tmp_path / "foreign" / "cut.tar"
    cut.write_bytes(content[: start * end + length])
    outcome = evaluate(cli, tmp_path / "foreign", tmp_path / "out", tiny_encoder)
    assert outcome.code in (2, 4)
    outcome.refused(outcome.code, str(cut))
    assert not (tmp_path / "out").exists()


def rows(folder: Path) -> list[str]:
    return (folder / "labels.csv").read_text().splitlines()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: [*r[:3], r[3].replace("img/02", "img/99"), *r[4:]], ["missing", "line 4", "img/99.png"]),
        (lambda r: [*r, r[5]], ["twice", "line 50", "also in line 6"]),
        (lambda r: [*r[:7], "img/06.png,,disc", *r[8:]], ["empty cell", "line 8", "'color'"]),
        (
            lambda r: ["file,color", *(f"{x.split(',')[0]},red" for x in r[1:])],
            ["same value", "'color'"],
        ),
        (lambda r: [x.split(",")[0] for x in r], ["no condition"]),
        (lambda r: [*r[:9], r[9] + ",more", *r[10:]], ["cells", "line 10"]),
        (lambda r: r[:1], ["no labelled picture"]),
        (lambda r: [*r[:2], "../outside.png,red,disc"], ["out of the folder", "line 3"]),
    ],
)
def test_labels_that_are_wrong(
    cli: Cli,
    own_folder: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    spoil: Callable[[list[str]], list[str]],
    said: list[str],
) -> None:
    (own_folder / "labels.csv").write_text("\n".join(spoil(rows(own_folder))) + "\n")
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    outcome.refused(2, *said, str(own_folder / "labels.csv"))
    assert not (tmp_path / "out").exists()


def test_a_duplicate_key(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    lines = [f"{'key' if i == 0 else f'k{i}'},{row}" for i, row in enumerate(rows(own_folder))]
    lines[4] = lines[4].replace("k4", "k2")
    (own_folder / "labels.csv").write_text("\n".join(lines) + "\n")
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    outcome.refused(2, "a key stands twice", "line 5", "'k2'", "line 3")


def texts_file(path: Path, entity: str, color: list[tuple[str, str]]) -> Path:
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": entity,
        "origin": {"author": "someone", "method": "by hand"},
        "conditions": {
            "color": [{"text": text, "value": value} for text, value in color],
            "shape": [{"text": f"a {value}", "value": value} for value in ("disc", "box")],
        },
    }
    path.write_text(json.dumps(record))
    return path


def test_one_text_only(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    texts = texts_file(tmp_path / "texts.json", "things", [("a red thing", "red")])
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--texts", texts)
    outcome.refused(2, "'color'", "things", "one text", "two or more", "--texts")
    assert not (tmp_path / "out").exists()


def test_texts_of_something_else(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    texts = texts_file(tmp_path / "texts.json", "others", [("oak", "oak"), ("steel", "steel")])
    evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--texts", texts).refused(
        2, "'things'", "'others'"
    )
    twice = texts_file(tmp_path / "again.json", "things", [("red", "red"), ("blue", "blue")])
    texts = texts_file(tmp_path / "texts.json", "things", [("red", "red"), ("blue", "blue")])
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--texts", texts, "--texts", twice)
    outcome.refused(2, "two files", str(twice))
    record = json.loads(texts.read_text())
    del record["conditions"]["shape"]
    texts.write_text(json.dumps(record))
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--texts", texts)
    outcome.refused(2, "no texts for the condition 'shape'", "things")


def test_a_value_alone_under_its_parent_is_left_out_and_said_so(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    given = rows(own_folder)
    kinds = ["kind", *("only" if ",disc" in r else f"b{i // 2 % 2}" for i, r in enumerate(given[1:]))]
    table = "\n".join(f"{row},{kind}" for row, kind in zip(given, kinds, strict=True))
    (own_folder / "labels.csv").write_text(table + "\n")
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--parent", "kind=shape")
    assert outcome.code == 0, outcome.err
    report = json.loads((tmp_path / "out" / "report" / "report.json").read_text())
    assert any("shape=disc left out, with one value only" in warning for warning in report["warnings"])
    fitted = [f["group"] for f in report["methods"]["clay"]["fitted"] if f["conditions"] == ["kind"]]
    assert fitted
    assert "shape=disc" not in fitted


def test_pictures_that_are_all_the_same(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    for path in (own_folder / "img").iterdir():
        path.write_bytes((own_folder / "img" / "00.png").read_bytes()) if path.name != "00.png" else None
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    outcome.refused(2, "things", "equal")
    assert not (tmp_path / "out" / "report" / "report.json").exists()


def test_no_query_has_anything_to_find(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    lines = [f"{r},{'number' if i == 0 else f'n{i}'}" for i, r in enumerate(rows(own_folder))]
    (own_folder / "labels.csv").write_text("\n".join(lines) + "\n")
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, "--condition", "number")
    outcome.refused(2, "no query has a relevant image", "number", "things", "found:")
    assert not (tmp_path / "out").exists()


def test_damaged_pictures(cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    picture = own_folder / "img" / "07.png"
    picture.write_bytes(picture.read_bytes()[:60])
    outcome = evaluate(cli, own_folder, tmp_path / "out", tiny_encoder)
    outcome.refused(4, "07")
    assert not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--query-share", "0"], ["share of queries", "0 < x < 1"]),
        (["--query-share", "1.5"], ["share of queries", "1.5"]),
        (["--parent", "nonsense"], ["--parent", "CHILD=PARENT", "'nonsense'"]),
        (["--parent", "a=b=c"], ["--parent", "'a=b=c'"]),
        (["--parent", "shape=color", "--parent", "shape=file"], ["--parent", "'shape=file'"]),
        (["--parent", "shape=weight"], ["no such condition", "weight"]),
        (["--parent", "shape=color", "--parent", "color=shape"], ["in a circle"]),
        (["--condition", "weight"], ["no such column", "weight"]),
        (["--template", "a photo"], ["--template", "{c}"]),
        (["--entity", "Not A Name"], ["--entity", "Not A Name"]),
        (["--method", "clya"], ["unknown method 'clya'", "did you mean 'clay'?"]),
        (
            ["--method", "no_such_package.module:Class"],
            ["no_such_package", "cannot be imported", "PYTHONPATH"],
        ),
        (["--method", "json:NoSuchClass"], ["json:NoSuchClass", "NoSuchClass"]),
        (["--method", "json:JSONDecoder"], ["not a feature method", "fit(", "transform("]),
        (["--texts", "nowhere.json"], ["nowhere.json"]),
    ],
)
def test_options_that_make_no_sense(
    cli: Cli, own_folder: Path, tiny_encoder: Path, tmp_path: Path, options: list[str], said: list[str]
) -> None:
    evaluate(cli, own_folder, tmp_path / "out", tiny_encoder, *options).refused(2, *said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("encoder", "said"),
    [
        ("ViT-B-23:openai", ["ViT-B-23"]),
        ("ViT-B-32", ["--encoder"]),
        ("nothing", ["nothing"]),
        ("ViT-B-32:weights.bin", ["weights.bin"]),
    ],
)
def test_an_unknown_encoder(
    cli: Cli, own_folder: Path, tmp_path: Path, encoder: str, said: list[str]
) -> None:
    evaluate(cli, own_folder, tmp_path / "out", Path(encoder)).refused(2, *said)
    assert not list((tmp_path / "out").rglob("*.json"))


def test_an_entity_that_the_shards_do_not_have(
    cli: Cli, finished: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    outcome = evaluate(cli, finished, tmp_path / "out", tiny_encoder, "--entity", "demo-cat")
    outcome.refused(2, "no such entity", "demo-cat", "demo-human")
    outcome = evaluate(cli, finished, tmp_path / "out", tiny_encoder, "--parent", "color=category")
    outcome.refused(2, "fixed by the manifest")


def rewrite(path: Path, change: Callable[[np.ndarray[Any, Any]], None]) -> None:
    with safe_open(path, framework="numpy") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(tensors["features"])
    save_file(tensors, path, metadata=metadata)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers(
    cli: Cli, a_run: Path, run_options: list[str], hashes: Hashes, value: float
) -> None:
    path = next((a_run / "features").glob("*/demo-human*.safetensors"))

    def poison(features: np.ndarray[Any, Any]) -> None:
        features[4, 2] = value

    rewrite(path, poison)
    before = hashes(a_run)
    outcome = cli("run", "--out", a_run, *run_options)
    outcome.refused(4, "NaN or infinite", str(path), "demo-human-c", "delete the features")
    assert hashes(a_run) == before


def test_features_of_another_encoder(
    cli: Cli, a_run: Path, run_options: list[str], other_encoder: Path, hashes: Hashes
) -> None:
    assert cli("embed", "--out", a_run, "--encoder", other_encoder).code == 0
    name = "demo-object-test-00000.safetensors"
    ours = next((a_run / "features").glob(f"tiny-*/{name}"))
    shutil.copy(next((a_run / "features").glob(f"other-*/{name}")), ours)
    before = hashes(a_run)
    outcome = cli("run", "--out", a_run, *run_options)
    outcome.refused(2, "features of another encoder", str(ours), "'tiny' -> 'other'")
    assert hashes(a_run) == before
