"""Where an evaluation's vectors come from: an encoder with its feature store, or files made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from clay_eval.schemas.texts import ConditionTexts

from ..embedding.encoders import Encoder
from ..embedding.given import GivenStore
from ..embedding.store import EntityFeatures, FeatureStore
from ..methods.support.generic import generic_texts
from ..methods.support.specs import Method, uses_texts
from ..pictures.labelled import ImageSource
from ..pictures.notes import notes_of
from ..vectors.arrays import FloatArray
from .study import Extras, TextFeatures


class FeatureSource(Protocol):
    """Vectors of pictures and texts in one space."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the vectors depend on, with `name` and `demonstration`; part of a report's inputs."""
        ...

    def images(self, source: ImageSource) -> Mapping[str, EntityFeatures]:
        """The vectors of all pictures, entity by entity, in the order of its keys."""
        ...

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """(n, d) vectors of texts."""
        ...

    def logit_scale(self) -> float:
        """The factor that the model learnt for its cosines."""
        ...


class StoredFeatures:
    """Vectors in a feature store, or given in files; the encoder is used for texts that the store lacks."""

    def __init__(self, store: FeatureStore | GivenStore, encoder: Encoder) -> None:
        self._store, self._encoder = store, encoder

    @property
    def identity(self) -> Mapping[str, Any]:
        """The encoder's."""
        return self._encoder.identity

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of files that were given, once the pictures' vectors were read."""
        return notes_of(self._store)

    def images(self, source: ImageSource) -> Mapping[str, EntityFeatures]:
        """As `FeatureStore.load`."""
        return self._store.load(source, self._encoder.identity)

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """As `FeatureStore.text_features`."""
        return self._store.text_features(texts, self._encoder)

    def logit_scale(self) -> float:
        """The encoder's; a model that was not needed so far is loaded for it."""
        return self._encoder.logit_scale


def condition_features(
    texts: ConditionTexts,
    conditions: Iterable[str],
    parents: Mapping[str, str],
    feature_source: FeatureSource,
) -> dict[str, TextFeatures]:
    """Condition -> its encoded texts with the values they name and, where it has a parent, the parent's values."""
    encoded = {}
    for condition in conditions:
        items = texts.condition(condition)
        of = [item.parent for item in items] if condition in parents else None
        features = feature_source.texts([item.text for item in items])
        encoded[condition] = TextFeatures(features, of, [item.value for item in items])
    return encoded


def needed_texts(
    texts: Mapping[str, ConditionTexts], conditions: Mapping[str, Iterable[str]], methods: Sequence[Method]
) -> list[str]:
    """All texts that `methods` may ask for under `conditions` (entity -> names): of these conditions as far as any method
    looks at them, the conditions' names, generic ones; each once, in order."""
    asked = {name for method in methods for name in method.asks}
    pairs = [(entity, condition) for entity, names in conditions.items() for condition in names]
    found = [
        item.text
        for entity, condition in (pairs if uses_texts(methods) else ())
        for item in texts[entity].condition(condition)
    ]
    if "condition_features" in asked:
        found += [condition_name(condition) for _, condition in pairs]
    return list(dict.fromkeys(found + (generic_texts() if "generic_features" in asked else [])))


def condition_name(condition: str) -> str:
    """The name of a condition as a text."""
    return condition.replace("_", " ")


def extras(feature_source: FeatureSource, weights: Mapping[str, float]) -> Extras:
    """What methods may ask for beyond images and texts, made by `feature_source` when they do."""

    return Extras(
        name=lambda condition: feature_source.texts([condition_name(condition)])[0],
        generic=lambda: feature_source.texts(generic_texts()),
        logit_scale=feature_source.logit_scale,
        weights=weights,
    )
