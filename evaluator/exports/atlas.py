"""One parquet file for Embedding Atlas: pictures, labels, and for each condition a flat map and every picture's neighbours.

    embedding-atlas pictures.parquet --image image --x projection_x_color --y projection_y_color --neighbors neighbors_color

Columns, as its documentation asks for them: `image` with `bytes` and `path` (where there are pictures), a text a label, two
numbers a condition, and `neighbors_...` with `ids`, which are rows of the file from 0, and `distances`, 1 - similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clay_eval.schemas.files import atomic_file

from ..audit.evidence import nearest
from ..explore.plane import flat_map
from ..vectors.arrays import FloatArray
from .vector_stores import Records

if TYPE_CHECKING:
    import pyarrow as pa

NEIGHBOURS = 10
_ROWS = 256
_SIDE = 65_535


def write_atlas(records: Records, path: Path, picture: Callable[[int], bytes] | None = None) -> int:
    """Write the pictures of an index to `path`, row by row as they stand in it; return how many.

    picture: reads the encoded picture of a row; None leaves pictures out. In blocks, so that memory has a bound.
    """
    import pyarrow.parquet as pq

    maps = {name: _Map(records.index.vectors(name)) for name in records.conditions}
    schema = _schema(records, maps, pictured=picture is not None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in _batches(records, maps, schema, picture):
            writer.write_batch(batch)
    return len(records.index)


class _Map:
    """What the file says of one condition: places (N, 2) in the unit square, neighbours' rows and distances (N, k)."""

    def __init__(self, vectors: FloatArray) -> None:
        self.places = (flat_map(vectors) / np.float32(_SIDE)).astype(np.float32)
        rows, scores = nearest(vectors, vectors, min(NEIGHBOURS, len(vectors) - 1))
        self.rows, self.distances = rows, (1 - scores).astype(np.float32)


def _label_columns(records: Records, maps: Mapping[str, _Map]) -> dict[str, str]:
    """Attribute -> its column, which is no other column's name."""
    taken = {"key", "file", "image"} | {
        f"{kind}_{name}" for name in maps for kind in ("projection_x", "projection_y", "neighbors")
    }
    columns: dict[str, str] = {}
    for attribute in records.index.labels:
        column = attribute
        while column in taken:
            column = f"label_{column}"
        taken.add(column)
        columns[attribute] = column
    return columns


def _schema(records: Records, maps: Mapping[str, _Map], *, pictured: bool) -> pa.Schema:
    import pyarrow as pa

    image = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    near = pa.struct([pa.field("ids", pa.list_(pa.int64())), pa.field("distances", pa.list_(pa.float32()))])
    fields = [pa.field("key", pa.string()), *([pa.field("image", image)] if pictured else [])]
    fields += [pa.field(column, pa.string()) for column in _label_columns(records, maps).values()]
    for name in maps:
        fields += [pa.field(f"projection_{axis}_{name}", pa.float32()) for axis in "xy"]
        fields.append(pa.field(f"neighbors_{name}", near))
    return pa.schema(fields)


def _batches(
    records: Records, maps: Mapping[str, _Map], schema: pa.Schema, picture: Callable[[int], bytes] | None
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    index = records.index
    for block in records.blocks(_ROWS):
        keys = list(index.keys[block])
        columns: dict[str, Any] = {"key": keys}
        if picture is not None:
            columns["image"] = [
                {"bytes": picture(block.start + place), "path": key} for place, key in enumerate(keys)
            ]
        for attribute, column in _label_columns(records, maps).items():
            columns[column] = list(index.labels[attribute][block])
        for name, one in maps.items():
            for place, axis in enumerate("xy"):
                columns[f"projection_{axis}_{name}"] = one.places[block, place]
            columns[f"neighbors_{name}"] = [
                {"ids": rows, "distances": distances}
                for rows, distances in zip(
                    one.rows[block].tolist(), one.distances[block].tolist(), strict=True
                )
            ]
        arrays = [pa.array(columns[field.name], field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
