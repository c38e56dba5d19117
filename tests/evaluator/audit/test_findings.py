"""The audit: planted labels are found, clean ones left alone, and what cannot be judged is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted_labels import planted
from worlds import World

from clay_eval.evaluator.audit.findings import audit
from clay_eval.evaluator.audit.settings import AuditSettings
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.study import Study, TextFeatures
from clay_eval.schemas.errors import InputError


@pytest.fixture(scope="module")
def world() -> World:
    return World(copies=40)


@pytest.mark.parametrize("attribute", ["category", "subcategory", "color"])
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_labels_come_first_and_few_others_are_accused(
    world: World, attribute: str, seed: int
) -> None:
    labelled, hit = planted(world.labelled, attribute, seed=seed)
    found = audit(world.study(labelled=labelled))
    count = len(labelled.keys)
    for order in (found.attributes[attribute].ranking, found.ranking()):
        first = set(order[: round(0.04 * count)].tolist())
        assert len(hit & first) >= 0.95 * len(hit)
    accused = set(np.flatnonzero(found.suspicion > 0.5).tolist())
    assert len(accused - hit) <= 0.04 * (count - len(hit))


def test_the_right_value_is_suggested_with_both_margins(world: World) -> None:
    labelled, hit = planted(world.labelled, "color", seed=3)
    one = audit(world.study(labelled=labelled)).attributes["color"]
    right = [one.suggested(row) == world.labelled.labels["color"][row] for row in hit]
    assert np.mean(right) >= 0.9
    rows = sorted(hit)
    assert (
        np.median(one.neighbours.margin[rows])
        < -0.5
        < 0.5
        < np.median(np.delete(one.neighbours.margin, rows))
    )
    assert np.median(one.texts.margin[rows]) < 0 < np.median(np.delete(one.texts.margin, rows))


def test_a_value_of_another_parent_is_suspicious(world: World) -> None:
    column = list(world.labelled.labels["subcategory"])
    row = column.index("boot")
    column[row] = "tote"
    labelled = replace(world.labelled, labels={**world.labelled.labels, "subcategory": column})
    found = audit(world.study(labelled=labelled))
    assert found.attributes["subcategory"].ranking[0] == row
    assert found.ranking()[0] == row


def test_a_label_within_a_parent_that_looks_wrong_is_not_judged(world: World) -> None:
    labelled, hit = planted(world.labelled, "category", seed=4)
    found = audit(world.study(labelled=labelled))
    accused = found.attributes["category"].accused
    assert hit <= set(np.flatnonzero(accused).tolist())
    assert np.isnan(found.attributes["subcategory"].suspicion[accused]).all()
    assert hit <= set(found.ranking()[: 2 * len(hit)].tolist())
    assert list(found.attributes) == list(labelled.labels)


def test_an_attribute_that_the_encoder_cannot_see_accuses_nobody_and_is_said(world: World) -> None:
    mood = np.random.default_rng(0).choice(["calm", "wild"], len(world.labelled.keys)).tolist()
    labelled, hit = planted(world.labelled, "color", seed=1)
    labelled = replace(labelled, labels={**labelled.labels, "mood": mood})
    texts = {**world.texts, "mood": replace(world.texts["color"], values=["calm", "wild"] * 6)}
    found = audit(replace(world.study(labelled=labelled), texts=texts))
    assert not found.attributes["mood"].accused.any()
    assert found.attributes["mood"].calibration.told == pytest.approx(0.5, abs=0.1)
    assert any("hardly sees" in note and note.startswith("mood") for note in found.notes)
    first = set(found.ranking()[: round(0.04 * len(mood))].tolist())
    assert len(hit & first) >= 0.95 * len(hit), "it does not push the others' suspects aside"


def test_without_texts_neighbours_judge_alone_and_it_is_said() -> None:
    draw = np.random.default_rng(0)
    centres = draw.standard_normal((4, 16))
    values = np.repeat(["a", "b", "c", "d"], 60).tolist()
    features = (np.repeat(centres, 60, axis=0) + draw.standard_normal((240, 16)) / 3).astype(np.float32)
    labelled, hit = planted(Labelled([f"k{i}" for i in range(240)], {"kind": values}), "kind")
    found = audit(Study(features, labelled=labelled))
    assert hit <= set(found.ranking()[: len(hit)].tolist())
    assert found.attributes["kind"].auditors == {"neighbours": "raw", "posterior": None}
    assert any("no texts" in note for note in found.notes)
    assert not found.undescribed()


def test_a_value_that_one_picture_has_is_not_judged_by_neighbours() -> None:
    features = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    values = [f"v{i}" for i in range(20)] + ["a"] * 20
    found = audit(Study(features, labelled=Labelled([f"k{i}" for i in range(40)], {"id": values})))
    judged = np.isfinite(found.attributes["id"].suspicion)
    assert judged.tolist() == [False] * 20 + [True] * 20
    assert set(found.ranking().tolist()) == set(range(20, 40))
    assert any("20 pictures could not be judged" in note for note in found.notes)


def test_one_value_is_left_out_and_refused_where_nothing_else_is_there(world: World) -> None:
    same = ["thing"] * len(world.labelled.keys)
    both = replace(world.labelled, labels={**world.labelled.labels, "kind": same})
    found = audit(world.study(labelled=both))
    assert "kind" not in found.attributes
    assert any(note.startswith("kind left out") for note in found.notes)
    with pytest.raises(InputError, match="same kind"):
        audit(Study(world.features, labelled=Labelled(world.labelled.keys, {"kind": same})))


def test_fewer_pictures_than_neighbours_are_refused(world: World) -> None:
    labelled = Labelled(["a", "b", "c"], {"color": ["red", "red", "blue"]})
    with pytest.raises(InputError, match="no more pictures than neighbours"):
        audit(Study(world.features[:3], labelled=labelled))
    assert (
        len(audit(Study(world.features[:3], labelled=labelled), AuditSettings(neighbours=1)).labelled.keys)
        == 3
    )


def test_pictures_without_labels_are_refused(world: World) -> None:
    with pytest.raises(InputError, match="no attribute"):
        audit(Study(world.features, labelled=Labelled(world.labelled.keys, {})))


def test_a_picture_that_no_value_describes_is_listed() -> None:
    draw = np.random.default_rng(0)
    values = ["red", "blue", "green"] * 50
    meaning = dict(zip(values, np.eye(8)[:3], strict=False))
    features = np.stack([meaning[v] for v in values]) + 0.05 * draw.standard_normal((150, 8))
    features[7] = np.eye(8)[5]
    names = list(meaning) * 2
    texts = TextFeatures(
        np.stack([meaning[v] for v in names]) + 0.01 * draw.standard_normal((6, 8)), None, names
    )
    labelled = Labelled([f"k{i}" for i in range(150)], {"color": values})
    found = audit(Study(features, {"color": texts}, labelled=labelled))
    assert found.undescribed()[0] == (7, "color")
    assert len(found.undescribed()) <= 3


def test_it_is_the_same_every_time_and_whatever_the_order_of_pictures(world: World) -> None:
    labelled, hit = planted(world.labelled, "color", seed=2)
    turned = np.arange(len(labelled.keys))[::-1]
    other = Labelled(
        [labelled.keys[row] for row in turned],
        {name: [values[row] for row in turned] for name, values in labelled.labels.items()},
        labelled.parents,
    )
    first, again = (audit(world.study(labelled=labelled)) for _ in range(2))
    assert np.array_equal(first.ranking(), again.ranking())
    found = audit(replace(world.study(labelled=other), features=np.ascontiguousarray(world.features[turned])))
    assert hit <= {int(turned[row]) for row in found.ranking()[: 2 * len(hit)]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"neighbours": 0},
        {"noise": 0.0},
        {"noise": 0.5},
        {"noise": float("nan")},
        {"near": 1.5},
        {"near": float("nan")},
        {"method": "supervised-lda"},
        {"posterior": "clay"},
        {"posterior": "nothing-of-the-kind"},
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        AuditSettings(**wrong).prepared()  # type: ignore[arg-type]
