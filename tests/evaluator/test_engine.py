"""The engine beside a naive loop over queries, with scikit-learn's average precision."""

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from clay_eval import CLAY
from clay_eval.evaluator.engine import (
    Settings,
    TextFeatures,
    conditional_space,
    evaluate_features,
    plan_tasks,
    stack_texts,
)
from clay_eval.evaluator.methods import resolve_method
from clay_eval.evaluator.protocol import Labelled, split_queries
from clay_eval.schemas.errors import InputError

KINDS = {"shoes": ("boot", "sandal"), "bags": ("tote", "clutch")}
COLORS = ("red", "blue", "green")


class World:
    """Images and texts as sums of one vector a value, plus noise: what an encoder would give."""

    def __init__(self, seed=0, copies=12, d=48):
        generator = np.random.default_rng(seed)
        rows = [
            (k, s, c) for k, subs in KINDS.items() for s, c in product(subs, COLORS) for _ in range(copies)
        ]
        values = sorted({value for row in rows for value in row})
        meaning = dict(zip(values, generator.standard_normal((len(values), d)), strict=True))
        centre = generator.standard_normal(d)
        noise = generator.standard_normal((len(rows), d)) * 1.5
        self.features = (
            np.stack([sum(meaning[v] for v in row) for row in rows]) + noise + 2 * centre
        ).astype(np.float32)
        names = ("category", "subcategory", "color")
        labels = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        self.labelled = Labelled([f"o{i:04d}" for i in range(len(rows))], labels, {"subcategory": "category"})

        def text(*chosen):
            return np.stack([meaning[v] * 2 + generator.standard_normal(d) * 0.3 - centre for v in chosen])

        subs = [s for values in KINDS.values() for s in values] * 3
        parents = [k for k, values in KINDS.items() for _ in values] * 3
        self.texts = {
            "category": TextFeatures(text(*list(KINDS) * 4)),
            "subcategory": TextFeatures(text(*subs), parents),
            "color": TextFeatures(text(*COLORS * 4), [None] * 12),
        }

    def evaluate(self, *names, **options):
        methods = dict(resolve_method(name) for name in names or ("raw", "clay", "ip-composer"))
        arguments = {"entity": "object", "encoder": "test"} | options
        return evaluate_features(self.features, self.labelled, self.texts, methods, **arguments)


@pytest.fixture(scope="module")
def world():
    return World()


def naive(world, method_name, conditions, is_query):
    """Macro mean of AP, chance-free: one query at a time."""
    labels = world.labelled.labels
    divided = "subcategory" in conditions and "category" not in conditions
    means = []
    for category in KINDS if divided else (None,):
        inside = [i for i in range(len(is_query)) if category in (None, labels["category"][i])]
        database = [i for i in inside if not is_query[i]]
        texts = []
        for name in conditions:
            parents = world.texts[name].parents or [None] * len(world.texts[name].features)
            keep = [p is None or category is None or p == category for p in parents]
            texts.append(world.texts[name].features[keep])
        method = resolve_method(method_name)[1]().fit(
            world.features[database].astype(float), np.concatenate(texts)
        )
        z = method.transform(world.features.astype(float))
        values = []
        for query in (i for i in inside if is_query[i]):
            relevant = [all(labels[c][i] == labels[c][query] for c in conditions) for i in database]
            if any(relevant):
                values.append(average_precision_score(relevant, z[database] @ z[query]))
        means.append(np.mean(values))
    return np.mean(means)


def test_every_method_and_condition_set_equals_the_naive_loop(world):
    results = world.evaluate(settings=Settings(seed=3))
    is_query = split_queries(world.labelled.keys, 3)
    assert len(results) == 7 * 3
    assert len({(r.method, r.conditions) for r in results}) == 21
    for result in results:
        expected = naive(world, result.method, result.conditions, is_query)
        assert result.value == pytest.approx(expected, abs=1e-3)
        assert 0 <= result.ci_low <= result.value <= result.ci_high <= 1
        assert result.metric == "mAP"
        assert result.queries + result.queries_without_relevant == is_query.sum() == len(result.per_query)


