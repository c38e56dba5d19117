"""Reads TREC run and qrels files that other programs wrote: streamed, bounded, checked line by line.

    run     query Q0 document rank score tag        rank, Q0 and tag mean nothing: the score decides
    qrels   query iteration document grade          a grade is a whole number

Columns are separated by blanks or tabs. As for trec_eval, a line that begins with # is a comment, what follows a run's tag
is ignored, and the tag is that of the last line. Unlike it, byte order marks are skipped, and names that differ in Unicode
form only are one. A file whose name ends in .gz is unpacked on the way, up to a bound.
"""

from __future__ import annotations

import gzip
import io
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.reading import UTF8_MARK, open_regular, refuse_wide_text
from clay_eval.schemas.words import nfc

from ..vectors.arrays import Float64Array

Documents = dict[bytes, int]
"""Document -> its number; share one among a qrels file and the runs that are scored on it."""

_MOST_GRADE = 1000
_RUN = "query Q0 document rank score tag"
_QRELS = "query iteration document grade"


@dataclass(frozen=True)
class Limits:
    """How much of a file is read: bytes after unpacking, lines, and bytes of one line."""

    total: int = 2 << 30
    lines: int = 50_000_000
    line: int = 16 << 10


@dataclass(frozen=True, eq=False)
class Listed:
    """A query's documents (n,), by their numbers, each once, and what the file says of each: scores or grades (n,)."""

    documents: npt.NDArray[np.int64]
    values: Float64Array


@dataclass(frozen=True, eq=False)
class TrecFile:
    """What a file lists for each query, in the order of the file; tag: of a run's last line."""

    path: Path
    queries: Mapping[str, Listed]
    tag: str = ""


@dataclass(slots=True)
class _Column:
    documents: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))


def read_run(path: Path, documents: Documents, limits: Limits | None = None) -> TrecFile:
    """Read a run; new documents are added to `documents`.

    Text after the tag is ignored, but in lines that look as if a name before it held a blank: their rank is no whole number,
    or their tag a number.

    Raises InputError, naming file and line, for lines without six columns, scores that are no finite numbers, a document
    that stands twice under one query, and files beyond `limits`; IntegrityError for a damaged .gz.
    """
    return _read(path, documents, limits or Limits(), _RUN, _score)


def read_qrels(path: Path, documents: Documents, limits: Limits | None = None) -> TrecFile:
    """Read qrels; raises as `read_run` does, for four columns and grades that are whole numbers up to 1000."""
    return _read(path, documents, limits or Limits(), _QRELS, _grade)


def _read(
    path: Path, documents: Documents, limits: Limits, columns: str, value_of: Callable[[bytes], float]
) -> TrecFile:
    width, place = len(columns.split()), 4 if columns == _RUN else 3
    found: dict[bytes, _Column] = {}
    tag = b""
    for number, line in _lines(path, limits):
        cells = (line if line.isascii() else _composed(line)).split()
        if not cells or cells[0].startswith(b"#"):
            continue
        if columns == _RUN and _text_follows(cells):
            cells = cells[:width]
        if len(cells) != width:
            raise InputError(
                "a line has another number of columns",
                where=f"{path} line {number}",
                expected=f"{width} columns: {columns}",
                found=f"{len(cells)} columns",
            )
        try:
            value = value_of(cells[place])
        except ValueError as error:
            raise InputError(
                f"the {columns.split()[place]} of a document is no number one can rank by",
                where=f"{path} line {number}, query {_shown(cells[0])}, document {_shown(cells[2])}",
                expected=str(error),
                found=_shown(cells[place]),
            ) from None
        column = found.get(cells[0])
        if column is None:
            column = found[cells[0]] = _Column()
        tag = cells[-1]
        column.documents.append(documents.setdefault(cells[2], len(documents)))
        column.values.append(value)
        column.lines.append(number)
    if not found:
        raise InputError("the file lists nothing", where=path, expected=f"lines of {columns}")
    _refuse_duplicates(path, found, documents)
    return TrecFile(
        path, {_text(path, query): _listed(column) for query, column in found.items()}, _shown(tag)
    )


