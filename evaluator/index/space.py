"""All pictures under a fitted method, and under it without the subspaces of other conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.support.linear import LinearMethod
from ..methods.support.protocol import FeatureMethod
from ..retrieval.spaces import mapped
from ..vectors.arrays import Float64Array, FloatArray
from .passes import mapped_rows, over_blocks
from .pictures import Pictures
from .removal import Removal, Subspaces

Fitted = FeatureMethod | LinearMethod
_LARGEST = 1 << 32


@dataclass(frozen=True, eq=False)
class ConditionSpace:
    """A fitted method with the pictures' vectors (N, k), float32, whose products with a query's are similarities.

    removal: what is taken out of pictures and queries before the method maps them.
    """

    pictures: Pictures
    fitted: Fitted
    vectors: FloatArray
    removal: Removal | None = None

    def queries(self, features: FloatArray) -> FloatArray:
        """The vectors (M, k), float32, of queries (M, d)."""
        rows = features if self.removal is None else self.removal.rows(features)
        step = "transform_queries" if hasattr(self.fitted, "transform_queries") else "transform"
        return mapped(self.fitted, step, rows).astype(np.float32, copy=False)

    def scores(self, query: FloatArray) -> FloatArray:
        """The similarities (N,) to one query (1, d)."""
        return np.asarray(self.vectors @ self.queries(query)[0])

    def without(self, subspaces: Subspaces, removal: Removal) -> ConditionSpace:
        """The pictures without what `removal` takes out.

        Of a method that is one product, from the vectors that are there; of others by a pass over the pictures.
        """
        projection = _one_product(self.fitted)
        if projection is None:
            return _mapped(
                self.pictures,
                self.fitted,
                lambda block: mapped(self.fitted, "transform", removal.rows(block)),
                removal,
            )
        vectors = subspaces.mapped(removal, projection, (self.vectors, self._lengths), self.pictures.lengths)
        return ConditionSpace(self.pictures, self.fitted, vectors, removal)

    @cached_property
    def _lengths(self) -> FloatArray:
        """|W^T v| (N,), of a method that is one product."""
        projection = _one_product(self.fitted)
        assert projection is not None
        columns = projection.astype(self.pictures.features.dtype)
        lengths = np.empty(len(self.vectors), np.float32)

        def work(block: FloatArray, place: slice) -> None:
            rows = block @ columns
            lengths[place] = np.sqrt(np.vecdot(rows, rows))

        over_blocks(self.pictures.features, work)
        return lengths


def map_pictures(pictures: Pictures, fitted: Fitted) -> ConditionSpace:
    """Map all pictures by a fitted method: one pass; raises InputError where the vectors would take more than 4 GiB."""
    return _mapped(pictures, fitted, lambda block: mapped(fitted, "transform", block), None)


def _mapped(
    pictures: Pictures,
    fitted: Fitted,
    transform: Callable[[FloatArray], FloatArray],
    removal: Removal | None,
) -> ConditionSpace:
    features = pictures.features
    width = transform(features[:1]).shape[1]
    if 4 * len(features) * width > _LARGEST:
        raise InputError(
            "the pictures' vectors under this condition would not fit into memory",
            where=type(fitted).__name__,
            expected=f"at most {_LARGEST // (4 * len(features))} numbers a picture, for {len(features)} pictures",
            found=width,
            hint="a method that projects, such as clay, keeps 50 numbers at most, however many values there are",
        )
    threads = None if isinstance(fitted, LinearMethod) else 1
    return ConditionSpace(pictures, fitted, mapped_rows(features, transform, threads=threads), removal)


def _one_product(fitted: Fitted) -> Float64Array | None:
    """W (d, k) of a method that maps v to W^T v and nothing else; None for others."""
    plain = isinstance(fitted, LinearMethod) and type(fitted).transform is LinearMethod.transform
    return (
        fitted.projection_ if isinstance(fitted, LinearMethod) and plain and fitted.shift_ is None else None
    )
