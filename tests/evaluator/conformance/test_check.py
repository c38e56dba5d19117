"""The check finds each fault of a method, names it, and passes what is sound."""

import itertools
from functools import partial

import numpy as np
import pytest
from PIL import ImageDraw

from clay_eval import CLAY
from clay_eval.evaluator.conformance.check import check_method


class Sound:
    """Someone else's method: imports nothing of ours."""

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, database_features, text_features):
        self.mean_ = database_features.mean(axis=0)
        self.texts_ = text_features - text_features.mean(axis=0)
        return self

    def transform(self, features):
        return (features - self.mean_) @ self.texts_.T


def having(**attributes):
    return type("Faulty", (Sound,), attributes)


def faults(factory, **options):
    found = check_method(factory, **options)
    assert all(one.mend and one.seen and one.name for one in found if not one.ok)
    assert not [one for one in found if one.ok and one.mend]
    return {one.name: one for one in found if not one.ok}


def test_a_sound_method_passes():
    assert faults(Sound) == {}
    assert faults(lambda: Sound(power=2.0)) == {}
    names = [finding.name for finding in check_method(Sound)]
    assert len(names) == len(set(names)) > 12
    assert check_method(CLAY) == check_method(CLAY)


def alter(self, features):
    features -= self.mean_
    return features @ self.texts_.T


def from_batch(self, features):
    return (features - features.mean(axis=0)) @ self.texts_.T


def numbered_rows(self, features):
    rows = Sound.transform(self, features)
    rows[:, 0] += np.arange(len(rows)) % 5
    return rows


def blind(self, features):
    return np.ones((len(features), 3))


def first_image(self, database_features, text_features):
    Sound.fit(self, database_features, text_features)
    self.mean_ = database_features[0]
    return self


def drawn(self, database_features, text_features):
    Sound.fit(self, database_features, text_features)
    self.texts_ = self.texts_ * np.random.default_rng().uniform(size=(len(self.texts_), 1))
    return self


def grown(self, database_features, text_features):
    self.rounds_ = getattr(self, "rounds_", 0) + 1
    Sound.fit(self, database_features, text_features)
    self.mean_ = self.mean_ / self.rounds_
    return self


def sorted_texts(self, database_features, text_features, text_values):
    text_values.reverse()
    return Sound.fit(self, database_features, text_features)


def supervised(self, database_features, text_features, database_labels):
    Sound.fit(self, database_features, text_features)
    named = np.unique(database_labels)
    self.texts_ = np.stack(
        [database_features[database_labels == label].mean(axis=0) - self.mean_ for label in named]
    )
    return self


def single_precision(self, features):
    return Sound.transform(self, features) * (2.0 if features.dtype == np.float64 else 1.0) + (
        features.dtype == np.float64
    )


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"transform": lambda self, x: Sound.transform(self, x)[:-1]}, "rows of the database"),
        ({"transform": lambda self, x: Sound.transform(self, x)[:, 0]}, "rows of the database"),
        ({"transform": lambda self, x: Sound.transform(self, x) / 0 * 0}, "rows of the database"),
        ({"transform": lambda self, x: Sound.transform(self, x).astype(complex)}, "rows of the database"),
        ({"transform": lambda self, x: Sound.transform(self, x).astype(str)}, "rows of the database"),
        (
            {"transform": lambda self, x: np.sign(Sound.transform(self, x)).astype(int)},
            "rows of the database",
        ),
        ({"transform": lambda self, x: None}, "rows of the database"),
        ({"transform_queries": lambda self, x: Sound.transform(self, x)[1:]}, "rows of the queries"),
        ({"transform_queries": lambda self, x: Sound.transform(self, x)[:, 1:]}, "one width for both"),
        ({"transform": alter}, "leaves its inputs alone"),
        ({"fit": sorted_texts}, "leaves its inputs alone"),
        ({"transform": from_batch}, "a row does not depend on its batch"),
        ({"transform": numbered_rows}, "order of the queries"),
        ({"transform": blind}, "tells images apart"),
        ({"transform": single_precision}, "float64 gives what float32 gives"),
        ({"fit": first_image}, "order of the database"),
        ({"fit": drawn}, "two fits agree"),
        ({"fit": grown}, "fitting again starts anew"),
        ({"fit": supervised}, "sees no labels"),
        ({"__init__": lambda self, power=1.0: None}, "keeps its parameters"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_each_fault_is_found_by_its_name(attributes, name):
    assert name in faults(having(**attributes))


def test_a_method_that_sees_labels_may_say_so():
    found = {one.name: one for one in check_method(having(fit=supervised, privileged=True))}
    assert found["sees no labels"].ok
    assert "declared privileged" in found["sees no labels"].seen
    assert "similarities move" in faults(having(fit=supervised))["sees no labels"].seen


def broken_transform(self, features):
    return features @ np.ones((3, 3))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"transform": broken_transform}, ["ValueError", "test_check.py line", "in transform"]),
        ({"fit": lambda self, x, y: 1 / 0}, ["ZeroDivisionError", "in fit"]),
        ({"fit": lambda self, x, y: None}, ["fit must return self"]),
        ({"fit": lambda self, x, y, hue: self}, ["'hue'", "nothing can answer"]),
        ({"fit": lambda self, x: self}, ["two arrays"]),
        ({"similarity": "dot"}, ["a similarity that there is not", "'dot'"]),
        ({"similarity": None}, ["a similarity that there is not"]),
        ({"needs": "nothing"}, ["needs something that there is not"]),
        ({"role": "winner"}, ["a role that there is not"]),
        ({"__init__": lambda self: [][1]}, ["IndexError", "when it was made"]),
    ],
)
def test_exceptions_are_the_last_finding(attributes, words):
    found = faults(having(**attributes))["runs"]
    assert found == check_method(having(**attributes))[-1]
    for word in words:
        assert word in found.seen


