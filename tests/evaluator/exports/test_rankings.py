"""Rankings made again for TREC files score what the engine scored."""

from pathlib import Path

import numpy as np
import pytest
from worlds import World

from clay_eval.evaluator.exports.rankings import feature_rankings
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.retrieval.engine import Settings
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.evaluator.trec.files import Documents, read_qrels, read_run
from clay_eval.evaluator.trec.scores import score_run
from clay_eval.evaluator.trec.writing import export_rankings

METHODS = ["raw", "clay", "clay(fusion=min)", "clay(fusion=sum)", "asymmetric", "other-condition"]
CONDITIONS = [("color",), ("subcategory",), ("category", "color")]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(seeds=(3, 4), fit_images=20),
        Settings(split="leave-one-out"),
        Settings(split="combination", seeds=(1,), query_share=0.3),
    ],
    ids=lambda settings: settings.split,
)
def test_files_score_as_the_engine_does(tmp_path: Path, settings: Settings) -> None:
    world = World(copies=6)
    measures = parse_measures(["AP", "AP@R", "P@5", "nDCG"])
    chosen = Settings(
        measures, "expected", settings.split, settings.seeds, settings.query_share, settings.fit_images
    )
    outcomes, failures = world.outcomes(*METHODS, settings=chosen, conditions=CONDITIONS)
    assert not failures
    rankings = feature_rankings(
        world.study(),
        prepare_methods(METHODS),
        chosen,
        CONDITIONS,
    )
    index = export_rankings(rankings, tmp_path, fingerprint="0" * 64, depth=0)
    expected = {
        (outcome.method, outcome.conditions, group.name, group.seed): group
        for outcome in outcomes
        for group in outcome.groups
    }
    assert len(index["runs"]) == len(expected) > 10
    for entry in index["runs"]:
        group = expected.pop((entry["method"], tuple(entry["conditions"]), entry["group"], entry["seed"]))
        documents: Documents = {}
        run = read_run(tmp_path / entry["run"], documents)
        scores = score_run(run, read_qrels(tmp_path / entry["qrels"], documents), measures)
        for name, values in group.values.items():
            wanted = {
                world.labelled.keys[row]: value
                for row, value in zip(group.rows.tolist(), values, strict=True)
                if not np.isnan(value)
            }
            found = dict(zip(scores.queries, scores.values[name], strict=True))
            # Float32 products of other shapes round otherwise, so neighbours in a ranking may change places.
            assert found == pytest.approx(wanted, abs=2e-2)
            assert np.mean(list(found.values())) == pytest.approx(np.mean(list(wanted.values())), abs=1e-3)
    assert not expected


def test_what_failed_is_left_out() -> None:
    world = World(copies=4)
    found = feature_rankings(
        world.study(),
        prepare_methods(["raw", "clay"]),
        Settings(),
        [("color",), ("category",)],
        failed={("object", "clay", ("color",)), ("other", "raw", ("color",))},
    )
    assert [(r.method, r.conditions) for r in found] == [
        ("raw", ("color",)),
        ("raw", ("category",)),
        ("clay", ("category",)),
    ]
