"""Rankings as TREC run and qrels files, for trec_eval, ir_measures and their like.

Names are written as they are but for blanks, control characters and %, which become %20 and so on, and a # at their
beginning (%23): the columns of these files are separated by blanks, and a line that begins with # is a comment. Scores are
written with the fewest digits that give back the same float, so order and ties survive; lines go by falling score, equal
scores by key.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import atomic_file, write_text

from ..vectors.arrays import FloatArray, require_finite

DEPTH = 1000
INDEX = "index.json"

Codes = npt.NDArray[np.int64]
Blocks = Iterable[FloatArray]

_BLOCK = 1 << 21
_TILE = 64


@dataclass(frozen=True, eq=False)
class Ranking:
    """One method's scores in one database, and who is relevant to whom.

    query_keys (Q), database_keys (N): unique names; query_codes (Q,), database_codes (N,): equal where relevant; own
    (Q,): the query's place in the database or -1, where a query is not to find itself; blocks: makes the scores, blocks
    of rows (B, N), Q rows in all, in the order of the queries.
    """

    entity: str
    method: str
    conditions: tuple[str, ...]
    group: str | None
    seed: int
    query_keys: Sequence[str]
    database_keys: Sequence[str]
    query_codes: Codes
    database_codes: Codes
    own: Codes | None
    blocks: Callable[[], Blocks]


def export_rankings(
    rankings: Iterable[Ranking],
    folder: Path,
    *,
    fingerprint: str,
    depth: int = DEPTH,
    compress: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the run of each ranking, the qrels of each database once, and index.json, which says what each file is.

    A file lies in ENTITY/CONDITIONS[/GROUP]/seed-N. fingerprint: of the report, kept in the index; depth: lines a query,
    0 for all; compress: files end in .gz. `progress` is called with 1 for every run. Returns the index.
    """
    ending = ".gz" if compress else ""
    runs: list[dict[str, Any]] = []
    judged: set[Path] = set()
    for ranking in rankings:
        parts = [ranking.entity, "+".join(ranking.conditions), *([ranking.group] if ranking.group else [])]
        place = Path(*map(safe_name, parts)) / f"seed-{ranking.seed}"
        qrels, run = place / f"qrels.txt{ending}", place / f"{safe_name(ranking.method)}.run{ending}"
        if qrels not in judged:
            judged.add(qrels)
            write_qrels(
                folder / qrels,
                ranking.query_keys,
                ranking.database_keys,
                ranking.query_codes,
                ranking.database_codes,
                own=ranking.own,
            )
        write_run(
            folder / run,
            ranking.query_keys,
            ranking.database_keys,
            ranking.blocks(),
            tag=ranking.method,
            depth=depth,
            own=ranking.own,
        )
        runs.append(
            {
                "entity": ranking.entity,
                "method": ranking.method,
                "conditions": list(ranking.conditions),
                "group": ranking.group,
                "seed": ranking.seed,
                "run": run.as_posix(),
                "qrels": qrels.as_posix(),
            }
        )
        progress(1)
    index = {"report": fingerprint, "depth": depth, "runs": runs}
    write_text(folder / INDEX, json.dumps(index, indent=2, ensure_ascii=False) + "\n")
    return index


