"""Planted values are found as clusters; what cannot be clustered is left out and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from planted_world import VALUES, study

from clay_eval.evaluator.experiments.clustering import (
    Clusterings,
    ClusterSettings,
    Partition,
    find_clusterings,
    unit_features,
)
from clay_eval.evaluator.experiments.clustering_findings import clustering_findings, mean_and_interval
from clay_eval.evaluator.experiments.partitions import agreement
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.spaces import Space
from clay_eval.evaluator.retrieval.study import Study
from clay_eval.evaluator.statistics.intervals import mean_interval
from clay_eval.schemas.errors import InputError


def found_in(
    studies: Study | Sequence[Study], *methods: str, seeds: tuple[int, ...] = (0, 1), largest: int = 1
) -> Clusterings:
    settings = ClusterSettings(methods=methods, seeds=seeds, starts=3, largest_set=largest)
    given = [studies] if isinstance(studies, Study) else studies
    return find_clusterings(given, settings.evaluation().prepared(), settings)


def mean_acc(found: Clusterings, method: str, conditions: str) -> float:
    chosen = [p for p in found.partitions if (p.method, p.conditions) == (method, conditions)]
    return mean_and_interval(chosen, "acc")[0]


def test_clay_finds_the_values_that_raw_mixes() -> None:
    found = found_in(study(copies=6, noise=0.02), "raw", "clay", "clay-values", "label-posterior", "indirect")
    for name in VALUES:
        for method in ("clay", "clay-values", "label-posterior", "indirect"):
            assert mean_acc(found, method, name) == pytest.approx(1), (method, name)
    assert mean_acc(found, "raw", "color") < 0.6
    assert {p.values for p in found.partitions if p.conditions == "color"} == {4}
    assert {p.images for p in found.partitions} == {360}


def test_scores_are_of_k_means_on_unit_features() -> None:
    from sklearn.cluster import KMeans

    one = study(copies=2, noise=0.3)
    found = found_in(one, "raw", seeds=(4,))
    (partition,) = [p for p in found.partitions if p.conditions == "place"]
    rows = one.features / np.linalg.norm(one.features, axis=1, keepdims=True)
    clusters = KMeans(n_clusters=5, n_init=3, random_state=4).fit_predict(rows)
    expected = agreement(one.labelled.codes["place"], clusters)
    assert (partition.acc, partition.nmi, partition.ami, partition.ari) == pytest.approx(
        (expected.acc, expected.nmi, expected.ami, expected.ari)
    )


def test_several_conditions_have_a_value_a_combination() -> None:
    found = found_in(study(copies=4, noise=0.02), "clay", "label-posterior", "clay(fusion=rrf)", largest=2)
    assert mean_acc(found, "label-posterior", "color + shape") == pytest.approx(1)
    assert {p.values for p in found.partitions if p.conditions == "color + shape"} == {12}
    assert not any("fusion" in p.method and "+" in p.conditions for p in found.partitions)
    assert any("fusion=rrf joins similarities" in note for note in found.notes)


def test_posteriors_of_several_conditions_are_joint_ones() -> None:
    generator = np.random.default_rng(0)
    parts = [generator.dirichlet(np.ones(n), size=6) for n in (2, 3)]
    (method,) = prepare_methods(["label-posterior"])
    space = Space(tuple((part, part) for part in parts), lambda blocks: blocks[0], {}, 0)
    joint = unit_features(method, space)
    units = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    assert joint.shape == (6, 6)
    np.testing.assert_allclose(joint @ joint.T, (units[0] @ units[0].T) * (units[1] @ units[1].T), atol=1e-12)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("supervised-lda", "told the labels"),
        ("asymmetric", "mapped in two ways"),
        ("image-text", "there is none"),
    ],
)
def test_methods_without_features_of_their_own_are_named(method: str, said: str) -> None:
    found = found_in(study(), "raw", method)
    assert {p.method for p in found.partitions} == {"raw"}
    assert any(method in note and said in note for note in found.notes)
    with pytest.raises(InputError, match="no method could be measured"):
        found_in(study(), method)


def nested(values: Sequence[tuple[str, str]], copies: int = 6) -> Study:
    """A study whose kinds lie within groups; `values`: pairs of group and kind."""
    rows = [pair for pair in values for _ in range(copies)]
    groups = {group: None for group, _ in values}
    one = study(
        {"group": list(groups), "kind": list(dict.fromkeys(kind for _, kind in values))},
        labels={"group": [group for group, _ in rows], "kind": [kind for _, kind in rows]},
        noise=0.02,
    )
    labelled = Labelled(one.labelled.keys, one.labelled.labels, {"kind": "group"})
    return replace(one, labelled=labelled)


def test_a_nested_condition_is_clustered_within_each_value_of_its_parent() -> None:
    one = nested([("cup", "mug"), ("cup", "glass"), ("tool", "saw"), ("tool", "axe"), ("tool", "file")])
    found = found_in(one, "clay")
    kinds = [p for p in found.partitions if p.conditions == "kind"]
    assert {(p.group, p.values, p.images) for p in kinds} == {("group=cup", 2, 12), ("group=tool", 3, 18)}
    assert mean_acc(found, "clay", "kind") == pytest.approx(1)


def test_groups_of_one_value_and_of_a_value_an_image_are_left_out() -> None:
    one = nested([("cup", "mug"), ("cup", "glass"), ("hat", "cap")])
    found = found_in(one, "raw")
    assert {p.group for p in found.partitions if p.conditions == "kind"} == {"group=cup"}
    assert any("one value only" in note for note in found.notes)
    single = study(
        labels={"color": ["red", "red", "blue", "green"], "shape": ["ball", "cube", "cone", "cone"]}
    )
    pairs = found_in(single, "raw", largest=2)
    assert {p.conditions for p in pairs.partitions} == {"color", "shape"}
    assert any("every image has a value of its own" in note for note in pairs.notes)


def test_a_condition_of_one_value_is_left_out_and_alone_refused() -> None:
    labels = {"color": ["red", "blue"] * 6, "shape": ["ball"] * 12}
    found = found_in(study(labels=labels), "raw")
    assert {p.conditions for p in found.partitions} == {"color"}
    assert any("shape left out" in note for note in found.notes)
    with pytest.raises(InputError, match="same shape"):
        found_in(study(labels={"shape": ["ball"] * 12}), "raw")


def test_images_that_are_all_alike_in_a_space_are_said_to_be() -> None:
    one = study(labels={"color": ["red", "green", "blue"] * 4}, noise=0.0)
    same = replace(one, features=np.repeat(one.features[:2], 6, axis=0))
    found = found_in(same, "raw")
    assert any("fewer than 3 different features" in note for note in found.notes)


def test_the_same_again_gives_the_same() -> None:
    first, second = (found_in(study(noise=0.3), "raw", "clay") for _ in range(2))
    assert first.partitions == second.partitions


def row(seed: int, acc: float, group: str = "") -> Partition:
    return Partition("e", "c", "m", group, seed, 10, 3, acc, 0.5, 0.4, 0.3, 0.4, 0.35, 0.1)


def test_means_are_over_databases_and_then_over_seeds_with_an_interval() -> None:
    rows = [
        row(0, 0.6, "a"),
        row(0, 0.8, "b"),
        row(1, 0.9, "a"),
        row(1, 0.9, "b"),
        row(2, 0.5, "a"),
        row(2, 0.9, "b"),
    ]
    mean, low, high = mean_and_interval(rows, "acc")
    assert mean == pytest.approx((0.7 + 0.9 + 0.7) / 3)
    assert (low, high) == mean_interval([[0.7, 0.9, 0.7]], bounds=(0, 1))
    assert mean_and_interval(rows[:2], "acc") == (pytest.approx(0.7), None, None)


def test_findings_hold_every_number_and_show_floors() -> None:
    found = clustering_findings(found_in(study(copies=4, noise=0.1), "raw", "clay"))
    assert len(found.numbers.rows) == 3 * 2 * 2
    names = [table.name for table in found.tables]
    assert names == ["clusters", "grid-0", "intervals"]
    grid = found.tables[1]
    assert [r[0] for r in grid.rows] == ["raw", "clay", "(one cluster)", "(by lot)"]
    assert grid.rows[2][1] == pytest.approx(0.25)
    assert grid.rows[2][2] == 0
    assert {drawing.name for drawing in found.drawings} == {
        "clusters-0",
        "confusion-0",
        "confusion-1",
        "confusion-2",
    }
    assert "holds" not in found.caption
    assert any("nothing is held out" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"starts": 0}, "needs a start"),
        ({"largest_set": 0}, "one condition or more"),
        ({"seeds": (1, 1)}, "seeds must differ"),
        ({"methods": ("clya",)}, "clay"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ClusterSettings(**changes).evaluation().prepared()  # type: ignore[arg-type]
