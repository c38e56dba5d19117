"""What a parquet file unpacks to, from its footer and before it is read: a text or number is stored once for many rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError

MAX_TEXT_BYTES = 1 << 16
"""Of one key."""
MAX_KEYS_BYTES = 256 << 20
"""Of all keys together, and of those that a block of rows stores."""
PLAIN_BYTES = 1 << 30
MOST_TIMES = 1000
"""Vectors may take PLAIN_BYTES, and beyond that MOST_TIMES the size of their file."""
_ROWS = 4096
_NUMBERS = 1 << 24


def rows_at_once(path: Path, footer: Any, column: str, itemsize: int) -> int:
    """How many rows may be read together; `column` holds the vectors, of numbers of `itemsize` bytes.

    Raises InputError where keys or vectors unpack to more than such keys, or a file of this size, can need.
    """
    numbers = 0
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for part in map(group.column, range(group.num_columns)):
            name = part.path_in_schema.partition(".")[0]
            if name == "key" and part.total_uncompressed_size > min(
                MAX_KEYS_BYTES, MAX_TEXT_BYTES * (group.num_rows + 1)
            ):
                raise _too_large(path, "keys", f"{MAX_TEXT_BYTES} bytes each", part.total_uncompressed_size)
            numbers += part.num_values if name == column else 0
    size, stored = numbers * itemsize, path.stat().st_size
    if size > max(PLAIN_BYTES, MOST_TIMES * stored):
        raise _too_large(path, "vectors", f"{MOST_TIMES} times its {stored} bytes", size)
    rows: int = _NUMBERS * footer.num_rows // max(1, numbers)
    return max(1, min(_ROWS, rows))


def check_texts(path: Path, column: Any, before: int) -> int:
    """`before` and the bytes of the texts of `column`, read as a dictionary; InputError where one or all are too long."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return before
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    longest, total = pc.max(lengths).as_py() or 0, before + (pc.sum(lengths).as_py() or 0)
    if longest > MAX_TEXT_BYTES:
        raise _too_large(path, "keys", f"{MAX_TEXT_BYTES} bytes each", longest)
    if total > MAX_KEYS_BYTES:
        raise _too_large(path, "keys", f"{MAX_KEYS_BYTES} bytes", total)
    return total


def _too_large(path: Path, what: str, expected: str, found: int) -> InputError:
    return InputError(
        f"the {what} of this file are too large when unpacked",
        where=path,
        expected=f"at most {expected}",
        found=f"{found} bytes",
    )
