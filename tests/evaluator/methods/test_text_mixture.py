"""The mixture that texts guide: what it finds in worlds that are known, and its edges."""

import numpy as np
import pytest
from method_literals import LITERALS, make, oas, unit
from scipy.stats import multivariate_normal

from clay_eval.evaluator.methods.clay import CLAY
from clay_eval.evaluator.methods.mixture import fit_mixture, log_softmax, shrunk
from clay_eval.evaluator.methods.text_mixture import TextMixture
from clay_eval.evaluator.methods.unnamed import apart, cluster, unnamed_groups
from clay_eval.schemas.errors import InputError

SCALE = 20.0


def world(named, shown, *, images=400, wordings=6, d=128, other=0, noise=0.5, seed=0):
    """Images of `shown` values of which the texts name the first `named`, a gap between both, and labels.

    The wordings of the texts vary towards all values, as those of real texts do.

    other: values of another attribute, which is stronger; the texts then name these too.
    """
    draw = np.random.default_rng(seed)
    directions, others = (unit(draw.standard_normal((count, d))) for count in (shown, max(other, 1)))
    gap_v, gap_t = unit(draw.standard_normal((2, d)))
    labels, marks = draw.integers(0, shown, images), draw.integers(0, max(other, 1), images)
    strength = 1.3 if other else 0.0
    noises = draw.standard_normal((images, d)) / np.sqrt(d)
    v = unit(1.5 * gap_v + directions[labels] + strength * others[marks] + noise * noises)
    values = np.repeat(np.arange(named), wordings)
    texts = 1.5 * gap_t + 0.7 * directions[values] + 0.2 * draw.standard_normal((len(values), d)) / np.sqrt(d)
    texts += 0.15 * draw.standard_normal((len(values), shown)) @ directions
    if other:
        texts = texts + 0.9 * others[np.arange(len(values)) % other]
    return v, unit(texts), [f"value {value}" for value in values], labels


def scores(method, rows):
    return method.transform(rows) @ method.transform(rows).T


def parted(similarities, labels):
    """The mean precision at the number of relevant images, over all images."""
    same = labels[:, None] == labels
    order = np.argsort(-similarities, axis=1, kind="stable")
    hits = np.take_along_axis(same, order, axis=1)
    return float(np.mean([row[: row.sum()].mean() for row in hits]))


def test_values_that_no_text_names_are_found():
    v, t, values, labels = world(4, 7, noise=1.6)
    method = TextMixture().fit(v, t, values, logit_scale=SCALE)
    assert method.n_unnamed_ == 3
    without = TextMixture(unnamed=False).fit(v, t, values, logit_scale=SCALE)
    assert without.n_unnamed_ == 0
    found, beside = parted(scores(method, v), labels), parted(scores(without, v), labels)
    assert found > 0.999 > 0.997 > beside


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("values", "other"), [(2, 0), (5, 0), (9, 0), (4, 6), (8, 5)])
def test_where_every_value_is_named_nothing_is_added(values, other, seed):
    v, t, names, _ = world(values, values, other=other, seed=seed)
    assert TextMixture().fit(v, t, names, logit_scale=SCALE).n_unnamed_ == 0


def test_unnamed_groups_equal_the_formula():
    v, t, values, labels = world(3, 5, images=200, d=32, noise=0.3, seed=2)
    asked = {"text_values": values, "logit_scale": SCALE}
    method = TextMixture().fit(v, t, values, logit_scale=SCALE)
    assert method.n_unnamed_ == 2
    groups = np.where(labels >= 3, labels - 3, -1)
    expected = LITERALS["text-mixture"](v[:9], v, t, asked, groups=groups)
    np.testing.assert_allclose(scores(method, v)[:9], expected, atol=1e-9)


def test_offsets_of_the_gap_are_taken_off_where_the_data_say_so():
    v, t, values, labels = world(3, 3, images=300, seed=4)
    named = np.stack([t[np.array(values) == value].mean(axis=0) for value in dict.fromkeys(values)])
    towards = unit(v.mean(axis=0))
    biased = t + 0.5 * (np.array(values) == "value 1")[:, None] * towards
    plain = TextMixture().fit(v, t - named.mean(axis=0) @ towards * towards, values, logit_scale=SCALE)
    moved = TextMixture().fit(v, biased, values, logit_scale=SCALE)
    assert moved.centred_ == 1
    assert parted(scores(moved, v), labels) > 0.98
    assert parted(scores(plain, v), labels) > 0.98