class Mapped:
    """A step for queries that is no function, and so has no name."""

    def __call__(self, features):
        return features @ np.eye(features.shape[1], 5)


def test_a_step_for_queries_need_not_be_a_function():
    step = Mapped()
    assert "one width for both" in faults(having(transform_queries=step))
    assert not faults(having(transform=lambda self, x: step(x), transform_queries=step))
    assert not faults(having(transform=lambda self, x: step(x), transform_queries=partial(step)))


def test_open_parameters_have_no_name_to_be_kept_under():
    assert not faults(having(__init__=lambda self, *more, power=1.0, **others: setattr(self, "power", power)))


def test_what_is_no_method_is_told():
    assert set(faults(dict)) == {"has fit and transform"}
    assert set(faults(dict, image_method=True)) == {"has encode", "runs"}


class Pictures:
    """A sound image method."""

    identity = {"name": "mean colour", "version": 1}  # noqa: RUF012

    def encode(self, images, conditions):
        rows = [np.asarray(image.convert("RGB"), np.float32).mean(axis=(0, 1)) for image in images]
        return np.stack(rows) * len(conditions)


class Seeing(Pictures):
    def encode_queries(self, images, conditions):
        return self.encode(images, conditions) + 1


def paint(self, images, conditions):
    for image in images:
        ImageDraw.Draw(image).point((0, 0), (1, 2, 3))
    return Pictures.encode(self, images, conditions)


def noisy(self, images, conditions):
    rows = Pictures.encode(self, images, conditions)
    return rows + np.random.default_rng().uniform(size=rows.shape)


counter = itertools.count()


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"encode": paint}, "encode leaves its pictures alone"),
        ({"encode": noisy}, "encode repeats itself"),
        (
            {"encode": lambda s, i, c: Pictures.encode(s, i, c) / len(i)},
            "encode: a row does not depend on its batch",
        ),
        (
            {
                "encode": lambda s, i, c: (
                    Pictures.encode(s, i, c)[::-1].copy() * 0 + np.arange(len(i))[:, None]
                )
            },
            "encode: order of the pictures",
        ),
        ({"encode": lambda s, i, c: np.ones((len(i), 2))}, "encode tells pictures apart"),
        ({"encode": lambda s, i, c: Pictures.encode(s, i, c)[1:]}, "rows of encode"),
        ({"encode": lambda s, i, c: Pictures.encode(s, i, c).tolist()}, "rows of encode"),
        (
            {"encode": lambda s, i, c: Pictures.encode(s, i, c) if len(c) == 1 else np.full((6, 3), np.nan)},
            "rows of encode for two conditions at once",
        ),
        ({"encode_queries": lambda s, i, c: Pictures.encode(s, i, c)[1:]}, "rows of encode_queries"),
        (
            {
                "__init__": lambda s: setattr(s, "n", next(counter)),
                "encode": lambda s, i, c: Pictures.encode(s, i, c) + s.n,
            },
            "two instances agree",
        ),
        ({"identity": {}}, "has an identity"),
        ({"identity": {"weights": object()}}, "has an identity"),
        ({"identity": None}, "has an identity"),
        ({"encode": lambda s, i, c: 1 / 0}, "runs"),
    ],
)
def test_faults_of_image_methods(attributes, name):
    assert name in faults(type("Faulty", (Pictures,), attributes), image_method=True)


def test_sound_image_methods_pass():
    assert faults(Pictures, image_method=True) == {}
    assert faults(Seeing, image_method=True) == {}
