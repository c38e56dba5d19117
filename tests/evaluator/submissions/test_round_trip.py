"""What is packed scores what the engine scores, whatever the split, the seeds, the fusion and the form."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from submission_world import Pictures, Vectors, evaluation_of

from clay_eval.evaluator.evaluation.prepared import study_of
from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
from clay_eval.evaluator.retrieval.engine import evaluate_study
from clay_eval.evaluator.retrieval.splits import combination_codes
from clay_eval.evaluator.statistics.scoreboard import results_of
from clay_eval.evaluator.submissions.pack import Form
from clay_eval.evaluator.vectors.arrays import FloatArray, unit_rows
from clay_eval.schemas.errors import InputError

Submit = Callable[..., Path]
Score = Callable[..., dict[str, Any]]


def report_rows(spec: str | Method, **settings: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What a report on the same pictures holds, made by the engine itself."""
    evaluation = evaluation_of(spec, **settings)
    found = {}
    for name, labels in evaluation.source.entities.items():
        labelled = labels
        feature_source = Vectors()
        outcomes, failures = evaluate_study(
            study_of(
                evaluation, labels, feature_source.images(evaluation.source)[name].matrix, feature_source
            ),
            evaluation.methods,
            evaluation.settings.engine(),
        )
        assert not failures
        rows = results_of(
            outcomes,
            evaluation.settings.measures,
            evaluation.settings.inference(),
            combination_codes(labelled),
        )
        found |= {(row.entity, row.conditions, row.metric): row.row() for row in rows}
    return found


def compare(record: dict[str, Any], wanted: dict[tuple[Any, ...], dict[str, Any]], tolerance: float) -> None:
    assert len(record["results"]) == len(wanted) > 5
    for row in record["results"]:
        other = wanted.pop((row["entity"], tuple(row["conditions"]), row["metric"]))
        for name in ("value", "ci_low", "ci_high", "chance", "seeds_std"):
            assert row[name] == pytest.approx(other[name], abs=tolerance), (row["conditions"], name)
        for name in ("queries", "queries_without_relevant"):
            assert row[name] == other[name]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("clay(n_components=4)", {}),
    ("clay(n_components=4)", {"seeds": (3, 1), "fit_images": 12}),
    ("raw", {"split": "leave-one-out"}),
    ("asymmetric", {"split": "leave-one-out"}),
    (
        "clay(fusion=sum, n_components=4)",
        {"split": "combination", "query_share": 0.3, "resample": "combinations"},
    ),
    ("clay(fusion=qr, n_components=2)", {"ties": "pessimistic", "source": Pictures(6, ("object", "other"))}),
    ("clay-values", {"weights": {"color": 2.0}}),
]


@pytest.mark.parametrize(("spec", "settings"), CASES, ids=lambda value: str(value)[:40])
def test_embeddings_score_as_the_report(
    submit: Submit, score: Score, spec: str, settings: dict[str, Any]
) -> None:
    folder = submit(spec, **settings)
    compare(score(folder, settings.get("source")), report_rows(spec, **settings), 1e-6)


@pytest.mark.parametrize(
    "spec", ["clay(fusion=rrf, n_components=4)", "clay(fusion=min, n_components=4)", "raw"]
)
@pytest.mark.parametrize("settings", [{"seeds": (0, 4)}, {"split": "leave-one-out"}], ids=["seeds", "own"])
def test_full_runs_score_as_the_report(
    submit: Submit, score: Score, spec: str, settings: dict[str, Any]
) -> None:
    folder = submit(spec, Form("runs"), **settings)
    # Products of other shapes round otherwise, so neighbours in a ranking may change places.
    compare(score(folder), report_rows(spec, **settings), 2e-3)
    assert all(
        part["file"].endswith(".run.gz") for part in json.loads((folder / "method.json").read_text())["parts"]
    )


def test_a_short_run_scores_less_and_says_so(submit: Submit, score: Score) -> None:
    whole, short = (score(submit("raw", Form("runs", depth=depth)))["results"] for depth in (0, 5))
    pairs = [(a["value"], b["value"]) for a, b in zip(whole, short, strict=True)]
    assert all(b <= a + 1e-9 for a, b in pairs)
    assert any(b < a - 0.05 for a, b in pairs)


def test_half_precision_is_near_and_half_as_large(submit: Submit, score: Score, clay_folder: Path) -> None:
    half = submit("clay(n_components=4)", Form(number="float16"))
    for a, b in zip(score(half)["results"], score(clay_folder)["results"], strict=True):
        assert a["value"] == pytest.approx(b["value"], abs=0.02)
    name = next((half / "parts").rglob("*.safetensors")).relative_to(half)
    assert load_file(half / name)["database"].dtype == np.float16
    np.testing.assert_allclose(
        load_file(half / name)["database"], load_file(clay_folder / name)["database"], atol=1e-3
    )


def test_the_same_work_gives_the_same_bytes(submit: Submit, clay_folder: Path) -> None:
    again = submit("clay(n_components=4)")
    files = sorted(path.relative_to(again) for path in (again / "parts").rglob("*.*"))
    assert len(files) > 5
    assert all((again / f).read_bytes() == (clay_folder / f).read_bytes() for f in files)
    records = [json.loads((folder / "method.json").read_text()) for folder in (again, clay_folder)]
    for record in records:
        assert record.pop("seconds") >= 0
        record.pop("seal")
    assert records[0] == records[1]
    runs = [submit("raw", Form("runs", depth=9)) for _ in range(2)]
    packed = [sorted((r / "parts").rglob("*.gz")) for r in runs]
    assert [p.read_bytes() for p in packed[0]] == [p.read_bytes() for p in packed[1]]


