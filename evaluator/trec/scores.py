"""Scores runs made elsewhere against qrels.

The score decides the order, never the rank column, and equal scores have no order: their expected or pessimistic value
is taken. Documents that a run leaves out rank below all others, at no rank that would count: relevant ones among them add
nothing, as in trec_eval. A query that a run leaves out scores 0 (trec_eval -c). A query of the qrels with nothing relevant
is left out, or scores 0 as in trec_eval, as one likes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..scoring import Ties, score_rankings
from ..scoring.formulas import Counted
from ..scoring.measures import Measure
from ..statistics.intervals import DIFFERENCES, SHARES, mean_intervals
from ..statistics.significance import Comparison, compare_many, holm
from ..vectors.arrays import Float64Array
from .files import Listed, TrecFile

Nothing = Literal["left-out", "zero"]
"""What becomes of a query of the qrels with nothing relevant."""
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]

_BLOCK_ENTRIES = 1 << 20
_MOST_GRADES = 32


@dataclass(frozen=True, eq=False)
class RunScores:
    """A run's scores of the queries (Q,), measure -> values, and what did not fit.

    missing: queries that the run lacks, which score 0; unjudged: queries of the run that the qrels lack; without_relevant:
    queries of the qrels with nothing relevant, left out or scored 0.
    """

    run: TrecFile
    queries: tuple[str, ...]
    values: Mapping[str, Float64Array]
    missing: tuple[str, ...]
    unjudged: tuple[str, ...]
    without_relevant: tuple[str, ...]


def score_run(
    run: TrecFile,
    qrels: TrecFile,
    measures: Sequence[Measure],
    *,
    ties: Ties = "expected",
    level: int = 1,
    nothing_relevant: Nothing = "left-out",
) -> RunScores:
    """Return every measure of every query of `qrels`; run and qrels were read with the same documents.

    level: the grade from which on a document is relevant. For nDCG(graded) the gain is the grade, whatever the level.
    nothing_relevant: "left-out", or "zero" for trec_eval's 0, so that means are those of `trec_eval -c`.

    Raises InputError where no query is both in the run and, with something relevant unless that is "zero", in the qrels,
    and for a level above all grades.
    """
    relevant = {q: int((listed.values >= level).sum()) for q, listed in qrels.queries.items()}
    zero = nothing_relevant == "zero"
    if not zero and not any(relevant.values()):
        _refuse_level(qrels, level)
    queries = tuple(query for query, count in relevant.items() if count or zero)
    if not any(query in run.queries for query in queries):
        raise InputError(
            "run and qrels share no query" + ("" if zero else " that has something relevant"),
            where=run.path,
            expected=f"queries of {qrels.path}, such as {', '.join(map(repr, list(queries)[:3])) or 'none'}",
            found=", ".join(map(repr, list(run.queries)[:3])),
        )
    values = {str(measure): np.zeros(len(queries)) for measure in measures}
    present = sorted(
        (i for i, query in enumerate(queries) if query in run.queries),
        key=lambda i: len(run.queries[queries[i]].documents),
    )
    for rows in _blocks(present, [len(run.queries[q].documents) if q in run.queries else 0 for q in queries]):
        block = _Block.of([run.queries[queries[i]] for i in rows], [qrels.queries[queries[i]] for i in rows])
        for name, found in block.measured(measures, ties, level).items():
            values[name][rows] = found
    return RunScores(
        run,
        queries,
        values,
        missing=tuple(query for query in queries if query not in run.queries),
        unjudged=tuple(query for query in run.queries if query not in qrels.queries),
        without_relevant=tuple(query for query, count in relevant.items() if not count),
    )


def highest_grade(qrels: TrecFile) -> int:
    """The highest grade of any document."""
    return int(max(listed.values.max() for listed in qrels.queries.values()))


def _refuse_level(qrels: TrecFile, level: int) -> None:
    highest = highest_grade(qrels)
    raise InputError(
        f"no document of the qrels has the grade {level} or a higher one",
        where=f"--level {level}" if highest >= 1 else qrels.path,
        expected="a grade that documents have" if highest >= 1 else "documents of grade 1 or higher",
        found=f"{highest} at most in {qrels.path}",
    )


def summarise(
    scored: Mapping[str, RunScores],
    *,
    draws: int = 1000,
    randomisations: int = 10_000,
    confidence: float = 0.95,
    alpha: float = 0.05,
    seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """Return `results`, a row a run and measure with its interval, and `comparisons` of each run with the first.

    scored: name -> scores, all of the same qrels and measures. p_adjusted: after Holm's correction over all comparisons;
    significant: whether it is below alpha.
    """
    names = list(scored)
    results: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    for measure in next(iter(scored.values())).values:
        values = np.stack([scores.values[measure] for scores in scored.values()])
        intervals = mean_intervals([values], confidence).clip(*SHARES)
        results += [
            {
                "run": name,
                "metric": measure,
                "value": float(values[i].mean()),
                "ci_low": float(intervals[i, 0]),
                "ci_high": float(intervals[i, 1]),
            }
            for i, name in enumerate(names)
        ]
        if len(names) > 1:
            found = compare_many(
                [values[1:]],
                [values[0]],
                draws=draws,
                randomisations=randomisations,
                confidence=confidence,
                seed=seed,
            )
            comparisons += [
                {"run": name, "reference": names[0], "metric": measure, **_within(comparison)}
                for name, comparison in zip(names[1:], found, strict=True)
            ]
    for row, p in zip(comparisons, holm([row["p"] for row in comparisons]), strict=True):
        row |= {"p_adjusted": float(p), "significant": bool(p < alpha)}
    return {"results": results, "comparisons": comparisons}


def _within(comparison: Comparison) -> dict[str, Any]:
    """The comparison as a record, its interval within what a difference can be."""
    low, high = np.clip([comparison.ci_low, comparison.ci_high], *DIFFERENCES).tolist()
    return asdict(comparison) | {"ci_low": low, "ci_high": high}


@dataclass(frozen=True, eq=False)
class _Block:
    """Queries of like length.

    places (B, W): of the scores in their query's order, 0 is last, and -1 beyond its n (B,) documents; grades (B, W): of
    these documents; judged: the grades of all judged documents of each query.
    """

    places: Float64Array
    grades: Float64Array
    n: Counts
    judged: list[Float64Array]

    @staticmethod
    def of(listed: Sequence[Listed], judged: Sequence[Listed]) -> _Block:
        width = max(len(one.documents) for one in listed)
        places, grades = np.full((len(listed), width), -1.0), np.zeros((len(listed), width))
        for row, (one, known) in enumerate(zip(listed, judged, strict=True)):
            size = len(one.documents)
            places[row, :size] = np.unique(one.values, return_inverse=True)[1]
            order = np.argsort(known.documents)
            at = np.minimum(
                np.searchsorted(known.documents, one.documents, sorter=order), len(known.documents) - 1
            )
            same = known.documents[order[at]] == one.documents
            grades[row, :size] = np.where(same, known.values[order[at]], 0)
        return _Block(
            places, grades, np.array([len(one.documents) for one in listed]), [one.values for one in judged]
        )

    def measured(self, measures: Sequence[Measure], ties: Ties, level: int) -> dict[str, Float64Array]:
        """Measure -> (B,), 0 where nothing relevant was found."""
        values: dict[str, Float64Array] = {}
        relevant, total = self.relevant(level)
        plain = [m for m in measures if not m.graded and not m.formula.depth_by_relevant]
        for name, found in score_rankings(self.places, relevant, plain, ties=ties).items():
            values[name] = np.nan_to_num(found)
        for measure in plain:
            values[str(measure)] *= _found_share(measure, relevant.sum(axis=1), total)
        deep = [m for m in measures if not m.graded and m.formula.depth_by_relevant]
        if deep:
            whole = score_rankings(*self.with_missing(relevant, total), deep, ties=ties)
            values |= {name: np.nan_to_num(value) for name, value in whole.items()}
        return values | {str(m): self.graded(m, ties) for m in measures if m.graded}

    def relevant(self, level: float) -> tuple[Flags, Counts]:
        """Which of the listed documents are relevant, (B, W), and how many are in all, (B,)."""
        return self.grades >= level, np.array([int((grades >= level).sum()) for grades in self.judged])

    def with_missing(self, relevant: Flags, total: Counts) -> tuple[Float64Array, Flags]:
        """Places and relevance where the documents left out follow, the relevant ones below rank R."""
        start, missing = np.maximum(self.n, total)[:, None], (total - relevant.sum(axis=1))[:, None]
        column = np.arange(int((start + missing).max()))
        width = self.places.shape[1]
        more = max(0, len(column) - width)
        places = np.pad(self.places, ((0, 0), (0, more)), constant_values=-1.0)
        flags = np.pad(relevant, ((0, 0), (0, more)))
        column = np.arange(width + more)
        added = (column >= start) & (column < start + missing)
        places[added] = -2.0
        places[column >= start + missing] = -3.0
        return places, flags | added

    def graded(self, measure: Measure, ties: Ties) -> Float64Array:
        """A graded measure with grades as gains: a grade is a sum of steps, so both sides are sums over "at least t"."""
        steps = np.unique(np.concatenate(self.judged))
        steps = steps[steps > 0]
        if len(steps) > _MOST_GRADES:
            raise InputError("too many different grades", where="qrels", expected=f"at most {_MOST_GRADES}")
        assert measure.formula.binary is not None
        binary = Measure(measure.formula.binary, measure.k)
        made, best = np.zeros(len(self.n)), np.zeros(len(self.n))
        for step, below in zip(steps, np.concatenate([[0.0], steps[:-1]]), strict=True):
            relevant, total = self.relevant(step)
            share = score_rankings(self.places, relevant, [binary], ties=ties)[str(binary)]
            made += (step - below) * np.nan_to_num(share) * _possible(binary, relevant.sum(axis=1))
            best += (step - below) * _possible(binary, total)
        return _share(made, best)


def _found_share(measure: Measure, found: Counts, total: Counts) -> Float64Array:
    """What a measure over the relevant documents that were found must be multiplied with to be one over all; 0 of none."""
    return np.where(total > 0, _share(_possible(measure, found), _possible(measure, total)), 0.0)


def _share(made: Float64Array, best: Float64Array) -> Float64Array:
    """made / best, 0 where the best is 0."""
    return np.divide(made, best, out=np.zeros_like(made), where=best > 0)


def _possible(measure: Measure, relevant: Counts) -> Float64Array:
    """What the best ranking of each query would earn, (B,), with so many relevant documents."""
    return np.asarray(measure.formula.possible(Counted(relevant), measure.k), np.float64)


def _blocks(rows: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """`rows`, by rising size, cut where rows times the largest size would exceed 2^20 entries."""
    blocks: list[list[int]] = []
    for row in rows:
        if not blocks or (len(blocks[-1]) + 1) * sizes[row] > _BLOCK_ENTRIES:
            blocks.append([])
        blocks[-1].append(row)
    return blocks