def test_thirty_images_more_values_than_dimensions_and_repeated_images():
    v, t, values, labels = world(4, 4, images=30, seed=5)
    assert parted(scores(TextMixture().fit(v, t, values, logit_scale=SCALE), v), labels) > 0.95
    draw = np.random.default_rng(0)
    few = unit(draw.standard_normal((50, 4)) + 1), unit(draw.standard_normal((12, 4)) + 1)
    more = TextMixture().fit(*few, [str(i) for i in range(12)], logit_scale=SCALE)
    assert more.n_values_ == 12
    assert more.n_components_ <= 3
    again = TextMixture().fit(np.repeat(v[:3], 20, axis=0), t, values, logit_scale=SCALE)
    for method, rows in ((more, few[0]), (again, v)):
        found = scores(method, rows)
        assert np.isfinite(found).all()
        assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_a_value_that_no_image_shows_takes_no_image():
    v, t, values, labels = world(5, 5, seed=6)
    kept = labels != 4
    method = TextMixture().fit(v[kept], t, values, logit_scale=SCALE)
    assert parted(scores(method, v[kept]), labels[kept]) > 0.98


def test_empty_components_stay_at_the_centre():
    draw = np.random.default_rng(0)
    x = draw.standard_normal((40, 3))
    x -= x.mean(axis=0)
    with np.errstate(divide="ignore"):
        priors = np.log(np.tile([0.5, 0.5, 0.0], (40, 1)))
    mixture, posterior, fit = fit_mixture(x, priors, np.exp(priors), 5)
    assert np.isfinite(fit)
    np.testing.assert_array_equal(posterior[:, 2], 0)
    np.testing.assert_array_equal(mixture.means[2], 0)


def test_likelihood_and_shrinkage_equal_their_formulas():
    draw = np.random.default_rng(1)
    x = draw.standard_normal((25, 4)) * [3, 1, 1, 0.2]
    log_priors = log_softmax(draw.standard_normal((25, 3)))
    mixture, _, fit = fit_mixture(x, log_priors, np.exp(log_priors), 3)
    covariance = np.linalg.inv(mixture.root @ mixture.root.T)
    density = np.stack([multivariate_normal(m, covariance).pdf(x) for m in mixture.means], axis=1)
    expected = np.log((np.exp(log_priors) * density).sum(axis=1)).sum() + 25 * 2 * np.log(2 * np.pi)
    assert fit == pytest.approx(expected)
    s = np.cov(x.T, bias=True)
    for points in (1, 5, 1000):
        expected = oas(s, points) + 1e-3 * np.trace(s) / 4 * np.eye(4)
        np.testing.assert_allclose(shrunk(s, points, np.diag(s)), expected)
    np.testing.assert_array_equal(shrunk(np.zeros((2, 2)), 5, np.zeros(2)), np.eye(2))


def test_a_spread_without_a_gap_is_one_piece():
    draw = np.random.default_rng(2)
    for points in (draw.standard_normal((600, 2)), draw.uniform(-1, 1, (600, 2))):
        assert apart(points, cluster(points, 4, 0), 5) == []
    pieces = np.concatenate([points, points + 9])
    assert len(apart(pieces, cluster(pieces, 2, 0), 5)) == 2


def test_clusters_do_not_depend_on_the_order():
    v, _, _, _ = world(4, 4, seed=7)
    order = np.random.default_rng(0).permutation(len(v))
    np.testing.assert_array_equal(cluster(v, 6, 0)[order], cluster(v[order], 6, 0))
    few = v[:9]
    assert (unnamed_groups(few, few[:4], few[:, :4] ** 2, few[:, :4] ** 2, 0) == -1).all()


def test_a_bounded_number_of_images_decides():
    v, t, values, labels = world(4, 4, images=900, seed=8)
    one, same, other = (
        TextMixture(max_images=200, random_state=seed).fit(v, t, values, logit_scale=SCALE)
        for seed in (0, 0, 1)
    )
    assert one.n_images_ == 200
    assert TextMixture().fit(v, t, values).n_images_ == 900
    np.testing.assert_array_equal(one.transform(v), same.transform(v))
    assert not np.array_equal(one.transform(v), other.transform(v))
    assert parted(scores(one, v), labels) > 0.98


def test_the_cosine_beside_the_posterior_is_clays():
    v, t, values, _ = world(3, 3, seed=9)
    nearly = TextMixture(weight=1e-9, n_components=5).fit(v, t, values)
    clay = CLAY(n_components=5).fit(v, t)
    np.testing.assert_allclose(scores(nearly, v), (1 + scores(clay, v)) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("option", "value"),
    [("weight", 0), ("weight", 1.5), ("unnamed", 1), ("max_images", 1), ("n_components", 0)],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(InputError, match=option):
        TextMixture(**{option: value})


def test_a_condition_of_one_value_is_refused():
    q, v, t, asked = make(0)
    with pytest.raises(InputError, match="single value"):
        TextMixture().fit(v, t, ["a"] * 10 + ["b"] * 5 + ["c"] * 5, ["one"] * 10 + ["two"] * 10)
    with pytest.raises(InputError, match="logit_scale"):
        TextMixture().fit(v, t, asked["text_values"], logit_scale=0.0)
    with pytest.raises(InputError, match="not fitted"):
        TextMixture().transform(q)