def method_of_pictures(asymmetric: bool) -> Method:
    """As methods that embed pictures anew come out of `reencoding`."""

    def features(conditions: tuple[str, ...]) -> FloatArray | tuple[FloatArray, FloatArray]:
        count = len(Pictures().entities["object"].keys)
        generator = np.random.default_rng(len("".join(conditions)))
        rows = [generator.standard_normal((count, 5)).astype(np.float32) for _ in range(2)]
        return (rows[0], unit_rows(rows[0] + 0.1 * rows[1])) if asymmetric else rows[0]

    return Method("pictures", prepare_methods(["raw"])[0].factory, uses_texts=False, features=features)


@pytest.mark.parametrize("asymmetric", [False, True])
@pytest.mark.parametrize("settings", [{"seeds": (0, 2)}, {"split": "leave-one-out"}], ids=["seeds", "own"])
def test_a_method_that_embeds_pictures_needs_one_file_a_set(
    submit: Submit, score: Score, asymmetric: bool, settings: dict[str, Any]
) -> None:
    method = method_of_pictures(asymmetric)
    folder = submit(method, **settings)
    compare(score(folder), report_rows(method, **settings), 1e-6)
    parts = json.loads((folder / "method.json").read_text())["parts"]
    assert len(parts) == 7
    assert {(part["group"], part["seed"]) for part in parts} == {(None, None)}


def test_what_a_method_has_no_meaning_for_is_left_out_with_its_reason(submit: Submit, score: Score) -> None:
    record = score(submit("other-condition"))
    (left,) = record["left_out"]
    assert left["conditions"] == ["category", "subcategory", "color"]
    assert "not asked for" in left["reason"]
    means = {row["over"]: row["value"] for row in record["means"]}
    assert means["single"] is not None
    assert (means["combinations"], means["all"]) == (None, None)


def test_scores_joined_by_no_embedding_are_refused_as_embeddings(submit: Submit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fusion=rrf joins scores") as caught:
        submit("clay(fusion=rrf)", to=tmp_path / "new")
    assert "--runs" in str(caught.value.hint)
    assert not (tmp_path / "new" / "method.json").exists()


def test_rows_that_float16_cannot_hold_are_refused(submit: Submit, tmp_path: Path) -> None:
    class Large:
        similarity = "inner"

        def fit(self, database_features: FloatArray, text_features: FloatArray) -> Large:
            return self

        def transform(self, features: FloatArray) -> FloatArray:
            return features * 1e6

    method = Method("large", Large, uses_texts=False)
    submit(method, to=tmp_path / "whole")
    with pytest.raises(InputError, match="not a finite number"):
        submit(method, Form(number="float16"), to=tmp_path / "half")


def test_a_folder_with_other_things_is_left_alone(submit: Submit, clay_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds a submission"):
        submit("raw", to=clay_copy)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("kept")
    with pytest.raises(InputError, match="holds other files"):
        submit("raw", to=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "kept"


class Failing:
    """Fits nothing but the first set of conditions."""

    times = 0

    def fit(self, database_features: Any, text_features: Any) -> Failing:
        Failing.times += 1
        if Failing.times > 1:
            raise KeyboardInterrupt
        return self

    def transform(self, features: Any) -> Any:
        return features


def test_a_submission_stays_until_the_next_one_is_whole(submit: Submit, clay_copy: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {
            path: path.read_bytes() for path in clay_copy.rglob("*") if path.is_file() and path.stat().st_size
        }

    before = content()
    with pytest.raises(KeyboardInterrupt):
        submit(f"{__name__}:Failing", to=clay_copy, replace=True)
    assert content() == before
    submit("raw", to=clay_copy, replace=True)
    assert sorted(path.name for path in clay_copy.iterdir()) == [".lock", "method.json", "parts"]


def test_parts_of_something_else_are_left_alone(submit: Submit, tmp_path: Path) -> None:
    (tmp_path / "machine" / "parts" / "wheels").mkdir(parents=True)
    (tmp_path / "machine" / "parts" / "wheels" / "front.step").write_text("kept")
    with pytest.raises(InputError, match="holds other files"):
        submit("raw", to=tmp_path / "machine")
    assert (tmp_path / "machine" / "parts" / "wheels" / "front.step").read_text() == "kept"


def test_an_interrupted_submission_is_begun_anew(submit: Submit, score: Score, clay_copy: Path) -> None:
    (clay_copy / "method.json").unlink()
    stray = clay_copy / "parts" / "object" / ".seed-0.safetensors.abcdefgh.part"
    stray.write_bytes(b"half")
    (clay_copy / "parts" / "object" / "old.safetensors").write_bytes(b"old")
    submit("raw", to=clay_copy)
    record = json.loads((clay_copy / "method.json").read_text())
    listed = {clay_copy / part["file"] for part in record["parts"]}
    assert {path for path in (clay_copy / "parts").rglob("*") if path.is_file()} == listed
    compare(score(clay_copy), report_rows("raw"), 1e-6)
