"""The door to methods: built-in names, entry points of other packages, and `package.module:Class`.

>>> name, factory = resolve_method("clay", n_components=20)
>>> name, factory().n_components
('clay', 20)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

from .importing import import_target
from .protocol import ASKABLE, NEEDS, FeatureMethod, asked_names, describe, is_privileged, needs_of, role_of

__all__ = [
    "ASKABLE",
    "BUILT_IN",
    "ENTRY_POINTS",
    "NEEDS",
    "FeatureMethod",
    "MethodFactory",
    "asked_names",
    "default_of",
    "describe",
    "is_privileged",
    "method_names",
    "needs_of",
    "resolve_method",
    "role_of",
    "without_files",
]

MethodFactory = Callable[[], FeatureMethod]

ENTRY_POINTS = "clay_eval.methods"
BUILT_IN = {
    "raw": "clay_eval.evaluator.methods.raw:Raw",
    "centred": "clay_eval.evaluator.methods.centred:Centred",
    "whitened": "clay_eval.evaluator.methods.whitened:Whitened",
    "pca": "clay_eval.evaluator.methods.pca:PCA",
    "ip-composer": "clay_eval.evaluator.methods.ip_composer:IPComposer",
    "text-pca": "clay_eval.evaluator.methods.text_pca:TextPCA",
    "text-pca-centred": "clay_eval.evaluator.methods.text_pca:TextPCACentred",
    "clay": "clay_eval.evaluator.methods.clay:CLAY",
    "crl": "clay_eval.evaluator.methods.crl:CRL",
    "crl-centred": "clay_eval.evaluator.methods.crl:CRLCentred",
    "label-posterior": "clay_eval.evaluator.methods.label_posterior:LabelPosterior",
    "genecis-combiner": "clay_eval.evaluator.methods.genecis_combiner:GeneCISCombiner",
    "image-text": "clay_eval.evaluator.methods.image_text:ImageText",
    "asymmetric": "clay_eval.evaluator.methods.asymmetric:Asymmetric",
    "pca-generic": "clay_eval.evaluator.methods.pca_generic:PCAGeneric",
    "random-subspace": "clay_eval.evaluator.methods.controls:RandomSubspace",
    "other-condition": "clay_eval.evaluator.methods.controls:OtherCondition",
    "complement": "clay_eval.evaluator.methods.controls:Complement",
    "supervised-lda": "clay_eval.evaluator.methods.supervised_lda:SupervisedLDA",
    "clay-spectrum": "clay_eval.evaluator.methods.clay_spectrum:CLAYSpectrum",
    "clay-values": "clay_eval.evaluator.methods.clay_values:CLAYValues",
    "text-discriminant": "clay_eval.evaluator.methods.text_discriminant:TextDiscriminant",
    "text-mixture": "clay_eval.evaluator.methods.text_mixture:TextMixture",
    "indirect": "clay_eval.evaluator.methods.indirect:InDiReCT",
}


def method_names() -> dict[str, str]:
    """Every method with a short name, built in or from an entry point, with its `package.module:Class`."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)} | BUILT_IN


def without_files() -> list[str]:
    """The names of the built-in methods that need no file of the user's; their classes are imported."""
    return [
        name for name, target in BUILT_IN.items() if not getattr(import_target(target), "needs_file", False)
    ]


def resolve_method(spec: str, **options: object) -> tuple[str, MethodFactory]:
    """Return the name of a method and a factory of fresh, unfitted instances with `options`.

    `spec` is a short name (`method_names`) or `package.module:Class`; the class is imported here.

    Raises InputError for an unknown name (with the nearest one), a class that cannot be imported or lacks
    fit and transform, and options that its constructor does not take.
    """
    target, maker = _target(spec), method_class(spec)
    try:
        inspect.signature(maker).bind(**options)
    except TypeError as error:
        raise InputError(
            f"the method {spec!r} does not take these options",
            where="method options",
            expected=f"{spec}{inspect.signature(maker)}",
            found=f"{options} ({error})",
        ) from error

    def factory() -> FeatureMethod:
        method = maker(**options)
        if not isinstance(method, FeatureMethod):
            raise _shape_error(target, type(method).__name__)
        return method

    return spec, factory


def method_class(spec: str) -> Callable[..., Any]:
    """Return the class of a method, imported here; `spec` and errors as for `resolve_method`."""
    return _load(_target(spec))


def _target(spec: str) -> str:
    target = spec if ":" in spec else BUILT_IN.get(spec) or method_names().get(spec)
    if target is None:
        raise InputError(
            f"unknown method {spec!r}",
            where="method",
            expected=f"one of {sorted(method_names())}, or package.module:Class",
            found=repr(spec),
            hint=did_you_mean(nearest(spec, method_names())),
        )
    return target


def default_of(spec: str, parameter: str) -> tuple[bool, Any]:
    """Return whether a method takes `parameter` by name, and its default; `spec` as for `resolve_method`."""
    found = inspect.signature(method_class(spec)).parameters.get(parameter)
    named = found is not None and found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD)
    return named, found.default if found is not None and named else None


def _load(target: str) -> Callable[..., Any]:
    found = import_target(target)
    if not callable(found) or (isinstance(found, type) and not issubclass(found, FeatureMethod)):
        raise _shape_error(target, getattr(found, "__name__", type(found).__name__))
    return found  # type: ignore[no-any-return]


def _shape_error(target: str, found: str) -> InputError:
    return InputError(
        f"{target!r} is not a feature method",
        where="method",
        expected="a class with fit(database_features, text_features) and transform(features)",
        found=found,
    )