def score_blocks(
    pairs: Sequence[tuple[FloatArray, FloatArray]],
    combine: Callable[[Sequence[FloatArray]], FloatArray] | None = None,
) -> Iterator[FloatArray]:
    """Yield the scores of spaces as the engine makes them, (B, N) a block of at most 2^21 entries.

    pairs: queries (Q, k) and database (N, k), compared by inner product; `combine` joins the blocks of several pairs.
    """
    queries, database = len(pairs[0][0]), len(pairs[0][1])
    step = max(1, _BLOCK // max(database, 1))
    # Rows of zeros fill the last tile: BLAS rounds differently in a partial one, which would undo ties.
    filled = [np.pad(columns, ((0, -database % _TILE), (0, 0))) for _, columns in pairs]
    for start in range(0, queries, step):
        blocks = [
            (rows[start : start + step] @ columns.T)[:, :database]
            for (rows, _), columns in zip(pairs, filled, strict=True)
        ]
        yield blocks[0] if combine is None else combine(blocks)


def write_qrels(
    path: Path,
    query_keys: Sequence[str],
    database_keys: Sequence[str],
    query_codes: npt.ArrayLike,
    database_codes: npt.ArrayLike,
    *,
    own: npt.ArrayLike | None = None,
) -> int:
    """Write a line "query 0 document 1" for every relevant pair, and return their number.

    query_codes (Q,) and database_codes (N,) are equal where relevant; own (Q,): the query's place in the database or -1. A
    query without a relevant document has no line, as trec_eval leaves such queries out.
    """
    queries, documents = _names(query_keys, "queries"), _names(database_keys, "database")
    wanted, codes = np.asarray(query_codes), np.asarray(database_codes)
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    first, last = np.searchsorted(codes, wanted, "left"), np.searchsorted(codes, wanted, "right")
    itself = np.full(len(queries), -1) if own is None else np.asarray(own)
    lines = 0
    with _text_file(path) as stream:
        for query, low, high, me in zip(queries, first, last, itself, strict=True):
            found = [f"{query} 0 {documents[i]} 1\n" for i in order[low:high] if i != me]
            stream.write("".join(found).encode())
            lines += len(found)
    return lines


def write_run(
    path: Path,
    query_keys: Sequence[str],
    database_keys: Sequence[str],
    scores_blocks: Blocks,
    *,
    tag: str,
    depth: int = DEPTH,
    own: npt.ArrayLike | None = None,
) -> int:
    """Write the best `depth` documents of each query (all for 0), block by block, and return the number of lines.

    scores_blocks: blocks of rows (B, N), higher is better, Q rows in all; own (Q,): a document that its query is not to
    find, or -1. A path that ends in .gz is packed.

    Raises InputError for scores that are not finite, and blocks that do not fit the keys; then nothing is written.
    """
    queries, documents = _names(query_keys, "queries"), _names(database_keys, "database")
    by_key = np.array(sorted(range(len(documents)), key=documents.__getitem__), np.intp)
    names = [documents[i] for i in by_key]
    mark = encoded_name(tag)
    lines = row = 0
    with _text_file(path) as stream:
        for block in scores_blocks:
            if block.ndim != 2 or block.shape[1] != len(documents) or row + len(block) > len(queries):
                raise _unfit(queries, documents, f"a block of shape {block.shape} after {row} rows")
            require_finite(block, "scores", first_row=row)
            for scores in block:
                left_out = -1 if own is None else int(np.asarray(own)[row])
                best = _ranked(scores[by_key], depth, np.flatnonzero(by_key == left_out))
                digits = scores[by_key[best]].astype(str)
                stream.write(
                    "".join(
                        f"{queries[row]} Q0 {names[i]} {rank} {score} {mark}\n"
                        for rank, (i, score) in enumerate(zip(best, digits, strict=True), 1)
                    ).encode()
                )
                lines += len(best)
                row += 1
        if row != len(queries):
            raise _unfit(queries, documents, f"{row} rows")
    return lines


def safe_name(name: str, limit: int = 100) -> str:
    """`name` as a file's: characters other than letters, digits and ._=,()+- become _, and a hash tells it from others."""
    kept = re.sub(r"[^A-Za-z0-9._=,()+-]", "_", name)[:limit].lstrip(".")
    return kept if kept == name else f"{kept}-{sha256(name.encode()).hexdigest()[:8]}"


def _ranked(scores: FloatArray, depth: int, left_out: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The places of the best `depth` scores (N,), best first, equal ones in their order."""
    falling = -scores
    if left_out.size:
        falling[left_out] = np.inf
    wanted = len(scores) - len(left_out)
    wanted = min(depth, wanted) if depth else wanted
    if wanted < len(scores) // 2 and wanted:
        near = np.flatnonzero(falling <= np.partition(falling, wanted - 1)[wanted - 1])
        return near[np.argsort(falling[near], kind="stable")[:wanted]]
    return np.argsort(falling, kind="stable")[:wanted]


def _names(keys: Sequence[str], what: str) -> list[str]:
    names = [encoded_name(key) for key in keys]
    if len(set(names)) < len(names) or not all(names):
        raise InputError(
            "keys must be different, and not empty", where=what, expected="a key of its own each"
        )
    return names


def encoded_name(name: str) -> str:
    """`name` without blanks, control characters, % and a first #, as it stands in a column of a run or qrels."""
    return re.sub(
        r"^#|[\s%\x00-\x1f\x7f]", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name
    )


def _unfit(queries: Sequence[str], documents: Sequence[str], found: str) -> InputError:
    return InputError(
        "the scores do not fit the keys",
        where="scores",
        expected=f"{len(queries)} rows of {len(documents)} scores",
        found=found,
    )


@contextmanager
def _text_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream that appears at `path` whole; packed, without a time in it, if that ends in .gz."""
    with atomic_file(path) as stream:
        if path.suffix != ".gz":
            yield stream
            return
        with gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