def _text_follows(cells: Sequence[bytes]) -> bool:
    """Whether a line of a run is whole with its tag, and more text follows."""
    if len(cells) <= 6 or not cells[3].removeprefix(b"-").isdigit():
        return False
    try:
        float(cells[5])
    except ValueError:
        return True
    return False


def _score(cell: bytes) -> float:
    expected = "a finite number"
    if b"_" in cell:
        raise ValueError(expected)
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(expected) from None
    if value - value != 0:
        raise ValueError(expected)
    return value


def _grade(cell: bytes) -> float:
    digits = cell.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 4 or int(cell) > _MOST_GRADE:
        raise ValueError(f"a whole number, at most {_MOST_GRADE}")
    return float(cell)


def _listed(column: _Column) -> Listed:
    return Listed(np.array(column.documents, np.int64), np.array(column.values, np.float64))


def _refuse_duplicates(path: Path, found: Mapping[bytes, _Column], documents: Documents) -> None:
    """Raise InputError naming the first line whose document stands under the same query before."""
    first: tuple[int, int, bytes, int] | None = None
    for query, column in found.items():
        numbers = np.array(column.documents)
        order = np.argsort(numbers, kind="stable")
        again = np.flatnonzero(np.diff(numbers[order]) == 0)
        if again.size:
            at = again[np.argmin(order[again + 1])]
            here, before = int(order[at + 1]), int(order[at])
            candidate = (column.lines[here], column.lines[before], query, int(numbers[here]))
            first = candidate if first is None else min(first, candidate)
    if first is not None:
        line, before_line, query, number = first
        name = next(name for name, value in documents.items() if value == number)
        raise InputError(
            "a document stands twice under one query",
            where=f"{path} line {line}, query {_shown(query)}, document {_shown(name)}",
            expected="every document once a query",
            found=f"the same document in line {before_line}",
        )


def _lines(path: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, from 1."""
    total = number = 0
    with ExitStack() as stack:
        try:
            stream = _opened(path, stack)
            while line := stream.readline(limits.line + 1):
                number += 1
                total += len(line)
                if len(line) > limits.line:
                    raise _beyond("a line is too long", path, number, f"at most {limits.line} bytes")
                if total > limits.total:
                    raise _beyond(
                        "the file is too large", path, number, f"at most {limits.total} bytes, unpacked"
                    )
                if number > limits.lines:
                    raise _beyond("the file is too long", path, number, f"at most {limits.lines} lines")
                if number == 1:
                    refuse_wide_text(line, path)
                # Files put together with `cat` have marks within, too.
                yield number, line.removeprefix(UTF8_MARK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise IntegrityError(
                "not a whole gzip file", where=f"{path} after line {number}", found=str(error)
            ) from error
        except OSError as error:
            raise InputError("cannot read this file", where=path, found=error.strerror) from error


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    stream = stack.enter_context(open_regular(path))
    if path.suffix != ".gz":
        return stream
    unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream))
    return io.BufferedReader(cast("io.RawIOBase", unpacked), 1 << 16)


def _beyond(what: str, path: Path, number: int, expected: str) -> InputError:
    return InputError(what, where=f"{path} line {number}", expected=expected, found="more")


def _composed(line: bytes) -> bytes:
    """A line in Unicode's composed form; one that is not UTF-8 stays as it is."""
    try:
        return nfc(line.decode("utf-8")).encode()
    except UnicodeDecodeError:
        return line


def _text(path: Path, name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=path, found=_shown(name)) from error


def _shown(name: bytes, limit: int = 200) -> str:
    """A name for a message: escape sequences cannot reach the terminal, nor can pages of text."""
    text = name.decode("utf-8", "backslashreplace")
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:limit])
    return shown + ("..." if len(text) > limit else "")
