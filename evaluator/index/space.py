"""All pictures under a fitted method, and under it without the subspaces of other conditions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.support.linear import LinearMethod
from ..methods.support.protocol import FeatureMethod
from ..retrieval.spaces import mapped
from ..vectors.arrays import Float64Array, FloatArray
from .passes import Transform, mapped_rows, over_blocks
from .pictures import Pictures
from .removal import Removal, Subspaces

Fitted = FeatureMethod | LinearMethod
_LARGEST = 1 << 31


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
        if self.projection is None:
            return _mapped(
                self.pictures,
                self.fitted,
                lambda block, _: mapped(self.fitted, "transform", removal.rows(block)),
                removal,
            )
        vectors = subspaces.mapped(
            removal, self.projection, (self.vectors, self.lengths), self.pictures.lengths
        )
        return ConditionSpace(self.pictures, self.fitted, vectors, removal)

    @property
    def projection(self) -> Float64Array | None:
        """W (d, k) of a method that maps v to W^T v and no more; None for others."""
        fitted = self.fitted
        if not isinstance(fitted, LinearMethod) or hasattr(fitted, "transform_queries"):
            return None
        plain = type(fitted).transform is LinearMethod.transform and fitted.shift_ is None
        return fitted.projection_ if plain else None

    @cached_property
    def lengths(self) -> FloatArray:
        """|W^T v| (N,), float32, of a method that is one product."""
        assert self.projection is not None
        columns = self.projection.astype(self.pictures.features.dtype)
        lengths = np.empty(len(self.vectors), np.float32)

        def work(block: FloatArray, place: slice) -> None:
            rows = block @ columns
            lengths[place] = np.sqrt(np.vecdot(rows, rows))

        over_blocks(self.pictures.features, work)
        return lengths


def map_pictures(pictures: Pictures, fitted: Fitted) -> ConditionSpace:
    """Map all pictures by a fitted method: one pass; raises InputError where the vectors would take more than 2 GiB."""

    def transform(block: FloatArray, out: FloatArray | None) -> FloatArray:
        if type(fitted).transform is LinearMethod.transform and isinstance(fitted, LinearMethod):
            return fitted.transform(block, out)
        return mapped(fitted, "transform", block)

    return _mapped(pictures, fitted, transform, None)


def _mapped(
    pictures: Pictures,
    fitted: Fitted,
    transform: Transform,
    removal: Removal | None,
) -> ConditionSpace:
    features = pictures.features
    width = transform(features[:1], None).shape[1]
    if 4 * len(features) * width > _LARGEST:
        raise InputError(
            "the pictures' vectors under this condition would not fit into memory",
            where=type(fitted).__name__,
            expected=f"at most {_LARGEST // (4 * len(features))} numbers a picture, for {len(features)} pictures",
            found=width,
            hint="a method that projects, such as clay, keeps 50 numbers at most, however many values there are",
        )
    threads = None if isinstance(fitted, LinearMethod) else 1
    return ConditionSpace(pictures, fitted, mapped_rows(features, transform, width, threads=threads), removal)
