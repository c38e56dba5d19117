"""What a feature method must offer. Nothing needs to be imported from here: any class of this shape will do.

What `fit` needs beyond the two arrays it asks for by the name of a further parameter, as tests ask for fixtures:
`def fit(self, database_features, text_features, text_values, logit_scale=100.0)` gets the texts' values and the
encoder's scale. `ASKABLE` lists the names. Optional, for methods that treat queries otherwise than database images:
`transform_queries(features (M, d)) -> (M, k)`.

Facts that a class may state: `needs`, a name of `NEEDS`; `similarity = "inner"` where rows are compared by inner product and
not by cosine; `fusion`, how several conditions meet where the user does not say (see `fusion`; "stack" by default);
`role = "control"` for what is no rival but shows what a number means; `needs_file = True` where no instance can be made
without a file of the user's; `takes_components = True` where `n_components` is the user's to settle for all such methods
(`--n-components`); `ours = True` for methods that this project made up. The last two count in the class itself and are not
inherited.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from clay_eval.schemas.errors import InputError

from ...vectors.arrays import FloatArray

Scalar = str | int | float | bool | None

ASKABLE: Mapping[str, str] = MappingProxyType(
    {
        "text_values": "list of n str: the value that each text names",
        "text_conditions": "list of n str: the condition that each text belongs to, several when conditions are stacked",
        "text_weights": "float64 (n,): the weight of each text's condition, all 1 unless the user gave weights",
        "condition_features": "float (c, d): the encoded names of the asked conditions themselves",
        "other_text_features": "float (m, d): texts of the entity's conditions that are not asked for",
        "generic_features": "float (g, d): encoded texts 'a photo of a X' of everyday things, whatever the condition",
        "logit_scale": "float: the encoder's learnt scale, 100.0 where it is unknown",
        "database_labels": "int64 (N,), privileged: equal where two database images are alike in the asked conditions",
    }
)
"""What `fit` may ask for, with what it then gets."""

NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "texts": "images and texts only",
        "values": "the values that texts name",
        "labels": "labels of images (privileged)",
    }
)
"""What a method is told, least first. A class says it by `needs`; by default it follows from what `fit` asks for."""

RIVAL, CONTROL, PRIVILEGED = "rival", "control", "privileged"
"""What a method is in a comparison: see `role_of`."""
COSINE, INNER = "cosine", "inner"
"""How rows are compared: a class says it by `similarity`."""

_PRIVILEGED = "database_labels"
_VALUES = "text_values"


class NotApplicableError(InputError):
    """A method has no meaning for a set of conditions, or for so little data; this is no fault of it."""


@runtime_checkable
class FeatureMethod(Protocol):
    """Fixed image vectors in, vectors for one condition out; similarity is the cosine of the latter.

    Arguments of the constructor are kept under their own names, and what `fit` learns under names that end in
    an underscore, as in scikit-learn: this is what a report shows.
    """

    def fit(self, database_features: FloatArray, text_features: FloatArray) -> Self:
        """Learn from the database's images (N, d) and the texts of the conditions (n, d); return self."""
        ...

    def transform(self, features: FloatArray) -> FloatArray:
        """Map images (M, d) to conditional features (M, k)."""
        ...


def asked_names(method: object) -> tuple[str, ...]:
    """Return the names of `ASKABLE` that `fit` of `method`, an instance or a class, has as further parameters.

    The first two parameters are the arrays, whatever they are called. Further ones with a default that are not
    askable keep their default; `*args` and `**kwargs` get nothing.

    Raises InputError for a required parameter that is not askable, or that cannot be passed by name, and for a fit
    that does not take the two arrays.
    """
    kind = method if isinstance(method, type) else type(method)
    parameters = _fit_parameters(method)
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    positional = [p for p in named if p.kind is not p.KEYWORD_ONLY]
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(positional) < 2 and not takes_all:
        raise _fit_error(
            kind, "fit must take two arrays", "fit(self, database_features, text_features, ...)", parameters
        )
    further = [p for p in named if p not in positional[:2]]
    for parameter in further:
        required = parameter.default is parameter.empty
        if required and (parameter.name not in ASKABLE or parameter.kind is parameter.POSITIONAL_ONLY):
            raise _fit_error(
                kind,
                f"fit asks for {parameter.name!r}, which nothing can answer",
                f"further parameters of these names, or with a default: {', '.join(ASKABLE)}",
                parameters,
            )
    return tuple(p.name for p in further if p.name in ASKABLE and p.kind is not p.POSITIONAL_ONLY)


