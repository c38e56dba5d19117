"""Runs of one part of a submission: TREC files, scored against the relevance that the data's labels say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import nfc

from ..retrieval.engine import Settings
from ..retrieval.tasks import Index, RetrievalGroup, RetrievalTask
from ..trec.files import Documents, Limits, Listed, TrecFile, read_run
from ..trec.scores import score_run
from ..trec.writing import encoded_name
from ..vectors.arrays import Float64Array
from .layout import missing_keys, shown

_MOST_LINES = 50_000_000
_LINE_BYTES = 256


def most_bytes(keys: Sequence[str]) -> int:
    """Return the size that no run of these pictures can exceed."""
    longest = max(len(encoded_name(key).encode()) for key in keys)
    return min(len(keys) ** 2, _MOST_LINES) * (2 * longest + _LINE_BYTES)


def score_run_part(
    path: Path,
    keys: Sequence[str],
    task: RetrievalTask,
    group: RetrievalGroup,
    settings: Settings,
    depth: int,
) -> dict[str, Float64Array]:
    """Return every measure of the queries of `group`, name -> (Q,) float64, NaN where nothing is relevant.

    keys: of all pictures of the entity. A query's own line is skipped. Memory: 40 bytes a line of the file, which has as
    many lines as the group asks for, at most.

    Raises InputError for lines that cannot be read, unknown or missing queries and pictures, pictures that stand twice, and
    queries with fewer than `depth` (0: all) pictures.
    """
    names = [nfc(encoded_name(key)) for key in keys]
    queries = {names[row]: place for place, row in enumerate(group.queries.tolist())}
    documents: Documents = {names[row].encode(): place for place, row in enumerate(group.database.tolist())}
    before = len(documents)
    limits = Limits(
        most_bytes(keys),
        min(len(queries) * len(documents) + 1, _MOST_LINES),
        2 * max(map(len, names)) * 4 + _LINE_BYTES,
    )
    run = read_run(path, documents, limits)
    if len(documents) > before:
        strange = next(name for name, number in documents.items() if number >= before)
        raise InputError(
            "a run lists what is not in the database",
            where=path,
            found=shown(strange.decode("utf-8", "replace")),
        )
    if unknown := next((query for query in run.queries if query not in queries), None):
        raise InputError("a run answers what is no query", where=path, found=shown(unknown))
    if missing := [name for name in queries if name not in run.queries]:
        raise missing_keys(missing, len(queries), "queries", path)
    listed = _without_own(run, queries, group.own)
    _require_depth(path, listed, group.sizes, queries, depth)
    return _measured(TrecFile(path, listed, run.tag), queries, task, group, settings)


def _without_own(run: TrecFile, queries: Mapping[str, int], own: Index) -> dict[str, Listed]:
    found = {}
    for query, one in run.queries.items():
        kept = one.documents != own[queries[query]]
        found[query] = one if kept.all() else Listed(one.documents[kept], one.values[kept])
    return found


def _require_depth(
    path: Path, listed: Mapping[str, Listed], sizes: Index, queries: Mapping[str, int], depth: int
) -> None:
    for query, one in listed.items():
        size = int(sizes[queries[query]])
        wanted = min(depth, size) if depth else size
        if len(one.documents) < wanted:
            raise InputError(
                "database images are missing from a run",
                where=f"{path}, query {shown(query)}",
                expected=f"{wanted} images",
                found=f"{len(one.documents)} images",
            )


def _measured(
    run: TrecFile, queries: Mapping[str, int], task: RetrievalTask, group: RetrievalGroup, settings: Settings
) -> dict[str, Float64Array]:
    """Relevant is what matches in all conditions; for graded measures the gain is the number of conditions that match."""
    values = {str(measure): np.full(len(queries), np.nan) for measure in settings.measures}
    graded = [measure for measure in settings.measures if measure.graded]
    plain = [measure for measure in settings.measures if not measure.graded]
    for measures, level in ((plain, len(task.conditions)), (graded, 1)):
        if not measures:
            continue
        qrels = _qrels(task, group, queries, level)
        if qrels.queries:
            scored = score_run(run, qrels, measures, ties=settings.ties, level=level)
            places = [queries[query] for query in scored.queries]
            for name, found in scored.values.items():
                values[name][places] = found
    return values


def _qrels(task: RetrievalTask, group: RetrievalGroup, queries: Mapping[str, int], level: int) -> TrecFile:
    """How many conditions each picture of the database matches the query in, where that is `level` or more."""
    found = {}
    for query, place in queries.items():
        row = group.queries[place]
        grades: npt.NDArray[np.int64] = np.sum(
            [codes[group.database] == codes[row] for codes in task.single_codes.values()],
            axis=0,
            dtype=np.int64,
        )
        if group.own[place] >= 0:
            grades[group.own[place]] = 0
        places = np.flatnonzero(grades >= level)
        if places.size:
            found[query] = Listed(places.astype(np.int64), grades[places].astype(np.float64))
    return TrecFile(Path("the labels"), found)
