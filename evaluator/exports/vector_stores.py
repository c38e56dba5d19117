"""Conditional vectors with keys and labels in LanceDB and Qdrant, by their own clients.

A record a picture: key, file (where pictures lie in a folder), labels, `vector` (as the encoder made it, of unit length),
and a vector a condition, `vector_color`, whose inner products are the similarities under it (distance "dot"). A query takes
its own vector from its record, or from `ConditionalIndex.transform`.

Of a method that is one product W^T v, vectors of the encoder alone answer conditional queries, too:

    s(q, v) = (W z) . v / |W^T v|,   z = W^T q / |W^T q|

so a store that is left as it is takes the rewritten query W z by inner product, and what it finds is divided by one number a
picture, `length_color` = |W^T v|, which is written beside (`ConditionalIndex.rewritten` and `.lengths`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..index.conditional_index import ConditionalIndex
from ..vectors.arrays import FloatArray, unit_rows

if TYPE_CHECKING:
    import pyarrow as pa

RAW = "vector"
_ROWS = 4096
_POINTS = 256


@dataclass(frozen=True, eq=False)
class Records:
    """What is written of the pictures of an index: those of `conditions`, all if none are named.

    files: the path of each picture, none where there are no files.
    """

    index: ConditionalIndex
    conditions: Sequence[str] = ()
    files: Sequence[str] = ()
    lengths: Mapping[str, FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(self.conditions) or tuple(self.index.conditions)
        if not names:
            raise InputError("there is no condition to export", where="condition", expected="one or more")
        object.__setattr__(self, "conditions", names)
        found = {name: self.index.lengths(name) for name in names if self.index.is_one_product(name)}
        object.__setattr__(self, "lengths", found)

    def widths(self) -> dict[str, int]:
        """Name of a vector -> how many numbers it has."""
        vectors = {RAW: int(self.index.features.shape[1])}
        return vectors | {vector_name(name): self.index.vectors(name).shape[1] for name in self.conditions}

    def vectors(self, rows: slice) -> dict[str, FloatArray]:
        """Name -> vectors (n, k), float32, of some pictures."""
        raw = unit_rows(np.asarray(self.index.features[rows])).astype(np.float32)
        return {RAW: raw} | {vector_name(n): self.index.vectors(n)[rows] for n in self.conditions}

    def blocks(self, size: int) -> Iterator[slice]:
        """The pictures in runs of `size`."""
        return (slice(start, start + size) for start in range(0, len(self.index), size))


def vector_name(condition: str) -> str:
    """What the vector under a condition is called."""
    return f"{RAW}_{condition}"


def length_name(condition: str) -> str:
    """What the length |W^T v| under a condition is called."""
    return f"length_{condition}"


def write_lancedb(records: Records, place: str | Path, table: str, *, replace: bool = False) -> int:
    """Write a table to the LanceDB database at `place`, a folder or an address that LanceDB takes; return how many rows.

    In blocks, so memory has a bound. Raises InputError where LanceDB is not installed, and for a table that is there, unless
    `replace`.
    """
    _require("lancedb")
    import lancedb

    database = lancedb.connect(str(place))
    schema = _schema(records)
    try:
        made = database.create_table(
            table, _batches(records, schema), schema=schema, mode="overwrite" if replace else "create"
        )
    except ValueError as error:
        if "already exists" not in str(error):
            raise InputError(
                "LanceDB does not take this table",
                where=f"{place}: {table}",
                found=str(error).splitlines()[0][:300],
            ) from error
        raise _taken("table", table, place) from error
    return int(made.count_rows())


def write_qdrant(
    records: Records, place: str | Path, collection: str, *, replace: bool = False, key: str | None = None
) -> int:
    """Write a collection to the Qdrant server at `place` (http...), or to Qdrant's local mode in a folder; return how many
    points.

    A point's id is the picture's row; its payload holds key, file, labels and lengths. key: the server's API key. Raises
    InputError where the client is not installed, for a server that does not answer, and for a collection that is there,
    unless `replace`.
    """
    _require("qdrant_client", "qdrant")
    from qdrant_client import QdrantClient, models
    from qdrant_client.http.exceptions import ApiException

    remote = str(place).startswith(("http://", "https://"))
    client = (
        QdrantClient(url=str(place), api_key=key, check_compatibility=False)
        if remote
        else QdrantClient(path=str(place))
    )
    try:
        if client.collection_exists(collection):
            if not replace:
                raise _taken("collection", collection, place)
            client.delete_collection(collection)
        client.create_collection(
            collection,
            vectors_config={
                name: models.VectorParams(size=width, distance=models.Distance.DOT)
                for name, width in records.widths().items()
            },
        )
        for rows in records.blocks(_POINTS):
            client.upsert(collection, list(_points(records, rows)), wait=True)
        return int(client.count(collection, exact=True).count)
    except ApiException as error:
        raise InputError(
            "the Qdrant server does not do it",
            where=str(place),
            expected="a server that answers, and an API key that may write",
            found=(str(error).splitlines() or [type(error).__name__])[0][:300],
        ) from error
    finally:
        client.close()


def _points(records: Records, rows: slice) -> Iterator[Any]:
    from qdrant_client import models

    index = records.index
    vectors = {name: array.tolist() for name, array in records.vectors(rows).items()}
    for place, key in enumerate(index.keys[rows]):
        row = rows.start + place
        payload: dict[str, Any] = {
            "key": key,
            "labels": {attribute: values[row] for attribute, values in index.labels.items()},
            **({"file": records.files[row]} if records.files else {}),
            **{length_name(name): float(lengths[row]) for name, lengths in records.lengths.items()},
        }
        own = {name: array[place] for name, array in vectors.items()}
        yield models.PointStruct(id=row, vector=own, payload=payload)


def _schema(records: Records) -> pa.Schema:
    import pyarrow as pa

    labels = pa.struct([pa.field(attribute, pa.string()) for attribute in records.index.labels])
    return pa.schema(
        [
            pa.field("key", pa.string()),
            *([pa.field("file", pa.string())] if records.files else []),
            *([pa.field("labels", labels)] if records.index.labels else []),
            *(pa.field(length_name(name), pa.float32()) for name in records.lengths),
            *(pa.field(name, pa.list_(pa.float32(), width)) for name, width in records.widths().items()),
        ]
    )


def _batches(records: Records, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    index = records.index
    for rows in records.blocks(_ROWS):
        columns: dict[str, Any] = {"key": pa.array(list(index.keys[rows]), pa.string())}
        if records.files:
            columns["file"] = pa.array(list(records.files[rows]), pa.string())
        if index.labels:
            parts = [pa.array(list(values[rows]), pa.string()) for values in index.labels.values()]
            columns["labels"] = pa.StructArray.from_arrays(parts, names=list(index.labels))
        for name, lengths in records.lengths.items():
            columns[length_name(name)] = pa.array(lengths[rows], pa.float32())
        for name, vectors in records.vectors(rows).items():
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _require(module: str, extra: str | None = None) -> None:
    if find_spec(module) is None:
        name = extra or module
        raise InputError(
            f"{module} is not installed", where=f"--format {name}", hint=f"pip install 'clay-eval[{name}]'"
        )


def _taken(what: str, name: str, place: str | Path) -> InputError:
    return InputError(
        f"there is a {what} of this name",
        where=f"{place}: {name}",
        hint="write it anew with --replace, or elsewhere with --to",
    )
