"""What a feature method must offer. Nothing needs to be imported from here: any class of this shape will do."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from clay_eval.schemas.errors import InputError

from ..arrays import FloatArray

Scalar = str | int | float | bool | None


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


def describe(method: object) -> dict[str, Scalar]:
    """Return the constructor's parameters of `method`, and its fitted attributes that are single values."""
    names = [name for name in inspect.signature(type(method)).parameters if hasattr(method, name)]
    fitted = [
        name for name in getattr(method, "__dict__", {}) if name.endswith("_") and not name.startswith("_")
    ]
    values = {name: _scalar(getattr(method, name)) for name in names + fitted}
    return {name: value for name, value in values.items() if value is not NotImplemented}


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return value if value is None or isinstance(value, str | int | float | bool) else NotImplemented


def checked_components(n_components: object) -> int:
    """Return `n_components` as an int; raises InputError unless it is an integer of 1 or more."""
    if isinstance(n_components, bool) or not isinstance(n_components, int | np.integer) or n_components < 1:
        raise InputError(
            "n_components must be a positive integer",
            where="n_components",
            expected="1 or more",
            found=repr(n_components),
        )
    return int(n_components)
