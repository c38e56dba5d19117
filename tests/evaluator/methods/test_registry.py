import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from clay_eval import CLAY
from clay_eval.evaluator.methods.ip_composer import IPComposer
from clay_eval.evaluator.methods.raw import Raw
from clay_eval.evaluator.methods.support import registry as methods
from clay_eval.evaluator.methods.support.importing import import_target
from clay_eval.evaluator.methods.support.protocol import is_ours
from clay_eval.evaluator.methods.support.registry import FeatureMethod, describe, method_names, resolve_method
from clay_eval.evaluator.methods.support.specs import prepare_methods
from clay_eval.schemas.errors import InputError


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.standard_normal((30, 12)) + 0.5, generator.standard_normal((7, 12)) + 0.5


class Doubling:
    """Someone else's method: imports nothing of ours."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def fit(self, database_features, text_features):
        self.seen_ = np.int64(len(database_features))
        self.table_ = np.zeros(3)
        return self

    def transform(self, features):
        return features * self.factor


class NoTransform:
    def fit(self, database_features, text_features):
        return self


@pytest.fixture
def plugin(monkeypatch):
    module = types.ModuleType("someones_package")
    module.Doubling, module.NoTransform, module.number = Doubling, NoTransform, 3
    module.make_nothing = lambda: None
    monkeypatch.setitem(sys.modules, "someones_package", module)


@pytest.mark.parametrize(("name", "kind"), [("raw", Raw), ("clay", CLAY), ("ip-composer", IPComposer)])
def test_built_in_methods_come_through_the_door(name, kind, data):
    resolved, factory = resolve_method(name)
    method = factory()
    assert resolved == name
    assert type(method) is kind
    assert isinstance(method, FeatureMethod)
    assert factory() is not method
    assert method.fit(*data) is method
    rows = method.transform(data[0])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-12)


def test_options_reach_the_constructor():
    assert resolve_method("clay", n_components=3, alignment="none")[1]().alignment == "none"
    with pytest.raises(InputError, match="does not take") as caught:
        resolve_method("raw", n_components=3)
    assert "n_components" in str(caught.value)


def test_a_class_by_its_path(plugin, data):
    name, factory = resolve_method("someones_package:Doubling", factor=3.0)
    assert name == "someones_package:Doubling"
    np.testing.assert_array_equal(factory().fit(*data).transform(data[0]), data[0] * 3)


def test_a_class_by_entry_point(plugin, monkeypatch):
    point = EntryPoint("doubling", "someones_package:Doubling", methods.ENTRY_POINTS)
    monkeypatch.setattr(
        methods, "entry_points", lambda group: [point] if group == methods.ENTRY_POINTS else []
    )
    assert set(method_names()) == {"doubling", *methods.BUILT_IN}
    assert isinstance(resolve_method("doubling")[1](), Doubling)


def test_unknown_name_gets_the_nearest():
    with pytest.raises(InputError, match="unknown method 'caly'") as caught:
        resolve_method("caly")
    assert "did you mean 'clay'?" in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["no_such_package_x:Thing", "someones_package:Missing", ":CLAY", "clay_eval:", "someones_package:number"],
)
def test_what_cannot_be_imported_is_an_input_error(plugin, spec):
    with pytest.raises(InputError):
        resolve_method(spec)


def test_a_class_of_another_shape_is_refused(plugin):
    with pytest.raises(InputError, match="not a feature method"):
        resolve_method("someones_package:NoTransform")
    with pytest.raises(InputError, match="not a feature method"):
        resolve_method("someones_package:make_nothing")[1]()


def test_description_holds_parameters_and_fitted_scalars(data):
    clay = CLAY(n_components=50).fit(*data)
    assert describe(clay) == {
        "n_components": 50,
        "alignment": "householder",
        "log_map": True,
        "mean": "normalised",
        "n_components_": 6,
        "explained_": pytest.approx(1.0),
    }
    assert describe(CLAY(4, log_map=False)) == {
        "n_components": 4,
        "alignment": "householder",
        "log_map": False,
        "mean": "normalised",
    }
    found = describe(Doubling(1.5).fit(*data))
    assert found == {"factor": 1.5, "seen_": 30}
    assert type(found["seen_"]) is int
    assert describe(Raw()) == describe(Raw().fit(*data)) == {}


def test_raw_is_the_plain_cosine(data):
    images, texts = data
    rows = Raw().fit(images, texts).transform(images)
    for i, j in ((0, 1), (3, 9)):
        cosine = images[i] @ images[j] / np.linalg.norm(images[i]) / np.linalg.norm(images[j])
        assert rows[i] @ rows[j] == pytest.approx(cosine)
    assert not Raw().fit(images, texts).transform(np.zeros((1, 12))).any()


def test_ip_composer_takes_as_many_directions_as_there_are(data):
    images, texts = data
    assert IPComposer().n_components == 30
    assert IPComposer(3).fit(images, texts).n_components_ == 3
    assert IPComposer().fit(images, texts).n_components_ == 7


class Control(Doubling):
    role = "control"


class NoRole(Doubling):
    role = "referee"


def test_what_a_method_is_stands_on_its_class():
    def facts(name):
        kind = import_target(method_names()[name])
        return methods.role_of(kind), is_ours(kind)

    found = {name: facts(name) for name in methods.BUILT_IN}
    controls = {"random-subspace", "other-condition", "complement"}
    assert {name for name, (role, _) in found.items() if role == "control"} == controls
    assert {name for name, (role, _) in found.items() if role == "privileged"} == {"supervised-lda"}
    assert {name for name, (_, ours) in found.items() if ours} == {
        *("clay-spectrum", "clay-values", "text-discriminant", "text-mixture")
    }
    assert set(methods.BUILT_IN) - set(methods.without_files()) == {"genecis-combiner"}


def test_roles_of_others_are_theirs_but_what_is_ours_is_not_inherited():
    class Built(import_target(method_names()["clay-values"])):
        pass

    assert (methods.role_of(Built), is_ours(Built)) == ("rival", False)
    assert methods.role_of(Control) == "control"
    with pytest.raises(InputError, match="NoRole has a role that there is not"):
        methods.role_of(NoRole)


class Dot(Doubling):
    similarity = "dot"


def test_a_similarity_that_there_is_not_is_refused():
    """It would be taken for the cosine without a word."""
    with pytest.raises(InputError, match="Dot has a similarity that there is not"):
        prepare_methods([f"{__name__}:Dot"])