def test_conditioned_methods_beat_raw_where_texts_tell(world):
    value = {(r.method, r.conditions): r.value for r in world.evaluate("raw", "clay")}
    for conditions in (("category",), ("subcategory",), ("color",)):
        assert value["clay", conditions] > value["raw", conditions] + 0.05


def test_means_follow_from_the_queries(world):
    for result in world.evaluate("clay"):
        groups = {group.name for group in result.groups}
        by_group = {
            name: [
                q.average_precision
                for q in result.per_query
                if q.group == name and q.average_precision is not None
            ]
            for name in groups
        }
        assert result.value == pytest.approx(np.mean([np.mean(values) for values in by_group.values()]))
        for group in result.groups:
            assert group.value == pytest.approx(np.mean(by_group[group.name]))
            assert group.queries == len(by_group[group.name])
            assert group.method["n_components_"] < group.texts
        keys = [q.key for q in result.per_query]
        assert len(set(keys)) == len(keys)


def test_chance_is_what_a_constant_method_gets(world):
    class Constant:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return np.ones((len(features), 3), np.float32)

    for formula in ("standard", "trapezoid"):
        results = evaluate_features(
            world.features,
            world.labelled,
            world.texts,
            {"constant": Constant},
            entity="object",
            encoder="test",
            settings=Settings(formula=formula),
        )
        assert len(results) == 7
        for result in results:
            assert result.value == pytest.approx(result.chance, abs=1e-12)


def test_order_of_the_images_does_not_matter(world):
    order = np.random.default_rng(0).permutation(len(world.features))
    shuffled = World()
    shuffled.features = world.features[order]
    labels = {name: [values[i] for i in order] for name, values in world.labelled.labels.items()}
    shuffled.labelled = Labelled([world.labelled.keys[i] for i in order], labels, world.labelled.parents)
    for ours, theirs in zip(world.evaluate("clay"), shuffled.evaluate("clay"), strict=True):
        assert ours.value == pytest.approx(theirs.value, abs=1e-4)
        assert {q.key for q in ours.per_query} == {q.key for q in theirs.per_query}


def test_evaluation_repeats_itself_and_reports_as_it_goes(world):
    seen = []
    once = world.evaluate("raw", conditions=[("color",), ("color", "category")], on_result=seen.append)
    assert seen == once == world.evaluate("raw", conditions=[("color",), ("color", "category")])
    assert [r.conditions for r in once] == [("color",), ("color", "category")]
    assert set(once[0].row()) == {
        "entity", "method", "encoder", "conditions", "metric", "value", "ci_low", "ci_high", "chance", "queries",
        "queries_without_relevant",
    }  # fmt: skip


def test_texts_of_a_group_are_those_of_its_parent_value(world):
    tasks = {task.conditions: task for task in plan_tasks(world.labelled)}
    task = tasks["subcategory", "color"]
    for group in task.groups:
        stacked, warnings = stack_texts(world.texts, task, group)
        assert not warnings
        parents = np.array(world.texts["subcategory"].parents)
        expected = world.texts["subcategory"].features[parents == group.name.removeprefix("category=")]
        np.testing.assert_array_equal(stacked, np.concatenate([expected, world.texts["color"].features]))
    whole = tasks["category", "subcategory"]
    assert len(stack_texts(world.texts, whole, whole.groups[0])[0]) == 8 + 12


def test_missing_texts_of_a_group_fall_back_with_a_warning():
    world = World()
    texts = world.texts["subcategory"]
    world.texts["subcategory"] = TextFeatures(texts.features, ["shoes"] * len(texts.features))
    (result,) = world.evaluate("clay", conditions=[("subcategory",)])
    assert result.warnings == (
        "subcategory: no texts for category=bags, so the texts of all its values were used",
    )


