"""InDiReCT beyond its formula step by step, which stands beside the others' in test_every_method."""

import numpy as np
import pytest
from method_literals import make, unit

from clay_eval.evaluator.methods.indirect import InDiReCT, learn_map
from clay_eval.schemas.errors import InputError


def angle(texts, columns):
    code = unit(texts @ columns)
    return float(np.mean(np.arccos(np.clip((texts * unit(code @ columns.T)).sum(axis=1), -1, 1))))


def test_keeps_the_best_and_says_its_loss():
    _, v, t, _ = make(0)
    method = InDiReCT(n_components=3).fit(v, t)
    assert method.loss_ == pytest.approx(angle(np.unique(t, axis=0), method.projection_), abs=1e-6)
    assert 100 < method.n_steps_ < 5000
    assert method.loss_ < InDiReCT(n_components=3, max_steps=50).fit(v, t).loss_
    more = InDiReCT(n_components=12).fit(v, t)
    assert more.loss_ < method.loss_
    assert more.transform(v).shape == (len(v), 12)


def test_nears_the_best_subspace_of_one_step_of_reconstruction():
    draw = np.random.default_rng(0)
    texts = unit(draw.standard_normal((40, 2)) @ draw.standard_normal((2, 16)))
    assert InDiReCT(n_components=2).fit(texts, texts).loss_ < 0.01


def test_duplicates_and_the_seed():
    _, v, t, _ = make(1)
    one = InDiReCT(n_components=4, max_steps=150).fit(v, t)
    twice = InDiReCT(n_components=4, max_steps=150).fit(v, np.concatenate([t, t[:7] * 3]))
    np.testing.assert_allclose(one.transform(v), twice.transform(v), atol=1e-6)
    other = InDiReCT(n_components=4, max_steps=150, random_state=1).fit(v, t)
    assert not np.allclose(one.transform(v), other.transform(v))


def test_ends_a_hundred_steps_after_the_best():
    texts = unit(np.random.default_rng(2).standard_normal((6, 4)))
    _, loss, steps = learn_map(texts, np.eye(4), 5000)
    assert loss < 1e-3
    assert steps >= 101


@pytest.mark.parametrize(("option", "value"), [("n_components", 0), ("max_steps", 0), ("random_state", -1)])
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(InputError, match=option):
        InDiReCT(**{option: value})
