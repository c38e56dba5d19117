"""Ranks blocks of scores and measures them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..vectors.arrays import Float64Array, FloatArray
from .formulas import RankedHits, Tables, measure_values, read_hits, share
from .measures import Measure
from .ranking import RowSort, Workspace, dense_keys, score_keys
from .relevance import Codes, Marker, Rows
from .threads import block_rows
from .ties import Ties


class Scorer:
    """Measures of blocks of rows of `n` scores; each thread has its own.

    levels: the number of conditions that graded measures count; names: what to call each row in errors.
    """

    def __init__(
        self,
        n: int,
        measures: tuple[Measure, ...],
        ties: Ties,
        sort: RowSort,
        tables: Tables,
        levels: int = 0,
        names: Codes | None = None,
    ) -> None:
        self.measures, self.sort, self.tables = measures, sort, tables
        self.spread, self.levels, self.names = ties == "expected", levels, names
        self.rows = block_rows(n)
        self.space = Workspace(self.rows, n)

    def score(self, scores: FloatArray, mark: Marker, first_row: int) -> Float64Array:
        """Return the measures (B, M) of `scores` (B, n), whose rows are first_row, first_row + 1, ... to `mark`."""
        out = np.empty((len(scores), len(self.measures)))
        plain = [i for i, measure in enumerate(self.measures) if not measure.graded]
        graded = [i for i, measure in enumerate(self.measures) if measure.graded]
        if plain:

            def measured(hits: RankedHits) -> Float64Array:
                values = [measure_values(self.measures[i].formula, self.measures[i].k, hits) for i in plain]
                return np.stack(values, axis=1)

            out[:, plain] = self._ranked(scores, mark, first_row, 0, measured)
        if graded:
            out[:, graded] = self._graded(scores, mark, first_row, [self.measures[i] for i in graded])
        return out

    def _graded(
        self, scores: FloatArray, mark: Marker, first_row: int, measures: list[Measure]
    ) -> Float64Array:
        """Graded measures, (B, len(measures)): gain g is the sum over levels t of "at least t", so both sides are sums.

        At every level ties put the items that count last, which is the order of rising gain within the tie.
        """

        def gained(hits: RankedHits) -> Float64Array:
            made = [m.formula.earned(hits, m.k) for m in measures]
            best = [np.broadcast_to(m.formula.possible(hits, m.k), hits.counts.shape) for m in measures]
            return np.stack([*made, *best, hits.counts], axis=1)

        total = np.zeros((len(scores), 2 * len(measures) + 1))
        for level in range(1, self.levels + 1):
            total += self._ranked(scores, mark, first_row, level, gained)
        made, best = np.hsplit(total[:, :-1], 2)
        return share(made, best, total[:, -1:])

    def _ranked(
        self,
        scores: FloatArray,
        mark: Marker,
        first_row: int,
        level: int,
        read: Callable[[RankedHits], Float64Array],
    ) -> Float64Array:
        rows: Rows = np.arange(first_row, first_row + len(scores))
        keys, exact = score_keys(scores, self.space, names=rows if self.names is None else self.names[rows])
        mark(keys, rows, level)
        hits = read_hits(self.sort(keys, self.space), self.tables, spread_ties=self.spread)
        values = read(hits)
        if exact or not hits.tied.any():
            return values
        again = np.flatnonzero(hits.tied)
        keys = dense_keys(scores[again])
        mark(keys, rows[again], level)
        values[again] = read(read_hits(self.sort(keys, self.space), self.tables, spread_ties=self.spread))
        return values