def test_a_space_is_fitted_on_the_database_of_the_group(world):
    task = plan_tasks(world.labelled, conditions=[("subcategory",)])[0]
    group = task.groups[1]
    texts, _ = stack_texts(world.texts, task, group)
    space = conditional_space(CLAY, world.features, texts, group)
    expected = CLAY().fit(world.features[group.database], texts)
    np.testing.assert_allclose(space.queries, expected.transform(world.features[group.queries]), atol=1e-6)
    assert space.method.projection_.shape == expected.projection_.shape


def relabelled(world, **labels):
    world.labelled = Labelled(
        world.labelled.keys, dict(world.labelled.labels) | labels, world.labelled.parents
    )
    return world


def test_queries_without_relevant_images_are_counted_and_left_out():
    world = World()
    is_query = split_queries(world.labelled.keys, 0)
    colors = list(world.labelled.labels["color"])
    lonely = int(np.flatnonzero(is_query)[2])
    colors[lonely] = "mauve"
    (result,) = relabelled(world, color=colors).evaluate("raw", conditions=[("color",)])
    assert (result.queries, result.queries_without_relevant) == (is_query.sum() - 1, 1)
    missing = [q for q in result.per_query if q.average_precision is None]
    assert [q.key for q in missing] == [world.labelled.keys[lonely]]


def test_a_condition_that_nothing_shares_is_an_error():
    world = relabelled(World(), color=[f"shade {i}" for i in range(len(World().features))])
    with pytest.raises(InputError, match="no query has a relevant image in the database for color"):
        world.evaluate("raw")


def test_a_combination_that_nothing_shares_is_a_warning():
    generator = np.random.default_rng(0)
    labels = {"a": [str(i // 20) for i in range(400)], "b": [str(i % 20) for i in range(400)]}
    labelled = Labelled([f"k{i}" for i in range(400)], labels)
    texts = {name: TextFeatures(generator.standard_normal((5, 8))) for name in labels}
    arguments = (generator.standard_normal((400, 8)), labelled, texts, {"raw": resolve_method("raw")[1]})
    *_, both = evaluate_features(*arguments, entity="e", encoder="x")
    assert both.conditions == ("a", "b")
    assert both.value is both.ci_low is both.ci_high is both.chance is None
    assert (both.queries, both.queries_without_relevant) == (0, 40)
    assert "no query" in both.warnings[0]
    with pytest.raises(InputError, match="no query"):
        evaluate_features(*arguments, entity="e", encoder="x", conditions=[("a", "b")])


def with_nan(features):
    features = features.copy()
    features[5, 1] = np.nan
    return features


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: setattr(w, "features", with_nan(w.features)), "finite"),
        (lambda w: setattr(w, "features", np.ones_like(w.features)), "equal"),
        (lambda w: setattr(w, "features", w.features[:-1]), "same number"),
        (lambda w: w.texts.pop("color"), "no texts for the condition 'color'"),
        (lambda w: w.texts.update(color=TextFeatures(np.ones((3, 7)))), "width"),
        (lambda w: w.texts.update(color=TextFeatures(np.ones((3, 48)), ["x"])), "differ in number"),
        (lambda w: w.texts.update(color=TextFeatures(np.ones((1, 48)))), "two different texts"),
    ],
)
def test_bad_input_is_refused(change, words):
    world = World()
    change(world)
    with pytest.raises(InputError, match=words):
        world.evaluate("clay")


@pytest.mark.parametrize("rows", [np.ones((3, 2)), np.full((999, 2), np.nan), np.ones(999)])
def test_a_method_that_returns_something_else_is_named(world, rows):
    class Odd:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return rows[: len(features)]

    arguments = (world.features, world.labelled, world.texts, {"odd": Odd})
    with pytest.raises(InputError, match=r"Odd\.transform"):
        evaluate_features(*arguments, entity="e", encoder="x")