def needs_of(method: object) -> str:
    """Return what `method`, an instance or a class, is told: a name of `NEEDS`.

    What `fit` asks for, or what the class says by `needs`, whichever is more; `privileged = True` says "labels".

    Raises InputError for `needs` of another name.
    """
    names = asked_names(method)
    said = _declared(method, "needs", tuple(NEEDS), "needs something that there is not")
    sees_labels = bool(getattr(method, "privileged", False)) or _PRIVILEGED in names
    asked = "labels" if sees_labels else "values" if _VALUES in names else "texts"
    return max(said, asked, key=list(NEEDS).index)


def is_privileged(method: object) -> bool:
    """Whether `method`, an instance or a class, sees labels of images: see `needs_of`."""
    return needs_of(method) == "labels"


def role_of(method: object) -> str:
    """Return RIVAL, CONTROL or PRIVILEGED: what a class says by `role`, unless it sees labels of images.

    An image method, which has no `fit`, sees none. Raises InputError for another role, and as `needs_of`.
    """
    if callable(getattr(method, "fit", None)) and is_privileged(method):
        return PRIVILEGED
    return _declared(method, "role", (RIVAL, CONTROL), "has a role that there is not")


def require_similarity(method: object) -> None:
    """Raise InputError where `method`, an instance or a class, has rows compared in a way that there is not."""
    _declared(method, "similarity", (COSINE, INNER), "has a similarity that there is not")


def _declared(method: object, name: str, known: tuple[str, ...], fault: str) -> str:
    """What a class, or that of an instance, says by attribute `name`: one of `known`, the first where it says nothing."""
    said = getattr(method, name, known[0])
    if said not in known:
        kind = method if isinstance(method, type) else type(method)
        raise InputError(
            f"{kind.__name__} {fault}",
            where=f"{kind.__module__}.{kind.__qualname__}.{name}",
            expected=" or ".join(map(repr, known)),
            found=repr(said),
        )
    return str(said)


def is_ours(method: object) -> bool:
    """Whether a class, or that of an instance, says by itself that this project made it up: a class built on it is not."""
    kind = method if isinstance(method, type) else type(method)
    return vars(kind).get("ours") is True


def takes_components(method: object) -> bool:
    """Whether a class says by itself that `n_components` comes from the user's settings: a class built on it does not."""
    return vars(method).get("takes_components") is True


def describe(method: object) -> dict[str, Scalar]:
    """Return the constructor's parameters of `method`, and its fitted attributes that are single values."""
    names = [name for name in inspect.signature(type(method)).parameters if hasattr(method, name)]
    fitted = [
        name for name in getattr(method, "__dict__", {}) if name.endswith("_") and not name.startswith("_")
    ]
    values = {name: _scalar(getattr(method, name)) for name in names}
    learnt = {name: _scalar(getattr(method, name)) for name in fitted if getattr(method, name) is not None}
    return {name: value for name, value in (values | learnt).items() if value is not NotImplemented}


def _fit_parameters(method: object) -> list[inspect.Parameter]:
    fit: Callable[..., Any] = getattr(method, "fit")  # noqa: B009  (object has no such attribute)
    parameters = list(inspect.signature(fit).parameters.values())
    unbound = isinstance(method, type) and inspect.isfunction(inspect.getattr_static(method, "fit"))
    return (
        parameters[1:]
        if unbound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL
        else parameters
    )


def _fit_error(kind: type, what: str, expected: str, parameters: list[inspect.Parameter]) -> InputError:
    return InputError(
        f"{kind.__name__}: {what}",
        where=f"{kind.__module__}.{kind.__qualname__}.fit",
        expected=expected,
        found=f"fit({', '.join(map(str, parameters))})",
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, str | int | float | bool) else NotImplemented
