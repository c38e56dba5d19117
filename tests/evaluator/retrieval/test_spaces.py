"""What methods are given, and how several conditions meet."""

import numpy as np
import pytest
from sklearn.preprocessing import normalize
from worlds import World

from clay_eval import CLAY
from clay_eval.evaluator.evaluation.settings import all_methods
from clay_eval.evaluator.methods.support.registry import BUILT_IN
from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
from clay_eval.evaluator.retrieval.engine import Settings, plan_tasks
from clay_eval.evaluator.retrieval.spaces import group_texts, make_space
from clay_eval.evaluator.retrieval.split_kinds import draw_split
from clay_eval.evaluator.retrieval.study import Extras, TextFeatures
from clay_eval.schemas.errors import InputError


@pytest.fixture(scope="module")
def world():
    return World()


def task_of(world, *conditions):
    return plan_tasks(world.labelled, draw_split(world.labelled, "image", 0), [conditions])[0]


def space_of(world, spec, *conditions, group=0, **options):
    task = task_of(world, *conditions)
    method = spec if isinstance(spec, Method) else prepare_methods([spec])[0]
    extras = options.pop("extras", world.extras)
    return make_space(method, world.study(extras=extras), task, task.groups[group]), task


def test_texts_of_a_group_are_those_of_its_parent_value(world):
    task = task_of(world, "subcategory", "color")
    for group in task.groups:
        rows, warning = group_texts(world.texts, "subcategory", group)
        assert warning is None
        parents = np.array(world.texts["subcategory"].parents)
        expected = np.flatnonzero(parents == group.name.removeprefix("category="))
        assert rows.tolist() == expected.tolist()
        assert len(group_texts(world.texts, "color", group)[0]) == 12
    whole = task_of(world, "category", "subcategory")
    assert len(group_texts(world.texts, "subcategory", whole.groups[0])[0]) == 12


def test_missing_texts_of_a_group_fall_back_with_a_warning():
    world = World()
    texts = world.texts["subcategory"]
    world.texts["subcategory"] = TextFeatures(texts.features, ["shoes"] * 12, texts.values)
    outcomes, _ = world.outcomes("clay", conditions=[("subcategory",)])
    assert outcomes[0].warnings == (
        "subcategory: no texts for category=bags, so the texts of all its values were used",
    )


def test_a_space_is_fitted_on_the_database_of_the_group(world):
    space, task = space_of(world, "clay", "subcategory", group=1)
    group = task.groups[1]
    rows, _ = group_texts(world.texts, "subcategory", group)
    expected = CLAY().fit(world.features[group.database], world.texts["subcategory"].features[rows])
    ((queries, database),) = space.pairs
    np.testing.assert_allclose(queries, expected.transform(world.features[group.queries]), atol=1e-6)
    np.testing.assert_allclose(database, expected.transform(world.features[group.database]), atol=1e-6)
    assert space.texts == len(rows)


def test_a_method_gets_what_its_fit_asks_for(world):
    got = {}

    class Asking:
        def fit(
            self, database_features, text_features, *, text_values, text_conditions, text_weights,
            condition_features, other_text_features, generic_features, logit_scale, database_labels,
        ):  # fmt: skip
            got.update(locals())
            return self

        def transform(self, features):
            return features

    asks = ("text_values", "text_conditions", "text_weights", "condition_features", "other_text_features",
            "generic_features", "logit_scale", "database_labels")  # fmt: skip
    extras = Extras(world.extras.name, world.extras.generic, lambda: 7.0, {"color": 3.0})
    _, task = space_of(world, Method("asking", Asking, asks=asks), "category", "color", extras=extras)
    texts = world.texts
    assert got["text_values"] == [*texts["category"].values, *texts["color"].values]
    assert got["text_conditions"] == ["category"] * 8 + ["color"] * 12
    assert got["text_weights"].tolist() == [1.0] * 8 + [3.0] * 12
    np.testing.assert_array_equal(got["condition_features"][1], world.extras.name("color"))
    np.testing.assert_array_equal(got["other_text_features"], texts["subcategory"].features)
    assert got["generic_features"].shape == (60, 48)
    assert got["logit_scale"] == 7.0
    labels = world.labelled.labels
    database = task.groups[0].database
    pairs = [(labels["category"][i], labels["color"][i]) for i in database]
    alike = np.array([[one == other for other in pairs] for one in pairs])
    codes = got["database_labels"]
    np.testing.assert_array_equal(codes[:, None] == codes[None, :], alike)


