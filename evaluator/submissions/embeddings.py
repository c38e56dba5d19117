"""Embeddings of one part of a submission: written row block by row block, and read mapped, after every check.

The format is safetensors, read here by its own rules so that sizes are known before anything is loaded:

    8 bytes, the length of the header, little-endian | the header, JSON: name -> dtype, shape, data_offsets | data
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import atomic_file
from clay_eval.schemas.fingerprint import canonical_json
from clay_eval.schemas.validate import parse_json

from ..embedding.feature_files import DamagedFeaturesError, join_keys, split_keys
from ..vectors.arrays import FloatArray, require_finite, take_rows
from .layout import missing_keys, shown

FORMAT = "clay-eval/embeddings/1"
FLOATS: Mapping[str, str] = {"float16": "F16", "float32": "F32"}
MOST_WIDTH = 1 << 16
MOST_HEADER = 1 << 16
MOST_NUMBER = 1e12
"""Inner products of rows as wide as can be then stay finite in float32."""
_TYPES: Mapping[str, Any] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "U8": np.dtype("u1")}
_LENGTH = 8
_CHUNK_ROWS = 4096
_NAMES = (("database", "database_keys"), ("queries", "query_keys"))


@dataclass(frozen=True, eq=False)
class Side:
    """Rows (N, k) and the row of each key."""

    matrix: FloatArray
    rows: Mapping[str, int]

    def select(self, keys: Sequence[str], what: str, where: Path) -> FloatArray:
        """The rows of `keys`, in their order; raises InputError for keys that are missing."""
        missing = [key for key in keys if key not in self.rows]
        if missing:
            raise missing_keys(missing, len(keys), what, where)
        return take_rows(self.matrix, np.array([self.rows[key] for key in keys], np.intp))


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The rows of a part; queries are the database's own where the file has none."""

    path: Path
    database: Side
    queries: Side

    def pair(self, queries: Sequence[str], database: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Return the rows (Q, k) of `queries` and (N, k) of `database`."""
        return (
            self.queries.select(queries, "queries", self.path),
            self.database.select(database, "database images", self.path),
        )


def write_embeddings(
    path: Path,
    database: tuple[Sequence[str], FloatArray],
    queries: tuple[Sequence[str], FloatArray] | None,
    number: str,
) -> str:
    """Write keys and rows as `number` (float16 or float32), and return the file's sha256; the same rows give the same bytes.

    queries: None where they are rows of the database. Raises InputError, and writes nothing, where a row is not finite, as
    large numbers become in float16.
    """
    kind = FLOATS[number]
    tensors: list[tuple[str, str, list[int], Any]] = []
    for (name, keys_name), side in zip(_NAMES, (database, queries), strict=True):
        if side is not None:
            keys = join_keys(tuple(side[0]))
            tensors.insert(0, (name, kind, list(side[1].shape), side[1]))
            tensors.append((keys_name, "U8", [len(keys)], keys))
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT}}
    end = 0
    for name, dtype, shape, _ in tensors:
        start, end = end, end + math.prod(shape) * _TYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = canonical_json(header).encode()
    text += b" " * (-len(text) % _LENGTH)
    digest = hashlib.sha256()
    with atomic_file(path) as stream:
        for block in _blocks([len(text).to_bytes(_LENGTH, "little"), text], tensors, path):
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


def _blocks(
    head: list[bytes], tensors: Sequence[tuple[str, str, list[int], Any]], path: Path
) -> Iterator[bytes]:
    yield from head
    for name, dtype, _, content in tensors:
        if isinstance(content, bytes):
            yield content
            continue
        for start in range(0, len(content), _CHUNK_ROWS):
            with np.errstate(over="ignore"):
                chunk = np.ascontiguousarray(content[start : start + _CHUNK_ROWS], _TYPES[dtype])
            require_finite(chunk, f"{path.name}: {name} as {chunk.dtype.name}", first_row=start)
            yield chunk.tobytes()


def most_bytes(keys: Sequence[str]) -> int:
    """Return the size that no file of embeddings of these pictures can exceed."""
    return _LENGTH + MOST_HEADER + 2 * (len(keys) * MOST_WIDTH * 4 + len(join_keys(tuple(keys))))


def read_embeddings(path: Path, known: Mapping[str, int]) -> Embeddings:
    """Return the embeddings in a file, mapped; known: key -> row of every picture of the entity.

    The header is held against the size of the file, and shapes against the number of pictures, before rows are touched; then
    every row is looked at once. Raises InputError for anything that is not as `layout` says: other tensors, types and
    shapes, NaN and infinity, keys that stand twice or belong to no picture of the data.
    """
    tensors = _tensors(path)
    sides = []
    for name, keys_name in _NAMES:
        if name in tensors or keys_name in tensors:
            sides.append(_side(path, tensors, name, keys_name, known))
    if len(sides) == 2 and sides[0].matrix.shape[1] != sides[1].matrix.shape[1]:
        raise InputError(
            "queries and database have rows of different widths",
            where=path,
            expected=f"{sides[0].matrix.shape[1]} columns",
            found=f"{sides[1].matrix.shape[1]} columns",
        )
    return Embeddings(path, sides[0], sides[-1])


def _side(
    path: Path, tensors: Mapping[str, npt.NDArray[Any]], name: str, keys_name: str, known: Mapping[str, int]
) -> Side:
    matrix, raw = tensors.get(name), tensors.get(keys_name)
    if matrix is None or raw is None:
        raise InputError(
            "rows without keys, or keys without rows", where=path, expected=f"{name} and {keys_name}"
        )
    shape = matrix.shape
    fits = matrix.ndim == 2 and 1 <= shape[0] <= len(known) and 1 <= shape[1] <= MOST_WIDTH
    if not fits or matrix.dtype.kind != "f":
        raise InputError(
            f"{name} is not a table of embeddings of these pictures",
            where=path,
            expected=f"float16 or float32 of shape (N, k), N at most {len(known)} and k at most {MOST_WIDTH}",
            found=f"{matrix.dtype.name} of shape {shape}",
        )
    most = len(join_keys(tuple(known)))
    if raw.ndim != 1 or raw.dtype != np.uint8 or len(raw) > most:
        raise InputError(
            f"{keys_name} is not a list of keys of these pictures",
            where=path,
            expected=f"uint8 of shape (n,), n at most {most}",
            found=f"{raw.dtype.name} of shape {raw.shape}",
        )
    try:
        keys = split_keys(raw, path)
    except DamagedFeaturesError as error:
        raise InputError(
            f"{keys_name} cannot be read", where=path, expected="UTF-8, one key a line"
        ) from error
    if len(keys) != len(matrix):
        raise InputError(
            f"{name} has not one key a row",
            where=path,
            expected=f"{len(matrix)} keys",
            found=f"{len(keys)} keys",
        )
    rows = {key: row for row, key in enumerate(keys)}
    if len(rows) < len(keys):
        twice = next(key for row, key in enumerate(keys) if rows[key] != row)
        raise InputError(
            f"a key stands twice in {keys_name}", where=path, expected="every key once", found=shown(twice)
        )
    if strange := next((key for key in keys if key not in known), None):
        raise InputError(
            f"{keys_name} names a picture that the data do not have", where=path, found=shown(strange)
        )
    for start in range(0, len(matrix), _CHUNK_ROWS):
        chunk = matrix[start : start + _CHUNK_ROWS]
        require_finite(chunk, f"{path}: {name}", first_row=start)
        if float(np.abs(chunk).max()) > MOST_NUMBER:
            raise InputError(
                f"{name} holds numbers whose products are beyond float32",
                where=path,
                expected=f"at most {MOST_NUMBER:g}, or vectors of length 1",
            )
    return Side(matrix, rows)


def _tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Map the tensors of a safetensors file, whose header must account for every byte."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(_LENGTH)
        length = int.from_bytes(start, "little")
        if len(start) < _LENGTH or length > min(MOST_HEADER, size - _LENGTH):
            raise _no_safetensors(path, "a pickle" if start[:1] == b"\x80" else f"a header of {length} bytes")
        text = stream.read(length)
    header = parse_json(text, f"the header of {path}")
    if not isinstance(header, dict):
        raise _no_safetensors(path, "a header that is no JSON object")
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    wanted = {name for names in _NAMES for name in names}
    if not {"database", "database_keys"} <= set(entries) <= wanted:
        raise InputError(
            "not the tensors of a part",
            where=path,
            expected="database and database_keys, and queries and query_keys where these differ",
            found=", ".join(shown(name, 40) for name in list(entries)[:8]) or "none",
        )
    found: dict[str, npt.NDArray[Any]] = {}
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(path, item[1])):
        dtype, shape, (begin, end) = entry.get("dtype"), entry.get("shape"), _offsets(path, entry)
        whole = isinstance(shape, list) and len(shape) in (1, 2) and all(map(_natural, shape))
        if (
            dtype not in _TYPES
            or not whole
            or begin != place
            or end - begin != math.prod(shape) * _TYPES[dtype].itemsize
        ):
            raise _no_safetensors(path, f"{name}: {str(entry)[:120]!a}")
        place = end
        at = _LENGTH + length + begin
        found[name] = (
            np.memmap(path, _TYPES[dtype], "r", at, tuple(shape))
            if end > begin
            else np.empty(shape, _TYPES[dtype])
        )
    if _LENGTH + length + place != size:
        raise _no_safetensors(path, f"{size} bytes, where its header speaks of {_LENGTH + length + place}")
    return found


def _offsets(path: Path, entry: Any) -> tuple[int, int]:
    found = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(found, list) or len(found) != 2 or not all(map(_natural, found)):
        raise _no_safetensors(path, f"an entry {str(entry)[:120]!a}")
    return found[0], found[1]


def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _no_safetensors(path: Path, found: str) -> InputError:
    return InputError(
        "not a whole safetensors file of float16 or float32",
        where=path,
        expected="a header that accounts for every byte",
        found=found,
    )
