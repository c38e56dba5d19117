"""Reading a stranger's labels.parquet: its footer is checked before any value is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from .errors import IntegrityError

_BATCH = 4096
_ROW_BYTES = 16 << 10
_CELL_BYTES = 4 << 10


def table_rows(path: Path, columns: Sequence[str], samples: int) -> Iterator[dict[str, str | None]]:
    """The rows of a table of texts with exactly these columns and so many rows, a few thousand at a time.

    Raises IntegrityError for any other table, and for one that claims more than 16 KiB a row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, memory_map=False) as table:
            footer = table.metadata
            claimed = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
            texts = all(field.type == pa.string() for field in table.schema_arrow)
            if table.schema_arrow.names != list(columns) or not texts:
                raise IntegrityError(
                    "the table of labels has other columns",
                    where=path,
                    expected=", ".join(columns),
                    found=", ".join(table.schema_arrow.names)[:300],
                )
            if footer.num_rows != samples or claimed > _ROW_BYTES * (samples + 64):
                raise IntegrityError(
                    "the table of labels has another size",
                    where=path,
                    expected=f"{samples} rows, of {_ROW_BYTES} bytes at most",
                    found=f"{footer.num_rows} rows, {claimed} bytes",
                )
            for batch in table.iter_batches(_BATCH):
                if batch.nbytes > _CELL_BYTES * len(columns) * max(batch.num_rows, 1):
                    raise IntegrityError("the table of labels has cells that are too large", where=path)
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise IntegrityError(
            "the table of labels cannot be read", where=path, found=str(error)[:200]
        ) from error
