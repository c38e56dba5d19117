import pytest

from clay_eval.evaluator.methods.support.guard import guarded
from clay_eval.evaluator.methods.support.registry import ASKABLE, asked_names, is_privileged
from clay_eval.schemas.errors import InputError


def made(fit, **attributes):
    return type("Made", (), {"fit": fit, "transform": lambda self, features: features, **attributes})


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        (lambda self, x, y: self, ()),
        (lambda self, x, y, text_values: self, ("text_values",)),
        (lambda self, x, y, text_weights=None, depth=3: self, ("text_weights",)),
        (lambda self, x, y, *, logit_scale, generic_features=None: self, ("logit_scale", "generic_features")),
        (lambda self, x, y, **rest: self, ()),
        (lambda self, *arrays: self, ()),
        (lambda self, *arrays, text_values: self, ("text_values",)),
        (staticmethod(lambda x, y, text_values: None), ("text_values",)),
        (classmethod(lambda cls, x, y, text_values: None), ("text_values",)),
    ],
)
def test_names_beyond_the_two_arrays(fit, expected):
    kind = made(fit)
    assert asked_names(kind) == asked_names(kind()) == asked_names(guarded("x", kind)()) == expected


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (lambda self, x, y, colours: self, "asks for 'colours', which nothing can answer"),
        (lambda self, x, y, text_values, /: self, "asks for 'text_values'"),
        (lambda self, x: self, "must take two arrays"),
        (lambda self: self, "must take two arrays"),
    ],
)
def test_what_cannot_be_asked_is_refused(fit, words):
    for method in (made(fit), made(fit)()):
        with pytest.raises(InputError, match=words) as caught:
            asked_names(method)
        assert "Made.fit" in str(caught.value)


def test_privileged_is_who_asks_for_labels_or_says_so():
    asks = made(lambda self, x, y, database_labels=None: self)
    says = made(lambda self, x, y: self, privileged=True)
    neither = made(lambda self, x, y, text_values: self)
    assert [is_privileged(kind) for kind in (asks, says, neither)] == [True, True, False]
    assert [is_privileged(kind()) for kind in (asks, says, neither)] == [True, True, False]


def test_everything_askable_is_explained():
    assert all(text and name.isidentifier() for name, text in ASKABLE.items())
    with pytest.raises(TypeError):
        ASKABLE["more"] = "x"


def test_a_guarded_method_passes_what_was_asked_for_and_names_faults():
    def fit(self, x, y, text_values):
        self.seen = text_values
        return self

    def transform_queries(self, features):
        raise KeyError("lost")

    method = guarded("mine", made(fit, transform_queries=transform_queries))()
    assert method.fit(1, 2, text_values=["red"]).seen == ["red"]
    assert method.transform(5) == 5
    with pytest.raises(InputError, match="'mine' failed in transform_queries") as caught:
        method.transform_queries(1)
    assert "KeyError: 'lost'" in str(caught.value)
    assert "test_asking.py line" in str(caught.value)
