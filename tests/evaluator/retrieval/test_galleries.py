"""Galleries: one query, its own candidates, and ties that never help."""

import json

import numpy as np
import pytest
from worlds import World

from clay_eval import CLAY
from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
from clay_eval.evaluator.pictures.gallery_queries import GalleryQuery, read_galleries
from clay_eval.evaluator.retrieval.galleries import score_galleries
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.schemas.errors import InputError

MEASURES = parse_measures(["Hit@1", "Hit@3", "AP"])


def queries_of(world, condition, count=30, size=8, seed=0):
    """Galleries of one target that shares the query's value, in first place as GeneCIS has it."""
    generator = np.random.default_rng(seed)
    labels, keys = np.array(world.labelled.labels[condition]), world.labelled.keys
    found = []
    for query in generator.choice(len(keys), count, replace=False):
        same = np.flatnonzero((labels == labels[query]) & (np.arange(len(keys)) != query))
        others = np.flatnonzero(labels != labels[query])
        chosen = [generator.choice(same), *generator.choice(others, size - 1, replace=False)]
        gallery = tuple(keys[i] for i in chosen)
        found.append(GalleryQuery(keys[query], condition, gallery, frozenset(gallery[:1])))
    return found


@pytest.fixture(scope="module")
def world():
    return World()


def scored(world, queries, *methods):
    return score_galleries(world.study(), queries, methods or prepare_methods(["raw", "clay"]), MEASURES)


def test_a_gallery_is_ranked_as_a_loop_would(world):
    queries = [*queries_of(world, "color"), *queries_of(world, "category", size=5)]
    row = {key: i for i, key in enumerate(world.labelled.keys)}
    for one in scored(world, queries):
        asked = [queries[i] for i in one.queries]
        assert {query.condition for query in asked} == {one.condition}
        features = world.features.astype(np.float64)
        if one.method == "clay":
            database = sorted({row[key] for query in asked for key in query.gallery})
            clay = CLAY().fit(world.features[database], world.texts[one.condition].features)
            features = clay.transform(features)
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        for place, query in enumerate(asked):
            scores = features[[row[key] for key in query.gallery]] @ features[row[query.query]]
            rank = 1 + (scores[1:] >= scores[0]).sum()
            assert one.values["Hit@1"][place] == (rank == 1)
            assert one.values["Hit@3"][place] == (rank <= 3)
            assert one.values["AP"][place] == pytest.approx(1 / rank)
            assert one.chances["Hit@1"][place] == pytest.approx(1 / len(query.gallery))
    clay, raw = (np.mean(s.values["Hit@1"]) for s in scored(world, queries)[1::-1])
    assert clay > raw


def test_a_constant_method_finds_nothing(world):
    class Constant:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return np.ones((len(features), 2))

    (one,) = scored(world, queries_of(world, "color"), Method("constant", Constant))
    assert not one.values["Hit@3"].any()


def test_galleries_of_several_sizes_and_targets(world):
    queries = queries_of(world, "color")
    keys = world.labelled.keys
    more = GalleryQuery(keys[0], "color", tuple(keys[1:40]), frozenset(keys[1:4]))
    together = scored(world, [*queries, more])
    assert all(len(one.queries) == 31 for one in together)
    assert together[0].chances["Hit@1"][-1] == pytest.approx(3 / 39)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (GalleryQuery("nobody", "color", ("o0001", "o0002"), frozenset({"o0001"})), "not there"),
        (GalleryQuery("o0000", "color", ("o0001", "who"), frozenset({"o0001"})), "not there"),
        (GalleryQuery("o0000", "taste", ("o0001", "o0002"), frozenset({"o0001"})), "not there"),
    ],
)
def test_what_is_not_there_is_named(world, query, words):
    with pytest.raises(InputError, match=words):
        scored(world, [query])


def test_a_method_that_sees_labels_is_refused(world):
    with pytest.raises(InputError, match="asks for labels"):
        scored(world, queries_of(world, "color"), *prepare_methods(["supervised-lda"]))


def write(path, **change):
    query = {"query": "a", "condition": "color", "gallery": ["b", "c"], "targets": ["b"]} | change
    path.write_text(json.dumps({"schema": "clay-eval/galleries/1", "name": "mine", "queries": [query]}))
    return path


def test_a_file_of_galleries_is_read(tmp_path):
    name, (query,) = read_galleries(write(tmp_path / "g.json"))
    assert (name, query) == ("mine", GalleryQuery("a", "color", ("b", "c"), frozenset({"b"})))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": ["d"]}, "not in its gallery"),
        ({"gallery": ["a", "b"]}, "own gallery"),
        ({"gallery": ["b", "b"]}, "unique"),
        ({"targets": []}, "short|fewer|non-empty|minItems"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        read_galleries(write(tmp_path / "g.json", **change))
