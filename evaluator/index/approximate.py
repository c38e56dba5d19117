"""An approximate index of the conditional vectors by FAISS, for collections in which even one look at each is too slow.

The vectors under a condition are parted by k-means into about 4 sqrt(N) lists (IVF), and a query looks into the few lists
that are nearest to it. How many is measured: the fewest with which pictures drawn from the collection find the share
`recall` of their ten nearest. Of several conditions whose similarities are summed, the lists are those of the vectors side
by side, and a query's parts are scaled by the weights: one approximate index serves all weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import FloatArray
from ..vectors.fusion import shares
from .nearest import Neighbour, Query
from .weighing import parse_weights

_FEWEST = 1000
_DRAWN = 256
_TRAINING = 64
_MEASURED_AT = 10
_ADDED_AT_ONCE = 65_536


class Collection(Protocol):
    """What is asked of an index: vectors of pictures and of queries, condition by condition."""

    @property
    def keys(self) -> Sequence[str]:
        """The pictures' names, in order of row."""
        ...

    def row(self, key: str) -> int:
        """The row of a picture."""
        ...

    def vectors(self, condition: str) -> FloatArray:
        """(N, k), float32."""
        ...

    def transform(self, condition: str, query: Query) -> FloatArray:
        """(1, k), float32, of a query."""
        ...


class ApproximateIndex:
    """An IVF index over the vectors of a collection under some conditions, whose weighted mean is the similarity.

    lists: how many; probes: how many of them a query looks into; recall_: at ten, as measured on pictures of the collection.

    Raises InputError where FAISS is not installed, for fewer than 1000 pictures, and for a recall outside (0, 1].
    """

    def __init__(
        self, collection: Collection, names: Sequence[str], recall: float = 0.95, random_state: int = 0
    ) -> None:
        if find_spec("faiss") is None:
            raise InputError(
                "FAISS is not installed", where="approximate", hint="pip install 'clay-eval[faiss]'"
            )
        parts = [collection.vectors(name) for name in names]
        count = len(collection.keys)
        if count < _FEWEST:
            raise InputError(
                "too few pictures for an approximate index",
                where="approximate",
                expected=f"{_FEWEST} or more",
                found=count,
                hint="the exact query is fast for so few",
            )
        if not 0 < recall <= 1:
            raise InputError("not a recall", where="recall", expected="above 0, at most 1", found=recall)
        self._collection, self.names, self.lists = collection, tuple(names), int(4 * np.sqrt(count))
        draw = np.random.default_rng(random_state)
        self._index = _built(parts, self.lists, draw)
        rows = np.sort(draw.choice(count, min(_DRAWN, count), replace=False))
        self.probes, self.recall_ = self._tuned(
            np.concatenate([part[rows] for part in parts], axis=1), parts, recall
        )
        self._index.nprobe = self.probes

    def query(
        self, query: Query, weights: Mapping[str, float] | None = None, top: int = 20
    ) -> list[Neighbour]:
        """Return about the `top` most similar pictures, best first, as the exact query does.

        weights: condition -> its weight, 0 or more; all alike if None. Raises InputError for other conditions and weights,
        and as the exact query does.
        """
        shares = self._shares(weights)
        parts = [
            self._collection.transform(name, query)[0] * np.float32(share)
            for name, share in zip(self.names, shares, strict=True)
        ]
        own = self._collection.row(query) if isinstance(query, str) else None
        scores, rows = self._index.search(np.concatenate(parts)[None], top + (own is not None))
        found = [
            Neighbour(self._collection.keys[row], row, score)
            for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True)
            if row >= 0 and row != own
        ]
        return sorted(found, key=lambda one: (-one.similarity, one.row))[:top]

    def _shares(self, weights: Mapping[str, float] | None) -> list[float]:
        parsed = parse_weights(dict.fromkeys(self.names, 1.0) if weights is None else weights, self.names)
        if parsed.removed or not parsed.counted:
            raise InputError(
                "an approximate index knows no weights below 0, and needs one above",
                where="weights",
                expected=f"weights of {list(self.names)}",
                found=weights,
                hint="ask the exact index",
            )
        given = dict(zip(parsed.names, shares([w for _, w in parsed.counted]).tolist(), strict=True))
        return [given.get(name, 0.0) for name in self.names]

    def _tuned(self, queries: FloatArray, parts: Sequence[FloatArray], recall: float) -> tuple[int, float]:
        """The fewest probes with that recall at ten, doubling, then between; all lists have it by themselves."""
        import faiss

        whole = np.concatenate(list(parts), axis=1) if len(parts) > 1 else parts[0]
        _, truth = faiss.knn(
            queries, np.ascontiguousarray(whole), _MEASURED_AT, metric=faiss.METRIC_INNER_PRODUCT
        )

        def measured(probes: int) -> float:
            self._index.nprobe = probes
            _, rows = self._index.search(queries, _MEASURED_AT)
            return float(
                np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(truth, rows, strict=True)])
            )

        low, high = 0, 1
        while high < self.lists and measured(high) < recall:
            low, high = high, min(2 * high, self.lists)
        while high - low > max(1, low // 8):
            middle = (low + high) // 2
            low, high = (low, middle) if measured(middle) >= recall else (middle, high)
        return high, measured(high)


def _built(parts: Sequence[FloatArray], lists: int, draw: np.random.Generator) -> Any:
    import faiss

    count, width = len(parts[0]), sum(part.shape[1] for part in parts)
    quantizer = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFFlat(quantizer, width, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = int(draw.integers(1 << 31))
    rows = np.sort(draw.choice(count, min(_TRAINING * lists, count), replace=False))
    index.train(np.concatenate([part[rows] for part in parts], axis=1))
    for start in range(0, count, _ADDED_AT_ONCE):
        block = [part[start : start + _ADDED_AT_ONCE] for part in parts]
        index.add(np.concatenate(block, axis=1))
    return index
