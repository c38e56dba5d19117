"""Methods that embed the pictures anew for every set of conditions, in the shape in which the engine runs methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from clay_eval.schemas.errors import InputError

from ..embedding.store import FeatureStore
from ..methods.images.conditioned import Selection, embed_conditioned
from ..methods.images.protocol import ImageMethod
from ..methods.images.registry import load_image_method
from ..methods.support.protocol import is_ours, role_of
from ..methods.support.specs import Features, Method, MethodSpec
from ..pictures.labelled import ImageSource
from ..vectors.arrays import FloatArray
from ..vectors.fusion import STACK


def image_methods(
    source: ImageSource, store: FeatureStore, runtime: Mapping[str, Any]
) -> Callable[[MethodSpec], Method]:
    """Return what makes a `Method` of an image method's spec; vectors are kept in `store`, a file a shard and set of
    conditions.

    runtime: device, precision and batch_size.
    """

    def prepare(spec: MethodSpec) -> Method:
        if spec.fusion not in (None, STACK):
            raise InputError(
                f"{spec.name} is asked for all conditions at once, so there is nothing to join",
                where=str(spec),
                hint="leave fusion out",
            )
        method = load_image_method(spec.name, runtime=dict(runtime), **spec.parameters)
        return Method(
            name=str(spec),
            factory=_not_fitted,
            target=f"{type(method).__module__}:{type(method).__qualname__}",
            uses_texts=False,
            identity=dict(method.identity),
            role=role_of(method),
            ours=is_ours(method),
            made=method,
            embedder=lambda entity: _features(source, store, method, entity, int(runtime["batch_size"])),
        )

    return prepare


def _not_fitted() -> NoReturn:
    raise InputError("this method embeds pictures: nothing is fitted", where="method")


def _features(
    source: ImageSource, store: FeatureStore, method: ImageMethod, entity: str, batch_size: int
) -> Features:
    keys = {entity: source.entities[entity].keys}
    pictured = Selection(source, keys)
    asks = callable(getattr(method, "encode_queries", None))

    @lru_cache(maxsize=1)
    def features(conditions: tuple[str, ...]) -> FloatArray | tuple[FloatArray, FloatArray]:
        found = embed_conditioned(
            pictured,
            method,
            conditions,
            store,
            batch_size=batch_size,
            queries=keys if asks else None,
        )[entity]
        return found.database if found.queries is None else (found.queries, found.database)

    return features
