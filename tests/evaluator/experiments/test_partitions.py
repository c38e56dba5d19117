"""Scores of clusterings against their formulas, brute force and tables made by hand."""

from __future__ import annotations

from dataclasses import asdict
from itertools import permutations
from math import comb, log

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from clay_eval.evaluator.experiments.partitions import (
    agreement,
    chance_scores,
    contingency,
    in_matched_order,
    k_means,
    majority,
    matched_share,
)
from clay_eval.evaluator.pictures.labelled import Codes


def drawn(seed: int, count: int = 40, values: int = 4, clusters: int = 4) -> tuple[Codes, Codes]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, values, count)
    said = np.where(generator.random(count) < 0.5, truth % clusters, generator.integers(0, clusters, count))
    return truth, said


def literal_nmi(truth: Codes, said: Codes) -> float:
    """I(T; C) over the arithmetic mean of H(T) and H(C), from counts."""
    table, total = contingency(truth, said), len(truth)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    shared = sum(
        table[i, j] / total * log(table[i, j] * total / (rows[i] * columns[j])) for i, j in np.argwhere(table)
    )
    entropies = [-sum(n / total * log(n / total) for n in counts) for counts in (rows, columns)]
    return float(shared / (sum(entropies) / 2)) if sum(entropies) else 1.0


def literal_ari(truth: Codes, said: Codes) -> float:
    """Over all pairs of images, put together by both, less what is expected, over the most there could be."""
    table = contingency(truth, said)
    both = sum(comb(int(n), 2) for n in table.ravel())
    one, other = (sum(comb(int(n), 2) for n in table.sum(axis=axis)) for axis in (0, 1))
    expected = one * other / comb(len(truth), 2)
    return (both - expected) / ((one + other) / 2 - expected)


def brute_acc(truth: Codes, said: Codes) -> float:
    """The best of all assignments of clusters to values."""
    names = range(max(truth.max(), said.max()) + 1)
    return max(
        float(np.mean([order[cluster] == value for value, cluster in zip(truth, said, strict=True)]))
        for order in permutations(names)
    )


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_their_formulas(seed: int) -> None:
    truth, said = drawn(seed, values=2 + seed % 3, clusters=2 + seed % 4)
    found = agreement(truth, said)
    assert found.acc == pytest.approx(brute_acc(truth, said), abs=1e-12)
    assert found.nmi == pytest.approx(literal_nmi(truth, said), abs=1e-12)
    assert found.ari == pytest.approx(literal_ari(truth, said), abs=1e-12)
    assert found.nmi == pytest.approx(normalized_mutual_info_score(truth, said))
    assert found.ari == pytest.approx(adjusted_rand_score(truth, said))


def test_a_table_by_hand() -> None:
    """Values a, a, a, b, b, c in clusters 1, 1, 2, 2, 2, 0."""
    truth, said = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 2, 2, 2, 0])
    np.testing.assert_array_equal(contingency(truth, said), [[0, 2, 1], [0, 0, 2], [1, 0, 0]])
    found = agreement(truth, said)
    assert found.acc == pytest.approx(5 / 6)
    # Pairs together: 1 + 1 in both; 3 + 1 by values; 1 + 3 by clusters; 15 in all.
    assert found.ari == pytest.approx((2 - 16 / 15) / (4 - 16 / 15))
    np.testing.assert_array_equal(
        in_matched_order(contingency(truth, said)), [[2, 1, 0], [0, 2, 0], [0, 0, 1]]
    )
    assert majority(truth) == 0.5


def test_renamed_clusters_score_the_same_and_perfect_ones_perfectly() -> None:
    truth, said = drawn(3)
    renamed = np.array([7, 2, 9, 4])[said]
    assert asdict(agreement(truth, said)) == pytest.approx(asdict(agreement(truth, renamed)))
    perfect = dict.fromkeys(("acc", "nmi", "ami", "ari"), 1.0)
    assert asdict(agreement(truth, truth + 5)) == pytest.approx(perfect)


def test_fewer_clusters_than_values_leave_values_unmatched() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2])
    assert matched_share(contingency(truth, np.zeros(6, np.int64))) == pytest.approx(1 / 3)
    assert in_matched_order(contingency(truth, np.arange(6))).shape == (3, 6)


def test_one_cluster_scores_the_majority_and_chance_is_near_nothing() -> None:
    truth, _ = drawn(0, count=400)
    found = agreement(truth, np.zeros(400, np.int64))
    assert found.acc == majority(truth)
    assert (found.nmi, found.ami, found.ari) == (0, 0, 0)
    acc, nmi = chance_scores(truth, truth, 0)
    assert 0.25 < acc < 0.35
    assert 0 < nmi < 0.03
    assert chance_scores(truth, truth, 0) == (acc, nmi)


def test_k_means_is_sklearns_and_says_where_rows_are_too_alike() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 5)).astype(np.float32) + 4 * np.repeat(np.eye(5)[:3], 20, axis=0)
    found, complete = k_means(features.astype(np.float32), 3, (0, 1), 2)
    assert complete
    for seed, clusters in zip((0, 1), found, strict=True):
        model = KMeans(n_clusters=3, n_init=2, random_state=seed).fit(features.astype(np.float64))
        np.testing.assert_array_equal(clusters, model.labels_)
    (clusters,), complete = k_means(np.repeat(np.eye(2), 5, axis=0), 3, (0,), 1)
    assert not complete
    assert len(np.unique(clusters)) == 2
