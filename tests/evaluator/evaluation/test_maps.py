from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.evaluation import maps
from clay_eval.evaluator.report import plots


@pytest.mark.parametrize(("n", "k"), [(1, 3), (2, 2), (3, 1), (4, 1), (5, 1), (5, 7), (12, 2), (40, 50)])
def test_a_map_is_finite_fills_the_square_and_is_the_same_again(n: int, k: int) -> None:
    features = np.random.default_rng(n).normal(size=(n, k)).astype(np.float32)
    first = maps.two_d_map(features, 3)
    assert first.shape == (n, 2)
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 1 + 1e-12
    if n > 3:
        assert np.ptp(first, axis=0).max() == pytest.approx(2)
    np.testing.assert_array_equal(first, maps.two_d_map(features, 3))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_or_zero_features_give_a_finite_map(value: float) -> None:
    assert np.isfinite(maps.two_d_map(np.full((6, 4), value), 0)).all()


def test_clusters_stay_together() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(3), 20)
    features = np.eye(3)[names] @ rng.normal(size=(3, 8)) * 5 + rng.normal(size=(60, 8)) * 0.1
    points = maps.two_d_map(features, 0)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (names[distances.argmin(axis=1)] == names).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 30), st.randoms())
@settings(max_examples=50, deadline=None)
def test_points_are_spread_over_labels_whatever_the_order(
    values: list[int], limit: int, random: object
) -> None:
    keys = [f"k{i:03d}" for i in range(len(values))]
    labels = [str(value) for value in values]
    chosen = maps.choose_points(keys, labels, limit)
    assert len(chosen) == len(set(chosen)) == min(limit, len(keys))
    taken = [labels[i] for i in chosen]
    for label in set(labels):
        fair = limit * labels.count(label) / len(labels)
        assert abs(taken.count(label) - min(fair, labels.count(label))) <= len(set(labels))
    order = list(range(len(keys)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = maps.choose_points([keys[i] for i in order], [labels[i] for i in order], limit)
    assert [keys[order[i]] for i in again] == [keys[i] for i in chosen]


def test_condition_maps_show_the_same_images_for_every_method() -> None:
    keys = [f"k{i}" for i in range(9)]
    features = {
        "raw": np.random.default_rng(0).normal(size=(9, 4)),
        "clay": np.random.default_rng(1).normal(size=(9, 1)),
    }
    made = maps.condition_maps(
        "e", "color", keys, ["red", "blue", "red"] * 3, features, seed=0, group="category=bag"
    )
    points = maps.draw_maps(made)
    records = [scene.record(points[scene.sha256]) for scene in made]
    assert [m["method"] for m in records] == ["raw", "clay"]
    assert records[0]["keys"] == records[1]["keys"] == sorted(keys)
    assert records[0]["labels"] == records[1]["labels"]
    assert records[0]["conditions"] == ["color"]
    assert records[0]["group"] == "category=bag"
    assert [[len(point) for point in record["points"]] for record in records] == [[2] * 9] * 2
    assert "perplexity 2.66667" in records[0]["technique"]


def _scenes(count: int) -> list[maps.Scene]:
    rng = np.random.default_rng(7)
    keys = [f"k{i}" for i in range(8)]
    return [
        maps.Scene("e", "color", None, f"m{i}", keys, ["a", "b"] * 4, rng.normal(size=(8, 3)), 0)
        for i in range(count)
    ]


def test_a_map_is_drawn_of_directions_and_only_once() -> None:
    """Lengths of rows and rounding below a millionth change neither the points nor what they are kept by."""
    (scene,) = _scenes(1)
    scaled = scene.features * np.arange(1, 9)[:, None] * (1 + 1e-12)
    same = replace(scene, features=scaled)
    other = replace(scene, features=scene.features + 0.01)
    assert same.sha256 == scene.sha256
    assert len({scene.sha256, other.sha256, replace(scene, seed=1).sha256}) == 3
    points = maps.draw_maps([scene, same, other])
    assert list(points) == [scene.sha256, other.sha256]
    with patch.object(maps, "two_d_map", side_effect=AssertionError):
        assert maps.draw_maps([same], points)[scene.sha256] == points[scene.sha256]
    with pytest.raises(AssertionError), patch.object(maps, "two_d_map", side_effect=AssertionError):
        maps.draw_maps([same], {scene.sha256: points[scene.sha256][:7]})


def test_maps_are_kept_the_latest_ones(tmp_path: Path) -> None:
    scenes = _scenes(5)
    for scene in scenes:
        before = maps.read_maps(tmp_path)
        with patch.object(maps, "MOST_KEPT", 3):
            maps.write_maps(tmp_path, maps.draw_maps([scene]), before)
    assert list(maps.read_maps(tmp_path)) == [scene.sha256 for scene in scenes[2:]]
    maps.write_maps(tmp_path, maps.draw_maps(scenes), maps.read_maps(tmp_path))
    assert list(maps.read_maps(tmp_path)) == [scene.sha256 for scene in scenes]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"schema":"other","maps":{}}',
        '{"schema":"clay-eval/maps/1"}',
        '{"schema":"clay-eval/maps/1","maps":[1]}',
        '{"schema":"clay-eval/maps/1","maps":{"a":[[0,2]],"b":[[0]],"c":[[0,"<b>"]],"d":1,"e":[1]}}',
        "\x00\xff",
    ],
)
def test_what_was_kept_is_trusted_only_where_it_is_points(tmp_path: Path, text: str) -> None:
    (tmp_path / maps.KEPT).write_text(text, "latin-1")
    assert maps.read_maps(tmp_path) == {}


def test_labels_that_are_colors_are_drawn_in_them() -> None:
    styles = plots.label_styles(["red", "blue", "Black", "red"])
    assert styles["red"][0] == "#d92d2d"
    assert styles["blue"][0] == "#2f6fdd"
    assert plots.label_styles(["red", "boot"])["red"][0] != "#d92d2d"


def test_fifty_labels_look_different() -> None:
    styles = plots.label_styles([f"v{i:02d}" for i in range(60)])
    assert len(set(list(styles.values())[:50])) == 50
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color, _ in styles.values())


def test_scatter_keeps_every_point_inside_and_writes_only_geometry() -> None:
    labels = [f"v{i}" for i in range(5)] * 2
    points = [[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [9.0, -9.0], [0.5, 0.5]] * 2
    marks = plots.scatter(points, labels, plots.label_styles(labels))
    assert [mark.label for mark in marks] == sorted(set(labels))
    assert len({mark.shape for mark in marks}) == 5
    for mark in marks:
        assert re.fullmatch(r"[Mahlvz0-9 .\-]+", mark.path)
        assert mark.path.count("M") == mark.count == 2
        starts = re.findall(r"M(-?[\d.]+) (-?[\d.]+)", mark.path)
        assert all(0 <= float(value) <= plots.SIZE for start in starts for value in start)


def test_shares_are_of_the_largest() -> None:
    assert plots.shares({"a": 5, "b": 10, "c": 0}) == [("a", 5, 50.0), ("b", 10, 100.0), ("c", 0, 0.0)]
    assert plots.shares({"a": 0}) == [("a", 0, 0.0)]
