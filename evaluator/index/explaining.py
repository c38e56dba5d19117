"""What a picture shows by a condition's texts: the chance of each value that they name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.label_posterior import LabelPosterior
from ..methods.text_mixture import TextMixture
from ..retrieval.study import Extras, TextFeatures
from ..vectors.arrays import Float64Array, FloatArray


@dataclass(frozen=True)
class ValueChance:
    """The chance that a picture shows a value; None: one that no text names."""

    value: str | None
    chance: float


def chances_of(
    fitted: object, texts: TextFeatures, condition: str, picture: FloatArray, extras: Extras
) -> list[ValueChance]:
    """Return the values of a condition with their chances for `picture` (1, d), highest first; they sum to 1.

    By the posterior of `fitted` where it has one, else by `LabelPosterior`. Raises InputError where the texts' values are
    not known.
    """
    if texts.values is None:
        raise InputError(
            "the texts of this condition do not say which values they name",
            where=f"condition {condition!r}",
            expected="values, one a text",
            hint="add the condition with values=[...]",
        )
    names = list(dict.fromkeys(texts.values))
    if isinstance(fitted, TextMixture | LabelPosterior):
        posterior: Float64Array = fitted.posterior(picture)[0].astype(np.float64)
    else:
        zero_shot = LabelPosterior().fit(
            picture, texts.features, texts.values, logit_scale=extras.logit_scale()
        )
        posterior = zero_shot.posterior(picture)[0].astype(np.float64)
    found = [ValueChance(name, float(chance)) for name, chance in zip(names, posterior, strict=False)]
    if len(posterior) > len(names):
        found.append(ValueChance(None, float(posterior[len(names) :].sum())))
    return sorted(found, key=lambda one: -one.chance)
