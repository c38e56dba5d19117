"""The engine beside a naive loop over queries, with scikit-learn's average precision."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from worlds import KINDS, World, relabelled

from clay_eval.evaluator.evaluation.settings import all_methods
from clay_eval.evaluator.methods.support.registry import resolve_method
from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.engine import Settings, evaluate_features
from clay_eval.evaluator.retrieval.splits import combination_codes, split_queries
from clay_eval.evaluator.retrieval.study import TextFeatures
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.evaluator.statistics.scoreboard import Inference, results_of
from clay_eval.schemas.errors import InputError


@pytest.fixture(scope="module")
def world():
    return World()


def naive(world, method_name, conditions, is_query, is_database=None):
    """Macro mean of AP: one query at a time, the query itself never in its database."""
    labels = world.labelled.labels
    divided = "subcategory" in conditions and "category" not in conditions
    is_database = ~is_query if is_database is None else is_database
    means = []
    for category in KINDS if divided else (None,):
        inside = [i for i in range(len(is_query)) if category in (None, labels["category"][i])]
        database = [i for i in inside if is_database[i]]
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
            ranked = [i for i in database if i != query]
            relevant = [all(labels[c][i] == labels[c][query] for c in conditions) for i in ranked]
            if any(relevant):
                values.append(average_precision_score(relevant, z[ranked] @ z[query]))
        means.append(np.mean(values))
    return np.mean(means)


def test_every_method_and_condition_set_equals_the_naive_loop(world):
    values = world.values(settings=Settings(seeds=(3,)))
    is_query = split_queries(world.labelled.keys, 3)
    assert len(values) == 7 * 3
    for (method, conditions), value in values.items():
        assert value == pytest.approx(naive(world, method, conditions, is_query), abs=1e-3)


@pytest.mark.parametrize("conditions", [("color",), ("subcategory",), ("category", "color")])
def test_leave_one_out_equals_the_naive_loop(world, conditions):
    settings = Settings(split="leave-one-out")
    everyone = np.ones(len(world.features), bool)
    for method in ("raw", "clay"):
        values = world.values(method, settings=settings, conditions=[conditions])
        expected = naive(world, method, conditions, everyone, everyone)
        assert values[method, conditions] == pytest.approx(expected, abs=1e-3)


def test_several_seeds_are_averaged(world):
    seeds = (0, 1, 5)
    one_by_one = [world.values("clay", settings=Settings(seeds=(seed,))) for seed in seeds]
    together = world.values("clay", settings=Settings(seeds=seeds))
    for place, value in together.items():
        assert value == pytest.approx(np.mean([values[place] for values in one_by_one]), abs=1e-12)
    outcomes, _ = world.outcomes("clay", settings=Settings(seeds=seeds), conditions=[("color",)])
    (result,) = results_of(outcomes[:1], ["AP"], Inference(draws=200), combination_codes(world.labelled))
    deviation = np.std([values["clay", ("color",)] for values in one_by_one], ddof=1)
    assert result.seeds_std == pytest.approx(deviation)
    assert result.ci_low <= result.value <= result.ci_high
    assert result.queries == 3 * 14


def test_a_mean_from_few_images_is_fitted_on_few_and_ranks_all(world):
    fitted = []

    class Watching:
        def fit(self, database_features, text_features):
            fitted.append(len(database_features))
            return self

        def transform(self, features):
            return np.asarray(features)

    method = Method("watching", Watching)
    outcomes, _ = world.outcomes(method, settings=Settings(fit_images=20), conditions=[("color",)])
    assert fitted == [20]
    assert outcomes[0].groups[0].database == 130
    assert world.values(method, settings=Settings(fit_images=20), conditions=[("color",)]) == {
        ("watching", ("color",)): world.values("raw", conditions=[("color",)])["raw", ("color",)]
    }


def test_all_measures_come_from_one_ranking(world):
    measures = parse_measures(["AP", "P@10", "R@5", "nDCG@20", "Rprec", "nDCG(graded)@10"])
    outcomes, _ = world.outcomes("clay", settings=Settings(measures=measures))
    for outcome in outcomes:
        for group in outcome.groups:
            assert set(group.values) == set(group.chances) == {str(m) for m in measures}
            for name, values in group.values.items():
                assert values.shape == group.rows.shape
                assert np.nanmean(values) > np.nanmean(group.chances[name])
    single = next(o for o in outcomes if o.conditions == ("color",)).groups[0]
    assert not np.allclose(single.values["nDCG@20"], single.values["nDCG(graded)@10"])


def test_conditioned_methods_beat_raw_where_texts_tell(world):
    value = world.values("raw", "clay")
    for conditions in (("category",), ("subcategory",), ("color",)):
        assert value["clay", conditions] > value["raw", conditions] + 0.05


@pytest.mark.parametrize("measure", ["AP", "AP(trapezoid)", "P@10", "nDCG@10"])
def test_chance_is_what_a_constant_method_gets(world, measure):
    class Constant:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return np.ones((len(features), 3), np.float32)

    for split in ("image", "leave-one-out"):
        settings = Settings(measures=parse_measures([measure]), split=split)
        outcomes, _ = world.outcomes(Method("constant", Constant), settings=settings)
        assert len(outcomes) == 7
        for group in (g for outcome in outcomes for g in outcome.groups):
            np.testing.assert_allclose(group.values[measure], group.chances[measure], atol=1e-12)


def test_order_of_the_images_does_not_matter(world):
    order = np.random.default_rng(0).permutation(len(world.features))
    shuffled = World()
    shuffled.features = world.features[order]
    labels = {name: [values[i] for i in order] for name, values in world.labelled.labels.items()}
    shuffled.labelled = Labelled([world.labelled.keys[i] for i in order], labels, world.labelled.parents)
    ours, theirs = world.values("clay"), shuffled.values("clay")
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_evaluation_repeats_itself_and_reports_as_it_goes(world):
    seen = []
    options = {"conditions": [("color",), ("color", "category")]}
    once, _ = world.outcomes("raw", **options, on_outcome=seen.append)
    again, _ = world.outcomes("raw", **options)
    assert seen == once
    assert [outcome.conditions for outcome in once] == [("color",), ("color", "category")]
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.groups[0].values["AP"], other.groups[0].values["AP"])


def test_queries_without_relevant_images_are_counted_and_left_out():
    world = World()
    is_query = split_queries(world.labelled.keys, 0)
    colors = list(world.labelled.labels["color"])
    lonely = int(np.flatnonzero(is_query)[2])
    colors[lonely] = "mauve"
    world = relabelled(world, color=colors)
    outcomes, _ = world.outcomes("raw", conditions=[("color",)])
    (result,) = results_of(outcomes[:1], ["AP"], Inference(draws=10), combination_codes(world.labelled))
    assert (result.queries, result.queries_without_relevant) == (is_query.sum() - 1, 1)
    (group,) = outcomes[0].groups
    assert group.rows[np.isnan(group.values["AP"])].tolist() == [lonely]


def test_a_condition_that_nothing_shares_is_an_error():
    world = relabelled(World(), color=[f"shade {i}" for i in range(len(World().features))])
    with pytest.raises(InputError, match="no query has a relevant image in the database for color"):
        world.outcomes("raw")


def test_a_condition_of_one_value_is_an_error():
    world = relabelled(World(), color=["red"] * len(World().features))
    with pytest.raises(InputError, match="all images have the same color"):
        world.outcomes("raw")


def test_a_combination_that_nothing_shares_is_a_warning():
    generator = np.random.default_rng(0)
    labels = {"a": [str(i // 20) for i in range(400)], "b": [str(i % 20) for i in range(400)]}
    labelled = Labelled([f"k{i}" for i in range(400)], labels)
    texts = {name: TextFeatures(generator.standard_normal((5, 8))) for name in labels}
    arguments = (generator.standard_normal((400, 8)), labelled, texts, prepare_methods(["raw"]))
    (*_, both), _ = evaluate_features(*arguments, entity="e", encoder="x")
    assert both.conditions == ("a", "b")
    (result,) = results_of([both], ["AP"], Inference(draws=10), combination_codes(labelled))
    assert result.value is result.ci_low is result.ci_high is result.chance is None
    assert (result.queries, result.queries_without_relevant) == (0, 40)
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
        (lambda w: w.texts.update(color=TextFeatures(np.ones((3, 48)), None, ["x"])), "differ in number"),
    ],
)
def test_bad_input_is_refused(change, words):
    world = World()
    change(world)
    with pytest.raises(InputError, match=words):
        world.outcomes("raw", "clay")


@pytest.mark.parametrize("rows", [np.ones((3, 2)), np.full((999, 2), np.nan), np.ones(999)])
def test_a_method_that_returns_something_else_is_named(world, rows):
    class Odd:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return rows[: len(features)]

    with pytest.raises(InputError, match=r"Odd\.transform"):
        world.outcomes(Method("odd", Odd))
    outcomes, failures = world.outcomes("raw", Method("odd", Odd), "clay")
    assert {outcome.method for outcome in outcomes} == {"raw", "clay"}
    assert len(outcomes) == 14
    assert {(failure.method, len(failure.conditions)) for failure in failures} == {
        ("odd", 1), ("odd", 2), ("odd", 3)
    }  # fmt: skip
    assert all("Odd.transform" in failure.error for failure in failures)


def test_float16_features_give_nearly_the_same(world):
    half = World()
    half.features = world.features.astype(np.float16)
    assert half.values("clay") == pytest.approx(world.values("clay"), abs=5e-3)


def test_the_torch_backend_agrees(world):
    ours, theirs = world.values("clay"), world.values("clay", settings=Settings(backend="torch"))
    assert ours == pytest.approx(theirs, abs=1e-5)


def with_noise() -> World:
    """The world with a condition of random labels, which nothing but a leak can tell, and texts that name its values."""
    generator, world = np.random.default_rng(5), World()
    coins = [("heads", "tails")[bit] for bit in generator.integers(0, 2, len(world.features))]
    world.labelled = Labelled(
        world.labelled.keys, {**world.labelled.labels, "noise": coins}, world.labelled.parents
    )
    rows = generator.standard_normal((8, world.features.shape[1]))
    world.texts = {**world.texts, "noise": TextFeatures(rows, None, ["heads", "tails"] * 4)}
    return world


class Memory:
    """Gives every image of its database the label it was told: what a leak would look like."""

    def fit(self, database_features, text_features, database_labels):
        self.told = {
            row.tobytes(): label for row, label in zip(database_features, database_labels, strict=True)
        }
        return self

    def transform(self, features):
        known = [self.told.get(row.tobytes()) for row in features]
        return np.array([[1.0, 0.0] if label == 0 else [0.0, 1.0] for label in known])


@pytest.mark.parametrize("split", ["image", "leave-one-out"])
def test_no_method_has_seen_its_queries(split):
    planted = Method("memory", Memory, asks=("database_labels",), privileged=True)
    methods = [*prepare_methods(all_methods()), planted]
    noisy = with_noise()
    settings = Settings(split=split, seeds=(0,), query_share=0.5)
    outcomes, failures = noisy.outcomes(*methods, conditions=[("noise",)], settings=settings)
    assert not failures
    scored = {o.method: o.groups[0] for o in outcomes if o.groups}
    for name, group in scored.items():
        above = np.nanmean(group.values["AP"]) - np.nanmean(group.chances["AP"])
        assert abs(above) < 0.1, name  # a leak gives .4 and more
    told = {"supervised-lda", "memory"}
    assert set(scored) == {m.name for m in methods} - (told if split == "leave-one-out" else set())
    if split == "leave-one-out":
        notes = [o.warnings for o in outcomes if o.method in told]
        assert all("told the labels of the database, and queries are in it" in note for (note,) in notes)
