"""`clay-eval audit` on small sets: planted labels by the embedded encoder, the record, the page, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import complaints, press, visit
from planted_labels import planted
from playwright.sync_api import Page, expect
from worlds import World

from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.texts import shipped_texts
from clay_eval.schemas.validate import read_sealed

COUNT = 200
Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 drawn objects."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    request = PlanRequest([load_entity("demo-object")], [shipped_texts("demo-object")], count=COUNT, seed=3)
    write_plan(request, folder / "plan")
    render_plan(folder / "plan", folder / "shards", ProceduralRenderer(64), RenderOptions())
    return folder


@pytest.fixture(scope="module")
def relabelled(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """The same pictures in a folder with a labels.csv in which 2 % of each attribute are wrong; attribute -> keys."""
    folder = tmp_path_factory.mktemp("relabelled")
    labelled = open_source(run / "shards").entities["demo-object"]
    wrong = {}
    for seed, attribute in enumerate(list(labelled.labels)):
        labelled, rows = planted(labelled, attribute, seed=seed)
        wrong[attribute] = {labelled.keys[row] for row in rows}
    names = {}
    for tar in sorted((run / "shards").glob("*.tar")):
        for sample in read_shard(tar):
            names[sample.key] = f"{sample.key}.png"
            (folder / names[sample.key]).write_bytes(sample.image)
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file_name", *labelled.labels])
        for row, key in enumerate(labelled.keys):
            writer.writerow([names[key], *(column[row] for column in labelled.labels.values())])
    return folder, wrong


@pytest.fixture(scope="module")
def audited(
    cli: Cli, relabelled: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out")
    done = cli("audit", "--data", relabelled[0], "--parent", "subcategory=category", "--out", out, "--json")
    assert done.code == 0, done.err
    record: dict[str, Any] = json.loads(done.out)
    assert (out / "audit" / "index.html").is_file()
    assert read_sealed(out / "audit" / "audit.json", "audit")["suspects"] == record["suspects"]
    return record


def test_planted_labels_stand_in_the_first_4_percent(
    audited: dict[str, Any], relabelled: tuple[Path, dict[str, set[str]]]
) -> None:
    _, wrong = relabelled
    found = next(iter(audited["entities"].values()))["attributes"]
    wrong = {
        **wrong,
        "subcategory": wrong["subcategory"] - wrong["category"],
    }  # those lie in the wrong category
    for attribute, keys in wrong.items():
        first = {one["key"] for one in found[attribute]["suspects"][: round(0.04 * COUNT)]}
        assert len(keys & first) >= 0.95 * len(keys), attribute
    everything = set().union(*wrong.values())
    accused = {one["key"] for one in audited["suspects"] if one["suspicion"] > 0.5}
    assert len(everything & accused) >= 0.95 * len(everything)
    assert len(accused - everything) <= 0.04 * COUNT


def test_who_judged_is_named_and_the_order_is_that_of_suspicion(audited: dict[str, Any]) -> None:
    assert audited["inputs"]["encoder"]["name"]
    assert (audited["settings"]["method"], audited["settings"]["posterior"]) == (
        "clay-values",
        "text-mixture",
    )
    said = [one["suspicion"] for one in audited["suspects"]]
    assert said == sorted(said, reverse=True)
    assert len(said) == len({one["key"] for one in audited["suspects"]}) == 100
    assert audited["judge"] is None


def test_the_page_marks_suspects_and_its_decisions_are_applied(
    cli: Cli, run: Path, tab: Page, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in (run / "shards").rglob("*") if path.is_file()}
    done = cli("audit", "--out", run, "--top", 12)
    assert done.code == 0, done.err
    assert before == {path: path.read_bytes() for path in before}, "an audit changes nothing"
    visit(tab, run / "audit" / "index.html")
    first = read_sealed(run / "audit" / "audit.json", "audit")["suspects"][0]
    expect(tab.locator("#title")).to_contain_text("labels by suspicion")
    expect(tab.locator("#about")).to_contain_text("clay-values and text-mixture")
    expect(tab.locator(".cell")).to_have_count(12)
    said = first["against"][0]
    expect(tab.locator(".cell .words").first).to_contain_text(f"{said['attribute']} {said['label']}?")
    expect(tab.locator(".cell img").first).not_to_have_js_property("naturalWidth", 0)
    press(tab, "1", "Enter")
    expect(tab.locator("#large-title")).to_have_text(first["key"])
    expect(tab.locator("#facts")).to_contain_text("suspected")
    assert complaints(tab) == []
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps(tab.evaluate("review.file(new Date())")))
    applied = cli("review", "--out", run, "--apply", path, "--dry-run")
    assert applied.code == 0, applied.err
    assert f"{first['key']}: by hand: category is wrong" in applied.out


def test_given_vectors_without_texts_are_judged_by_neighbours_and_it_is_said(
    cli: Cli, tmp_path: Path
) -> None:
    world = World(copies=40)
    labels, _ = planted(world.labelled, "category", seed=1)
    np.save(tmp_path / "images.npy", world.features)
    (tmp_path / "images.keys.txt").write_text("\n".join(labels.keys) + "\n")
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [["key", "category"], *zip(labels.keys, labels.labels["category"], strict=True)]
        )
    asked = ["audit", "--features", tmp_path / "images.npy", "--labels", tmp_path / "labels.csv"]
    done = cli(*asked, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert any("no texts" in warning for warning in record["warnings"])
    (entity,) = record["entities"].values()
    assert entity["attributes"]["category"]["auditors"] == {"neighbours": "raw", "posterior": None}
    assert all(one["against"][0]["texts"] is None for one in record["suspects"])
    assert not (tmp_path / "out" / "audit" / "index.html").exists(), "there are no pictures to show"
    needed = cli(
        *asked,
        "--out",
        tmp_path / "out",
        "--text-features",
        tmp_path / "images.npy",
        "--write-texts",
        tmp_path / "t",
    )
    assert needed.code == 0, needed.err
    assert "a photo of" in (tmp_path / "t").read_text()


def test_what_cannot_be_audited_is_refused(cli: Cli, run: Path, tmp_path: Path) -> None:
    cli("audit").refused(2, "--out")
    cli("audit", "--out", run, "--neighbours", 1000).refused(
        2, "no more pictures than neighbours", "--neighbours"
    )
    cli("audit", "--out", run, "--method", "supervised-lda").refused(2, "told the labels")
    cli("audit", "--out", run, "--posterior", "raw").refused(2, "no posterior")
    cli("audit", "--out", run, "--noise", "0.7").refused(2, "--noise")
    cli("audit", "--out", tmp_path / "nothing").refused(2, "no shards here")
