"""Every measure on a torch device: products, sorts and ties there, only the values come back.

A sort by falling score gives each row's order. Ties are runs of equal scores; with c items above, m items and r
relevant ones in its run, each position of the run is relevant with probability r / m, and given that, the j-th
position has (j - 1) (r - 1) / (m - 1) relevant items of its run before it. Summed over positions, that is the
expected value over all orders (McSherry and Najork, ECIR 2008), without a closed form. Sums are in float64, which
the device must have (Apple's MPS has not).

Scores are float32 or float64, as the features are. torch multiplies float32 in full precision unless
`torch.set_float32_matmul_precision` says otherwise; leave that alone, for lower precision makes ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import Float64Array
from .duplicates import find_duplicates
from .hard_negatives import TOP
from .measures import Measure
from .products import Combine, Pair, combined, float_type
from .relevance import Relevance, dense_codes
from .ties import Formula, Ties, Weight, miss_probability

if TYPE_CHECKING:
    import torch

_BLOCK_ENTRIES = {"cpu": 1 << 21}
_BLOCK_ENTRIES_ELSEWHERE = 1 << 24
_SLICE_ROWS = 65536


def ranked_on_device(
    pairs: Sequence[Pair],
    relevance: Relevance,
    measures: tuple[Measure, ...],
    ties: Ties,
    combine: Combine | None,
    device: str,
) -> Float64Array:
    """Return (Q, M) values, and a column more of hard negatives where there are other conditions.

    device: as torch names it.

    The database is copied to the device. Blocks of rows hold 2^21 scores (2^24 on an accelerator), and at least one
    row; `combine` runs on the host.

    Raises InputError for a device that torch does not have here, and for NaN among the scores.
    """
    import torch

    where = _checked_device(device)
    own, grades, others = relevance.own, relevance.grades, relevance.others
    n, rows = len(relevance.columns), len(relevance.rows)
    databases = [_on_device(pair, where) for pair in pairs]
    duplicates = [find_duplicates(pair.database) for pair in pairs]
    code_pairs = [
        dense_codes(relevance.rows, relevance.columns),
        *(dense_codes(q, c) for q, c in (*grades, *others)),
    ]
    columns = [torch.from_numpy(c).to(where) for _, c in code_pairs]
    weights = _Weights(n, where)
    size = max(1, _BLOCK_ENTRIES.get(where.type, _BLOCK_ENTRIES_ELSEWHERE) // n)
    out = np.empty((rows, len(measures) + bool(others)))
    with torch.inference_mode():
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            made = []
            for pair, database, same in zip(pairs, databases, duplicates, strict=True):
                queries = np.array(pair.queries[start:stop], _dtype(pair))
                products = torch.from_numpy(queries).to(where) @ database.T
                products[:, same.later] = products[:, same.first]
                made.append(products)
            scores = made[0]
            if combine is not None:
                scores = torch.from_numpy(combined([s.cpu().numpy() for s in made], combine)).to(where)
            _require_no_nan(scores, start)
            equal = [
                torch.from_numpy(q[start:stop, None]).to(where) == c
                for (q, _), c in zip(code_pairs, columns, strict=True)
            ]
            kept = None if own is None else torch.from_numpy(own[start:stop]).to(where)
            levels, beside = equal[1 : len(grades) + 1], equal[len(grades) + 1 :]
            out[start:stop] = _values(scores, equal[0], levels, beside, kept, measures, ties, weights)
    return out


def _values(
    scores: torch.Tensor,
    relevant: torch.Tensor,
    matches: Sequence[torch.Tensor],
    others: Sequence[torch.Tensor],
    own: torch.Tensor | None,
    measures: Sequence[Measure],
    ties: Ties,
    weights: _Weights,
) -> Float64Array:
    import torch

    ordered, order = scores.sort(dim=1, descending=True)
    count = torch.full((len(scores), 1), scores.shape[1], device=scores.device)
    if own is not None:
        # Left out: taken from its place, and put behind all others.
        held = order == own[:, None]
        last = held.to(torch.int8).sort(dim=1, stable=True).indices
        order, ordered = order.gather(1, last), ordered.gather(1, last)
        count -= held.any(dim=1, keepdim=True).to(count.dtype)
    runs = _Runs(ordered, count, ties, weights)
    gains = sum((match.to(torch.int8) for match in matches), torch.zeros_like(relevant, dtype=torch.int8))
    plain = runs.probabilities(relevant.gather(1, order))
    gained = gains.gather(1, order)
    levels = (
        [runs.probabilities(gained >= level) for level in range(1, len(matches) + 1)]
        if any(measure.graded for measure in measures)
        else []
    )
    values = [_measured(m, levels if m.graded else [plain]) for m in measures]
    if others:
        hard = torch.stack(list(others)).any(0) & ~relevant
        spread = runs if ties == "expected" else _Runs(ordered, count, "expected", weights)
        share = spread.probabilities(hard.gather(1, order)).above(TOP) / count.clamp(1, TOP)
        values.append(np.asarray(share[:, 0].cpu().numpy(), np.float64))
    return np.stack(values, axis=1)


def _measured(measure: Measure, levels: Sequence[_Hits]) -> Float64Array:
    """(B,) of a measure, whose two sides are sums over the levels; NaN where nothing is relevant."""
    import torch

    family, k = measure.formula, measure.k
    relevant = levels[0].relevant
    none = torch.zeros_like(relevant, dtype=torch.float64)
    earned = sum((family.earned(level, k) for level in levels), none)
    possible = sum((family.possible(level, k) for level in levels), none)
    value = torch.where(relevant > 0, earned / possible, torch.nan)
    return np.asarray(value[:, 0].cpu().numpy(), np.float64)


class _Weights:
    """Weights of ranks on a device, (n,) float64, each built once."""

    def __init__(self, n: int, device: torch.device) -> None:
        self.n, self.device = n, device
        self._made: dict[Weight, torch.Tensor] = {}

    def of(self, weight: Weight) -> torch.Tensor:
        import torch

        if weight not in self._made:
            self._made[weight] = torch.from_numpy(weight(np.arange(1.0, self.n + 1))).to(self.device)
        return self._made[weight]


class _Hits:
    """Where the hits of a block of rankings are expected: all arrays (B, N), or (B, 1) for `relevant`.

    It offers what `families.Hits` asks for, each (B, 1).
    """

    def __init__(self, runs: _Runs, hits: torch.Tensor) -> None:
        import torch

        zero = torch.zeros_like(hits[:, :1], dtype=torch.int64)
        found = torch.cat([zero, hits.to(torch.int64).cumsum(1)], dim=1)
        self.runs = runs
        self.relevant = found[:, -1:]
        self.earlier = found.gather(1, runs.start)
        self.within = found.gather(1, runs.end) - self.earlier
        if runs.spread:
            self.items = runs.end - runs.start
            self.chance = self.within.to(runs.real) / self.items
            inner = (self.within - 1).clamp_min(0).to(runs.real) / (self.items - 1).clamp_min(1)
            self.before = self.earlier + (runs.rank - 1 - runs.start) * inner
        else:
            self.items = torch.ones_like(runs.start)
            self.chance = (runs.rank > runs.end - self.within).to(runs.real)
            self.before = self.earlier + (runs.rank - 1 - (runs.end - self.within)).clamp_min(0).to(runs.real)

    def best(self, weight: Weight, k: int | None) -> torch.Tensor:
        """The sum of weights over the first R ranks."""
        return _first((self.runs.rank <= self.relevant) * self.runs.weights.of(weight), k)

    def above(self, depth: int | torch.Tensor) -> torch.Tensor:
        """Hits among the first `depth` ranks, an integer or (B, 1)."""
        if isinstance(depth, int):
            return _first(self.chance, depth)
        return (self.chance * (self.runs.rank <= depth)).sum(1, keepdim=True)

    def any_above(self, k: int) -> torch.Tensor:
        """Whether any of the first k ranks is a hit: the first run that holds one decides."""
        import torch

        runs = self.runs
        first = (self.within > 0).to(runs.rank.dtype).argmax(1, keepdim=True)
        start, end, within = (a.gather(1, first).cpu().numpy() for a in (runs.start, runs.end, self.within))
        if runs.spread:
            value = 1 - miss_probability(end - start, within, np.clip(k - start, 0, end - start))
        else:
            value = (end - within < k).astype(np.float64)
        return torch.from_numpy(value).to(self.relevant.device)

    def weighted(self, weight: Weight, k: int | None) -> torch.Tensor:
        """The sum of weights over the hits, down to rank k."""
        return _first(self.chance * self.runs.weights.of(weight), k)

    def precisions(self, formula: Formula = "standard", *, among_first_r: bool = False) -> torch.Tensor:
        """The sum of precisions at the hits, or at those among the first R ranks (the standard formula only)."""
        import torch

        rank = self.runs.rank
        precision = (self.before + 1) / rank
        if formula == "trapezoid":
            earlier = torch.where(rank > 1, self.before / (rank - 1).clamp_min(1), 1.0)
            precision = (precision + earlier) / 2
        elif among_first_r:
            precision = precision * (rank <= self.relevant)
        return (self.chance * precision).sum(1, keepdim=True)


class _Runs:
    """Runs of equal scores in sorted rows (B, N), of which the first count (B, 1) items are ranked.

    start, end: the items before and through each position's run; rank: 1 is best.
    """

    def __init__(self, ordered: torch.Tensor, count: torch.Tensor, ties: Ties, weights: _Weights) -> None:
        import torch

        n, device = ordered.shape[1], ordered.device
        self.spread, self.count, self.weights = ties == "expected", count, weights
        self.real = torch.float64
        self.rank = torch.arange(1, n + 1, device=device)
        self.ranked = self.rank <= count
        fresh = torch.ones_like(ordered, dtype=torch.bool)
        fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        fresh |= self.rank == count + 1
        place = self.rank - 1
        self.start = torch.where(fresh, place, 0).cummax(1).values
        closing = torch.ones_like(fresh)
        closing[:, :-1] = fresh[:, 1:]
        self.end = torch.where(closing, self.rank, n).flip(1).cummin(1).values.flip(1)

    def probabilities(self, hits: torch.Tensor) -> _Hits:
        """hits (B, N) bool in the order of the sorted rows; those that are not ranked do not count."""
        return _Hits(self, hits & self.ranked)


def _first(values: torch.Tensor, k: int | None) -> torch.Tensor:
    return values[:, :k].sum(1, keepdim=True)


def _dtype(pair: Pair) -> np.dtype[np.floating[Any]]:
    return np.result_type(float_type(pair.queries), float_type(pair.database))


def _on_device(pair: Pair, device: torch.device) -> torch.Tensor:
    """Copy the database to the device, slice by slice."""
    import torch

    n, width = pair.database.shape
    dtype = _dtype(pair)
    kind = torch.float32 if dtype == np.float32 else torch.float64
    out = torch.empty((n, width), dtype=kind, device=device)
    for top in range(0, n, _SLICE_ROWS):
        part = np.array(pair.database[top : top + _SLICE_ROWS], dtype)
        out[top : top + len(part)] = torch.from_numpy(part).to(device)
    return out


def _checked_device(name: str) -> torch.device:
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"torch cannot use the device {name!r}",
            where="backend",
            expected="torch, torch:cpu, torch:cuda, torch:cuda:<index>",
            found=str(error).splitlines()[0],
        ) from error
    return device


def _require_no_nan(scores: torch.Tensor, start: int) -> None:
    missing = scores.isnan().any(dim=1).nonzero()
    if len(missing):
        raise InputError(
            "a score is NaN, and cannot be ranked",
            where=f"scores, row {start + int(missing[0, 0])}",
            expected="real numbers",
            found="NaN",
        )