@pytest.mark.parametrize("what", ["generic_features", "condition_features"])
def test_what_there_is_not_is_a_clear_error(world, what):
    class Asking:
        def fit(self, database_features, text_features, **asked):
            return self

        def transform(self, features):
            return features

    with pytest.raises(InputError, match="asks for"):
        space_of(world, Method("asking", Asking, asks=(what,)), "color", extras=Extras())


def test_queries_may_be_mapped_otherwise(world):
    class Reversed:
        def fit(self, database_features, text_features):
            return self

        def transform(self, features):
            return features

        def transform_queries(self, features):
            return -features

    space, _ = space_of(world, Method("reversed", Reversed), "color")
    raw, _ = space_of(world, "raw", "color")
    np.testing.assert_allclose(space.scores(0), -raw.scores(0), atol=1e-6)


def literal(world, task, conditions):
    """Similarities (Q, N) of CLAY by each condition alone, on the task's one group, in float64."""
    group = task.groups[0]
    found = []
    for name in conditions:
        clay = CLAY().fit(world.features[group.database], world.texts[name].features)
        z = clay.transform(world.features.astype(np.float64))
        found.append(z[group.queries] @ z[group.database].T)
    return found


def ranks(scores):
    """1 for the highest, ties sharing their mean, one comparison at a time."""
    return np.array(
        [[(row > s).sum() + ((row == s).sum() + 1) / 2 for s in row] for row in np.asarray(scores)]
    )


@pytest.mark.parametrize("fusion", ["sum", "product", "min", "rrf"])
@pytest.mark.parametrize("weights", [{}, {"color": 3.0}])
def test_fusions_equal_their_formulas(world, fusion, weights):
    if weights and fusion == "min":
        pytest.skip("takes no weights")
    extras = Extras(weights=weights)
    space, task = space_of(world, f"clay(fusion={fusion})", "category", "color", extras=extras)
    first, second = literal(world, task, ("category", "color"))
    w = np.array([1.0, weights.get("color", 1.0)])
    share = w / w.sum()
    expected = {
        "sum": share[0] * first + share[1] * second,
        "product": ((1 + first) / 2) ** share[0] * ((1 + second) / 2) ** share[1],
        "min": np.minimum(first, second),
        "rrf": w[0] / (60 + ranks(first)) + w[1] / (60 + ranks(second)),
    }[fusion]
    for query in (0, 3, len(expected) - 1):
        np.testing.assert_allclose(
            space.scores(query), expected[query], atol=2e-5 if fusion != "rrf" else 3e-4
        )


@pytest.mark.parametrize("name", ["label-posterior", "text-mixture"])
@pytest.mark.parametrize("weights", [{}, {"color": 3.0}])
def test_posteriors_meet_by_their_product_unless_it_is_said_otherwise(world, name, weights):
    extras = Extras(weights=weights)
    singles = [space_of(world, name, condition)[0] for condition in ("category", "color")]
    usual, stated, stacked = (
        space_of(world, spec, "category", "color", extras=extras)[0]
        for spec in (name, f"{name}(fusion=product)", f"{name}(fusion=stack)")
    )
    w = np.array([1.0, weights.get("color", 1.0)]) / (1.0 + weights.get("color", 1.0))
    for query in (0, 4):
        first, second = (space.scores(query) for space in singles)
        np.testing.assert_allclose(usual.scores(query), first ** w[0] * second ** w[1], atol=1e-5)
        np.testing.assert_allclose(usual.scores(query), stated.scores(query))
        np.testing.assert_allclose(stacked.scores(query), w[0] * first + w[1] * second, atol=1e-5)


