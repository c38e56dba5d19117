"""The paper's cells, means of several numbers, and which numbers may stand beside the paper's."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.methods.support.specs import parse_spec, prepare_methods
from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS
from clay_eval.evaluator.reproduce import cells as reproduce_cells
from clay_eval.evaluator.reproduce.cells import Measured, cell_path, mean_of, read_cell, write_cell
from clay_eval.evaluator.reproduce.findings import findings, summary
from clay_eval.evaluator.reproduce.lines import OWN, lines
from clay_eval.evaluator.reproduce.paper import (
    ABLATION,
    GENECIS,
    MULTI,
    SINGLE,
    PaperCell,
    clay,
    flat_clay,
    paper_cells,
    paper_model,
    paper_tables,
)
from clay_eval.evaluator.reproduce.reproduce import (
    COMPARED,
    FOREIGN,
    NOT_RUN,
    UNEXPLAINED,
    EncoderUse,
    Line,
    Numbers,
)
from clay_eval.evaluator.statistics import bootstrap_interval
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import InputError, IntegrityError

CELLS = paper_cells()


def cell(table: str, row: str, column: str) -> PaperCell:
    return next(c for c in CELLS if (c.table, c.row, c.column) == (table, row, column))


def test_every_number_of_the_tables_is_a_cell() -> None:
    tables = paper_tables()
    for table in (SINGLE, MULTI, ABLATION, GENECIS):
        assert sum(c.table == table for c in CELLS) == len(tables[table]["rows"]) * len(
            tables[table]["columns"]
        )
        for row, values in tables[table]["rows"].items():
            for column, value in zip(tables[table]["columns"], values, strict=True):
                assert cell(table, row, column).value == pytest.approx(value / 100)


def test_every_part_is_an_entity_and_conditions_that_exist() -> None:
    known: dict[str, set[str]] = {
        entity: set(conditions) for b in BENCHMARKS.values() for entity, conditions in b.conditions.items()
    }
    known |= {name: {a.name for a in load_entity(name).attributes} for name in ("clay-object", "clay-human")}
    for one in CELLS:
        for entity, conditions in one.parts:
            assert set(conditions) <= known[entity], one


@pytest.mark.parametrize("column", ["stanford40", "fine-grained", "clevr4"])
def test_columns_of_the_ablation_are_means_of_their_parts_in_the_paper_itself(column: str) -> None:
    one = cell(ABLATION, "with manifold", column)
    assert one.explained
    parts = [
        c.value for c in CELLS if c.table == SINGLE and c.row == "CLAY (CLIP-B)" and c.parts[0] in one.parts
    ]
    assert len(parts) == len(one.parts)
    assert np.mean(parts) == pytest.approx(one.value, abs=0.0006)


@pytest.mark.parametrize("column", ["clay-object", "clay-human"])
def test_the_two_others_are_not_and_are_never_compared(column: str) -> None:
    one = cell(ABLATION, "with manifold", column)
    parts = [
        c.value for c in CELLS if c.table == SINGLE and c.row == "CLAY (CLIP-B)" and c.parts[0] in one.parts
    ]
    assert abs(np.mean(parts) - one.value) > 0.01
    assert not one.explained


def test_methods_are_specs_that_can_be_made() -> None:
    assert {c.method for c in CELLS} == {"raw", clay(), flat_clay(), None}
    assert [m.name for m in prepare_methods([clay(), flat_clay()])] == [clay(), flat_clay()]
    assert parse_spec(clay()).parameters == {"n_components": paper_tables()["protocol"]["k"]}


IDENTITY = {
    "library": "open_clip",
    "name": "ViT-B-32",
    "pretrained": "openai",
    "demonstration": False,
    "dimension": 512,
}


@pytest.mark.parametrize(
    ("change", "model"),
    [
        ({}, "CLIP-B"),
        ({"name": "ViT-B-16-quickgelu"}, "CLIP-B"),
        ({"name": "ViT-B-16-SigLIP", "pretrained": "webli", "dimension": 768}, "SigLIP-B"),
        (
            {"library": "transformers", "name": "google/siglip-base-patch16-224", "pretrained": "hub"},
            "SigLIP-B",
        ),
        ({"library": "transformers", "name": "openai/clip-vit-base-patch32", "pretrained": "folder"}, None),
        ({"pretrained": "laion2b_s34b_b79k"}, None),
        ({"pretrained": "file"}, None),
        ({"name": "ViT-L-14"}, None),
        ({"demonstration": True}, None),
    ],
)
def test_which_encoders_are_the_papers(change: dict[str, Any], model: str | None) -> None:
    assert paper_model(IDENTITY | change) == model
    assert EncoderUse("x").model(IDENTITY | change) == model


def test_a_declared_model_must_be_possible() -> None:
    use = EncoderUse.parse("CLIP-B=ViT-B-16:file.safetensors")
    assert use == EncoderUse("ViT-B-16:file.safetensors", "CLIP-B")
    assert use.model(IDENTITY | {"pretrained": "file"}) == "CLIP-B"
    with pytest.raises(InputError, match="this is not CLIP-B"):
        use.model(IDENTITY | {"dimension": 768})
    with pytest.raises(InputError, match="demonstration"):
        use.model(IDENTITY | {"demonstration": True})
    with pytest.raises(InputError, match="no such model"):
        EncoderUse.parse("CLIP-L=x")
    assert EncoderUse.parse("embedded") == EncoderUse("embedded")


def measured(
    entity: str, conditions: tuple[str, ...], value: float | None = None, *, seed: int = 0, method: str = "raw",
    groups: int = 1, queries: int = 40, measure: str = "AP",
) -> Measured:  # fmt: skip
    rng = np.random.default_rng(seed)
    scores = []
    for group in range(groups):
        rows = np.arange(queries, dtype=np.float64) + group * queries
        values = rng.beta(2, 2, queries) if value is None else np.full(queries, value)
        scores.append(
            (rows, np.where(rng.random(queries) < 0.1, np.nan, values) if value is None else values)
        )
    parts = [v[~np.isnan(v)] for _, v in scores]
    low, high = bootstrap_interval(parts, 1000, 0.95)
    mean = float(np.mean([part.mean() for part in parts]))
    count = sum(map(len, parts))
    return Measured(entity, conditions, method, measure, mean, low, high, 0.2, count, 0, tuple(scores))


def by_loops(cells: list[Measured], draws: int, seed: int) -> tuple[float, float]:
    """Each draw written out: queries of a data set with replacement, means of groups, of conditions, of all."""
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[str, list[dict[float, int]]] = {}
    for entity in dict.fromkeys(c.entity for c in cells):
        rows = sorted({float(r) for c in cells if c.entity == entity for part, _ in c.scores for r in part})
        drawn[entity] = []
        for _ in range(draws):
            chosen = generator.integers(len(rows), size=len(rows))
            drawn[entity].append({row: int((chosen == i).sum()) for i, row in enumerate(rows)})
    means = []
    for draw in range(draws):
        values = []
        for c in cells:
            groups = []
            for rows_, scores in c.scores:
                repeated = [
                    s for r, s in zip(rows_, scores, strict=True) if not np.isnan(s)
                    for _ in range(drawn[c.entity][draw][float(r)])
                ]  # fmt: skip
                if repeated:
                    groups.append(sum(repeated) / len(repeated))
            values.append(sum(groups) / len(groups))
        means.append(sum(values) / len(values))
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def test_the_interval_of_a_mean_is_that_of_draws_written_out() -> None:
    cells = [
        measured("a", ("x",), seed=1, queries=12),
        measured("a", ("y",), seed=2, queries=12),
        measured("b", ("z",), seed=3, groups=2, queries=7),
    ]
    value, low, high = mean_of(cells, draws=60, seed=5)
    assert value == pytest.approx(np.mean([c.value for c in cells]))
    assert (low, high) == pytest.approx(by_loops(cells, 60, 5))


def test_the_same_queries_twice_are_not_twice_the_evidence() -> None:
    one = measured("a", ("x",), seed=4)
    _, low, high = mean_of([one])
    _, low_twice, high_twice = mean_of([one, replace(one, conditions=("y",))])
    assert (low_twice, high_twice) == pytest.approx((low, high))
    _, low_other, high_other = mean_of([one, replace(one, entity="b")])
    assert high_other - low_other < 0.85 * (high - low)
    assert (low, high) == pytest.approx((one.low, one.high), abs=0.02)


def everything(model: str = "CLIP-B", **scores: float) -> Numbers:
    """All numbers that CLIP-B could have, on all data, all at .5 unless named."""
    found = Numbers(models={model: "ViT-B-32"})
    for c in CELLS:
        if c.model != model or c.method is None:
            continue
        for entity, conditions in c.parts:
            found.entities[entity] = "0" * 64
            measures = ("Hit@1", "Hit@2", "Hit@3") if c.table == GENECIS else ("AP",)
            value = scores.get(entity, 0.5)
            key = (entity, conditions, model, c.method)
            found.measured[key] = [
                measured(entity, conditions, value, method=c.method, measure=m) for m in measures
            ]
    return found


def line(found: list[Line], table: str, row: str, column: str) -> Line:
    return next(one for one in found if (one.table, one.row, one.column) == (table, row, column))


def test_numbers_stand_beside_the_papers_where_all_is_alike() -> None:
    found = lines(everything(clevr4=0.679), {})
    color = line(found, SINGLE, "CLAY (CLIP-B)", "clevr4/color")
    assert (color.status, color.paper, color.inside) == (COMPARED, 0.679, True)
    assert color.difference == pytest.approx(0.0)
    shape = line(found, SINGLE, "CLIP-B", "clevr4/shape")
    assert shape.difference == pytest.approx(0.679 - 0.617)
    assert shape.inside is False
    fine = line(found, ABLATION, "without manifold", "fine-grained")
    assert (fine.status, fine.method) == (COMPARED, flat_clay())
    assert fine.difference == pytest.approx(0.5 - 0.605)
    recall = line(found, GENECIS, "CLAY (CLIP-B)", "recall@3")
    assert (recall.measure, recall.difference) == ("Hit@3", pytest.approx(0.5 - 0.505))
    assert line(found, ABLATION, "with manifold", "clay-object").status == UNEXPLAINED
    assert line(found, ABLATION, "with manifold", "clay-object").difference is None
    assert not [one for one in found if one.table == OWN]
    assert len([one for one in found if one.table != OWN]) == len(CELLS)


def test_other_pictures_and_other_encoders_are_never_compared() -> None:
    ours = everything()
    ours.foreign |= {"clay-object", "clay-human"}
    for one in lines(ours, {}):
        if one.column.startswith("clay-"):
            assert one.status in (FOREIGN, NOT_RUN)
            assert one.difference is None
    other = everything()
    other.models = {}
    other.measured = {(e, c, "embedded", m): v for (e, c, _, m), v in other.measured.items()}
    found = lines(other, {})
    assert not [one for one in found if one.difference is not None or one.status == COMPARED]
    assert all(one.value is None for one in found if one.table != OWN)
    assert all(one.paper is None for one in found if one.table == OWN)
    assert summary(found).startswith("No number here corresponds")


def test_reasons_why_something_was_not_run() -> None:
    found = everything()
    del found.entities["ppmi"]
    key = ("clevr4", ("count",), "CLIP-B", "raw")
    del found.measured[key]
    found.failed[key] = "no query has a relevant image"
    told = lines(found, {})
    assert line(told, SINGLE, "CLIP-B", "ppmi/instrument").why == "no data: ppmi"
    assert line(told, ABLATION, "with manifold", "fine-grained").why == "no data: ppmi"
    assert line(told, SINGLE, "CLIP-B", "clevr4/count").why == "no query has a relevant image"
    assert "SigLIP-B=ENCODER" in line(told, SINGLE, "SigLIP-B", "clevr4/color").why
    assert "instructblip(" in line(told, SINGLE, "InstructBLIP", "clevr4/color").why
    assert line(told, GENECIS, "MagicLens", "recall@1").why == "MagicLens is not built here"
    assert all(one.why for one in told if one.status == NOT_RUN)


def test_a_row_with_a_method_of_its_own() -> None:
    found = everything()
    spec = "instructblip(model=here)"
    found.measured["clevr4", ("color",), "CLIP-B", spec] = [measured("clevr4", ("color",), 0.3, method=spec)]
    told = lines(found, {"InstructBLIP": spec})
    one = line(told, SINGLE, "InstructBLIP", "clevr4/color")
    assert (one.status, one.method) == (COMPARED, spec)
    assert one.difference == pytest.approx(0.3 - 0.274)


def test_findings_have_tables_numbers_reasons_and_a_plot_in_words() -> None:
    told = lines(everything(), {})
    made = findings(told, ["a note"])
    assert [t.name for t in made.tables] == [SINGLE, MULTI, ABLATION, GENECIS, "not_run"]
    assert len(made.numbers.rows) == len(told)
    assert sum(int(str(row[1])) for row in made.tables[-1].rows) == sum(one.status == NOT_RUN for one in told)
    assert "Differences lie between" in made.drawings[0].alt
    assert made.warnings[-1] == "a note"
    compared = [one for one in told if one.status == COMPARED]
    distance = 100 * np.mean([abs(one.difference or 0) for one in compared])
    assert f"{len(compared)} of {len(CELLS)} numbers" in made.warnings[0]
    assert f"mean distance {distance:.1f} points" in made.warnings[0]


ID: dict[str, Any] = {
    "entity": "a",
    "conditions": ["x"],
    "method": "raw",
    "method_identity": {},
    "data": "0" * 64,
    "texts": "1" * 64,
    "queries": None,
    "encoder": {"name": "e"},
    "settings": {"seeds": [0]},
}


def test_a_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_cell(tmp_path, ID) is None
    one = measured("a", ("x",), seed=7, groups=2)
    write_cell(tmp_path, ID, [one])
    (back,) = read_cell(tmp_path, ID) or []
    assert asdict(replace(back, scores=())) == asdict(replace(one, scores=()))
    for (rows, values), (rows2, values2) in zip(one.scores, back.scores, strict=True):
        assert np.array_equal(rows, rows2)
        assert np.array_equal(values, values2, equal_nan=True)
    assert mean_of([back]) == mean_of([one])
    assert read_cell(tmp_path, ID | {"data": "2" * 64}) is None


def test_a_changed_cell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cell(tmp_path, ID, [measured("a", ("x",))])
    path = cell_path(tmp_path, ID)
    content = path.read_text()
    record = json.loads(content)
    record["measures"][0]["value"] = 0.99
    for text in (json.dumps(record), content[:-30], ""):
        path.write_text(text)
        with pytest.raises(IntegrityError):
            read_cell(tmp_path, ID)
    path.write_text(content)
    monkeypatch.setattr(reproduce_cells, "fingerprint", lambda identity: "f" * 64)
    path.rename(cell_path(tmp_path, ID))
    with pytest.raises(IntegrityError, match="another identity"):
        read_cell(tmp_path, ID | {"data": "2" * 64})
