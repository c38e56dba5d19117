"""A study: what methods are run on, an entity's pictures and the texts of its conditions, encoded, with labels and split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText

from ..methods.support.specs import Method, uses_texts
from ..pictures.labelled import Labelled
from ..vectors.arrays import FloatArray, as_features, require_distinct
from .splits import Split


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """A condition's encoded texts: features (n, d), and for each text its parent's value (or None) and the value it
    names."""

    features: FloatArray
    parents: Sequence[str | None] | None = None
    values: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Extras:
    """What some methods ask for beyond images and texts of the conditions; made when a method asks.

    name: condition -> its encoded name (d,); generic: the encoded generic texts (g, d); logit_scale: the encoder's;
    weights: condition -> weight, 1 where it is not named.
    """

    name: Callable[[str], FloatArray] | None = None
    generic: Callable[[], FloatArray] | None = None
    logit_scale: Callable[[], float] = lambda: 100.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight(self, condition: str) -> float:
        """The weight of a condition."""
        return float(self.weights.get(condition, 1.0))


@dataclass(frozen=True, eq=False)
class Encoded:
    """Pictures and texts of an entity as vectors, all that a method is fitted on.

    features (N, d): the pictures; texts: condition -> its encoded texts.
    """

    features: FloatArray
    texts: Mapping[str, TextFeatures] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)


def _no_encoder(texts: Sequence[str]) -> FloatArray:
    raise InputError("there is no encoder for further texts", where="texts", found=list(texts)[:3])


@dataclass(frozen=True, eq=False, kw_only=True)
class Study(Encoded):
    """An entity ready for methods: its pictures and texts encoded, and what they are scored by.

    labelled: row i of `features` is of the image labelled.keys[i]; encoder: the name of what encoded them; split: replaces
    those that seeds draw; asked: the attributes that are asked for, None for all. items: condition -> its texts as they
    were written; encode: further texts (n) -> (n, d).

    >>> labelled = Labelled(["a", "b", "c"], {"color": ["red", "red", "blue"]}, entity="shoes")
    >>> Study(np.eye(3), {"color": TextFeatures(np.eye(3)[:2])}, labelled=labelled).conditions
    ('color',)
    """

    labelled: Labelled
    encoder: str = ""
    split: Split | None = None
    asked: tuple[str, ...] | None = None
    items: Mapping[str, Sequence[ConditionText]] = field(default_factory=dict)
    encode: Callable[[Sequence[str]], FloatArray] = _no_encoder

    @property
    def entity(self) -> str:
        """What the pictures show."""
        return self.labelled.entity

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes of the entity that are asked for: all of them, unless some were left out."""
        return tuple(self.labelled.labels) if self.asked is None else self.asked

    @property
    def has_texts(self) -> bool:
        """Whether any texts were encoded; none are where nothing looks at them."""
        return any(len(texts.features) for texts in self.texts.values())

    def checked(self, methods: Sequence[Method], conditions: set[str]) -> Study:
        """Return the study with checked features, and with the checked texts that `methods` look at under `conditions`.

        Raises InputError as `checked_features` and `check_texts` do.
        """
        features = checked_features(self.features, self.labelled)
        texts = check_texts(self.texts if uses_texts(methods) else None, conditions, features.shape[1])
        return replace(self, features=features, texts=texts)

    def encoded(self, items: Mapping[str, Sequence[ConditionText]]) -> dict[str, TextFeatures]:
        """Condition -> its texts, encoded; texts that stand under several conditions are encoded once."""
        distinct = list(dict.fromkeys(item.text for texts in items.values() for item in texts))
        rows = self.encode(distinct)
        place = {text: i for i, text in enumerate(distinct)}
        return {
            name: TextFeatures(
                rows[[place[item.text] for item in texts]],
                [item.parent for item in texts] if name in self.labelled.parents else None,
                [item.value for item in texts],
            )
            for name, texts in items.items()
        }


def checked_features(features: npt.ArrayLike, labelled: Labelled) -> FloatArray:
    """Return `features` (N, d) as floats.

    Raises InputError for features that are not finite, do not fit the labels, or are all equal.
    """
    array = as_features(features, "image features")
    if len(array) != len(labelled.keys):
        raise InputError(
            "features and labels do not have the same number of images",
            where="image features",
            expected=f"{len(labelled.keys)} rows",
            found=f"{len(array)} rows",
        )
    require_distinct(array, "image features")
    return array


def check_texts(
    texts: Mapping[str, TextFeatures] | None, conditions: set[str], width: int
) -> dict[str, TextFeatures]:
    """Return `texts` with checked features (n, width); raises InputError where one of `conditions` has none.

    None, for methods that use no texts, gives no text (0, width) for each condition.
    """
    if texts is None:
        return dict.fromkeys(conditions, TextFeatures(np.empty((0, width), np.float32)))
    if missing := sorted(conditions - set(texts)):
        raise InputError(
            f"no texts for the condition {missing[0]!r}",
            where="texts",
            expected=sorted(conditions),
            found=sorted(texts),
        )
    checked = {}
    for name, found in texts.items():
        features = as_features(found.features, f"text features of {name!r}", width=width)
        for what, items in (("parents", found.parents), ("values", found.values)):
            if items is not None and len(items) != len(features):
                raise InputError(
                    f"the texts of {name!r} and their {what} differ in number",
                    where="texts",
                    expected=f"{len(features)} {what}",
                    found=len(items),
                )
        checked[name] = TextFeatures(features, found.parents, found.values)
    return checked