def test_joined_subspaces_project_on_the_sum_of_both(world):
    space, task = space_of(world, "clay(fusion=qr)", "category", "color")
    group = task.groups[0]
    bases = [
        CLAY().fit(world.features[group.database], world.texts[name].features).projection_
        for name in ("category", "color")
    ]
    stacked = np.concatenate(bases, axis=1)
    onto = stacked @ np.linalg.pinv(stacked)
    projected = normalize(world.features.astype(np.float64) @ onto)
    expected = projected[group.queries] @ projected[group.database].T
    for query in (0, 5):
        np.testing.assert_allclose(space.scores(query), expected[query], atol=1e-5)
    assert space.learnt["n_components_"] == stacked.shape[1]


def test_joined_subspaces_of_centred_methods_are_centred(world):
    space, task = space_of(world, "text-pca-centred(fusion=qr)", "category", "color")
    group = task.groups[0]
    unit = normalize(world.features.astype(np.float64))
    mean = unit[group.database].mean(axis=0)
    bases = []
    for name in ("category", "color"):
        texts = normalize(world.texts[name].features)
        centred = texts - texts.mean(axis=0)
        _, singular, right = np.linalg.svd(centred, full_matrices=False)
        bases.append(right[singular > 1e-9].T)
    onto = np.concatenate(bases, axis=1)
    projected = normalize((unit - mean) @ (onto @ np.linalg.pinv(onto)))
    expected = projected[group.queries] @ projected[group.database].T
    np.testing.assert_allclose(space.scores(2), expected[2], atol=1e-5)


def test_a_method_without_subspaces_cannot_join_them(world):
    with pytest.raises(InputError, match="no subspaces"):
        space_of(world, "label-posterior(fusion=qr)", "category", "color")


def test_one_condition_is_the_same_whatever_the_fusion(world):
    plain = world.values("clay", conditions=[("color",)])["clay", ("color",)]
    for fusion in ("qr", "sum", "product", "min", "rrf"):
        spec = f"clay(fusion={fusion})"
        assert world.values(spec, conditions=[("color",)])[spec, ("color",)] == plain


def test_weights_move_the_ranking_towards_their_condition(world):
    def by(weight, spec):
        extras = Extras(weights={"color": weight})
        method = prepare_methods([spec])[0]
        task = task_of(world, "category", "color")
        space = make_space(method, world.study(extras=extras), task, task.groups[0])
        _, color = literal(world, task, ("category", "color"))
        return np.mean([np.corrcoef(space.scores(q), color[q])[0, 1] for q in range(len(color))])

    for spec in ("clay(fusion=sum)", "clay(fusion=rrf)", "clay(n_components=3)"):
        assert by(20.0, spec) > by(1.0, spec) + 0.02


def test_a_method_that_takes_no_weights_says_so(world):
    extras = Extras(weights={"color": 2.0})
    space, _ = space_of(world, "raw", "category", "color", extras=extras)
    assert space.warnings == ("raw takes no weights of conditions: all count alike",)


@pytest.mark.parametrize("spec", sorted(set(BUILT_IN) & set(all_methods())))
def test_every_built_in_method_runs_on_every_set_of_conditions(world, spec):
    settings = Settings(seeds=(0,))
    outcomes, failures = world.outcomes(spec, settings=settings)
    assert not failures
    for outcome in outcomes:
        assert outcome.groups or "left out" in outcome.warnings[0]
        for group in outcome.groups:
            assert np.nanmin(group.values["AP"]) >= 0
            assert np.nanmax(group.values["AP"]) <= 1 + 1e-12
    assert sum(bool(outcome.groups) for outcome in outcomes) >= 6
