"""Image methods through the feature store: embedded once for each set of conditions, shard by shard, resumable.

>>> rows = embed_conditioned(source, method, ["color"], store, queries={"pets": ["s01", "s07"]})   # doctest: +SKIP
>>> rows["pets"].database.shape, rows["pets"].queries.shape                                        # doctest: +SKIP
((7349, 768), (2, 768))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from ...embedding.encoders.rows import UNKNOWN_LOGIT_SCALE, normalise_rows
from ...embedding.store import Engine, EntityFeatures, FeatureStore, embed
from ...pictures.labelled import ImageSource, Labelled, Unit
from ...vectors.arrays import as_floats
from .protocol import ImageMethod, check_fact

if TYPE_CHECKING:
    from PIL.Image import Image

Role = Literal["database", "queries"]


class ConditionedEncoder:
    """An image method and one set of conditions in the shape of an `Encoder`, for `features.embed`.

    role "queries" calls the method's `encode_queries`. Its identity holds the method's own, the conditions in their order
    and the role. Raises InputError for a method whose identity is not plain, or that has no `encode_queries` where it is
    asked for.
    """

    logit_scale = UNKNOWN_LOGIT_SCALE

    def __init__(self, method: ImageMethod, conditions: Sequence[str], role: Role = "database") -> None:
        self._method = method
        self._conditions = tuple(conditions)
        self._step = "encode_queries" if role == "queries" else "encode"
        if not callable(getattr(method, self._step, None)):
            raise InputError(f"{type(method).__name__} has no {self._step}")
        self._shrink: Any = getattr(method, "shrink", None)
        if callable(self._shrink):
            self.prepare, self.encode_prepared = self._prepare, self.encode_images
        own = dict(method.identity)
        if not own or not all(isinstance(key, str) and check_fact(value) for key, value in own.items()):
            raise InputError(
                "the identity of an image method is a mapping of names to texts, numbers and booleans",
                where=type(method).__name__,
                found=repr(own)[:200],
            )
        self._facts = {
            "library": "image method",
            "name": f"{own.get('name', type(method).__name__)} {'+'.join(self._conditions)}",
            "method": own,
            "conditions": list(self._conditions),
            "role": role,
            "demonstration": False,
        }

    @cached_property
    def dimension(self) -> int:
        """Number of columns of the features: the method's `dimension`, or that of a small picture's vector."""
        given = getattr(self._method, "dimension", None)
        if isinstance(given, int):
            return given
        from PIL import Image

        return int(self._rows([Image.new("RGB", (64, 64), "grey")]).shape[1])

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What the features depend on."""
        return {**self._facts, "dimension": self.dimension}

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        if not images:
            return np.empty((0, self.dimension), dtype=np.float32)
        return normalise_rows(self._rows(images))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Raises InputError: an image method has no vectors of texts."""
        raise InputError("an image method encodes no texts", where=str(self._facts["name"]))

    def _prepare(self, images: Sequence[Image]) -> list[Image]:
        return [self._shrink(image) for image in images]

    def _rows(self, images: Sequence[Image]) -> NDArray[np.floating[Any]]:
        name = f"{type(self._method).__name__}.{self._step}"
        rows = as_floats(getattr(self._method, self._step)(list(images), list(self._conditions)), name)
        if len(rows) != len(images):
            raise InputError(
                f"{name} does not return one row a picture", where=name, expected=len(images), found=len(rows)
            )
        return rows


class Selection:
    """Some pictures of a source, by entity and key, as a source of their own; whole units stay as they are.

    Entities that `keys` does not name, and units of which nothing is left, are left out.
    """

    def __init__(self, source: ImageSource, keys: Mapping[str, Collection[str]]) -> None:
        self._source = source
        wanted = {name: frozenset(keys[name]) for name in source.entities if name in keys}
        self._units: dict[str, Unit] = {}
        units = []
        for unit in source.units():
            kept = tuple(key for key in unit.keys if key in wanted.get(unit.entity, ()))
            if kept:
                own = fingerprint({"unit": unit.sha256, "keys": list(kept)})
                units.append(unit if kept == unit.keys else replace(unit, sha256=own, keys=kept))
                self._units[unit.name] = unit
        self._selected = tuple(units)
        self.entities: Mapping[str, Labelled] = {
            name: _labels_of(source.entities[name], chosen) for name, chosen in wanted.items()
        }
        self.fingerprint: str = fingerprint({unit.name: unit.sha256 for unit in units})

    def units(self) -> tuple[Unit, ...]:
        """The units that hold some of the pictures, with these alone."""
        return self._selected

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture) of the unit's kept pictures."""
        wanted = set(unit.keys)
        return (item for item in self._source.images(self._units[unit.name]) if item[0] in wanted)


