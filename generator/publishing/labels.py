"""labels.parquet: labels.csv as a typed table, with the digests of every picture and of the JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from clay_eval.schemas.manifest import label_row
from clay_eval.schemas.release import DIGESTS, table_columns, table_digests
from clay_eval.schemas.shards import ShardSample

_ROWS = 8192


class LabelsTable:
    """Writes labels.parquet a sample at a time; at most `_ROWS` rows are held. Use it as a context manager.

    A cell is null where an entity has no such attribute. The same samples give the same bytes under one version of
    pyarrow. `records` maps each key to the digests of its picture and JSON (64 bytes).
    """

    def __init__(self, path: Path, entities: Mapping[str, Mapping[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.columns: Sequence[str] = table_columns(entities)
        self.records: dict[str, bytes] = {}
        self._schema = pa.schema([pa.field(name, pa.string()) for name in self.columns])
        plain = [name for name in self.columns if name not in ("key", *DIGESTS)]
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", use_dictionary=plain, write_statistics=False
        )
        self._rows: list[dict[str, str]] = []

    def __enter__(self) -> LabelsTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, shard: str, sample: ShardSample) -> None:
        """Append the row of a sample that lies in `shard`."""
        image, record = table_digests(sample)
        row = label_row(sample.key, shard, {"labels": {}, "diversity": {}, **sample.record})
        self._rows.append({**row, DIGESTS[0]: image, DIGESTS[1]: record})
        self.records[sample.key] = bytes.fromhex(image + record)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        columns = {name: [row.get(name) for row in self._rows] for name in self.columns}
        self._writer.write_table(pa.table(columns, schema=self._schema))
        self._rows = []
