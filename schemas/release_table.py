"""Reading a stranger's labels.parquet: its footer is checked before any value is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import ClayEvalError, IntegrityError
from .manifest import label_row
from .release import DIGESTS, table_columns, table_digests
from .shards import ShardSample

_BATCH = 4096
_ROW_BYTES = 16 << 10
_CELL_BYTES = 4 << 10


def table_rows(path: Path, columns: Sequence[str], samples: int) -> Iterator[dict[str, str | None]]:
    """The rows of a table of texts with exactly these columns and so many rows, a few thousand at a time.

    Values are kept as a dictionary while they are looked at, so that one long text in every row costs what it costs once.
    Raises IntegrityError for any other table, for one that claims more than 16 KiB a row, and for a text above 4 KiB.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        fields = pq.read_schema(path)
        if fields.names != list(columns) or any(field.type != pa.string() for field in fields):
            raise IntegrityError(
                "the table of labels has other columns",
                where=path,
                expected=", ".join(columns),
                found=", ".join(fields.names)[:300],
            )
        with pq.ParquetFile(path, read_dictionary=list(columns)) as table:
            footer = table.metadata
            claimed = sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
            if footer.num_rows != samples or claimed > _ROW_BYTES * (samples + 64):
                raise IntegrityError(
                    "the table of labels has another size",
                    where=path,
                    expected=f"{samples} rows, of {_ROW_BYTES} bytes at most",
                    found=f"{footer.num_rows} rows, {claimed} bytes",
                )
            for batch in table.iter_batches(_BATCH):
                longest = [
                    pc.max(pc.binary_length(column.dictionary)).as_py() or 0 for column in batch.columns
                ]
                if max(longest) > _CELL_BYTES:
                    raise IntegrityError("the table of labels has a text that is too long", where=path)
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise IntegrityError(
            "the table of labels cannot be read", where=path, found=str(error)[:200]
        ) from error


class TableAgainstShards:
    """labels.parquet, compared with the shards a row at a time."""

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        self._path = path
        self._columns = table_columns(manifest["entities"])
        self._rows = table_rows(path, self._columns, manifest["samples"])
        self._fault: str | None = None

    def compare(self, shard: str, sample: ShardSample) -> None:
        """Take the next row; it must be that of `sample` in `shard`."""
        if self._fault is not None:
            return
        digests = dict(zip(DIGESTS, table_digests(sample), strict=True))
        try:
            row = label_row(sample.key, shard, {"labels": {}, "diversity": {}, **sample.record}) | digests
            found = next(self._rows, None)
        except ClayEvalError as error:
            self._fault = " ".join(str(error).split())
            return
        except (KeyError, TypeError, ValueError):
            self._fault = f"{self._path}: {sample.key} is no sample that a table can hold"
            return
        if found != {name: row.get(name) for name in self._columns}:
            self._fault = f"{self._path}: does not say of {sample.key} what its shard says"

    def fault(self) -> str | None:
        """What was wrong, if anything; call it after the last sample."""
        if self._fault is None:
            try:
                if next(self._rows, None) is not None:
                    self._fault = f"{self._path}: has more rows than there are samples"
            except ClayEvalError as error:
                self._fault = " ".join(str(error).split())
        return self._fault