def _labels_of(labels: Labelled, wanted: Collection[str]) -> Labelled:
    rows = [row for row, key in enumerate(labels.keys) if key in wanted]
    columns = {name: tuple(values[row] for row in rows) for name, values in labels.labels.items()}
    return replace(labels, keys=tuple(labels.keys[row] for row in rows), labels=columns)


@dataclass(frozen=True)
class ConditionedFeatures:
    """An entity's vectors for one set of conditions: unit rows of all its pictures (N, k), and of its queries (Q, k).

    queries belongs to `query_keys`, in the order of the entity's keys; None for a method that treats all pictures alike.
    """

    keys: Sequence[str]
    database: NDArray[np.floating[Any]]
    query_keys: Sequence[str] = ()
    queries: NDArray[np.floating[Any]] | None = None


def embed_conditioned(
    source: ImageSource,
    method: ImageMethod,
    conditions: Sequence[str],
    store: FeatureStore,
    *,
    batch_size: int = 64,
    queries: Mapping[str, Collection[str]] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    engine: Engine | None = None,
) -> dict[str, ConditionedFeatures]:
    """Entity -> vectors of its pictures for `conditions`; what the store has is not computed again.

    queries: entity -> keys of its queries, which methods with
    `encode_queries` encode in their own way. progress and engine as in `embed`; the engine is used for all pictures,
    queries are encoded here. Raises as `embed` and `FeatureStore.load` do.
    """
    encoder = ConditionedEncoder(method, conditions)
    store.remember(encoder, {"name": encoder.identity["name"]})
    embed(source, encoder, store, batch_size, progress, engine)
    found = store.load(source, encoder.identity)
    asked: dict[str, EntityFeatures] = {}
    if queries is not None and callable(getattr(method, "encode_queries", None)):
        some = Selection(source, queries)
        other = ConditionedEncoder(method, conditions, "queries")
        store.remember(other, {"name": other.identity["name"], "role": "queries"})
        embed(some, other, store, batch_size)
        asked = _load_some(some, other, store)
    return {
        name: ConditionedFeatures(
            features.keys,
            features.matrix,
            asked[name].keys if name in asked else (),
            asked[name].matrix if name in asked else None,
        )
        for name, features in found.items()
    }


def _load_some(
    selection: Selection, encoder: ConditionedEncoder, store: FeatureStore
) -> dict[str, EntityFeatures]:
    """`FeatureStore.load`, for entities that may have no picture in the selection."""
    rows: dict[str, list[NDArray[np.float32]]] = {
        name: [np.empty((0, encoder.dimension), np.float32)] for name in selection.entities
    }
    for unit in selection.units():
        features = store.read_unit(encoder.identity, unit)
        if features is None:
            raise InputError(
                f"no up-to-date features of {unit.name}", where=store.unit_path(encoder.identity, unit)
            )
        rows[unit.entity].append(features)
    return {
        name: EntityFeatures(labels.keys, np.concatenate(rows[name]))
        for name, labels in selection.entities.items()
    }
