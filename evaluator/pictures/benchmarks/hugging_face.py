"""Image data sets as Hugging Face's `datasets` keeps them: parquet files, or a folder of `save_to_disk`; read with pyarrow.

    *.parquet, data/*.parquet                               as on the Hub
    data-*.arrow, state.json, dataset_info.json             one split of save_to_disk
    dataset_dict.json, <split>/data-*.arrow, ...            several

A column of pictures is a struct of `bytes` and `path`; only pictures whose bytes are in the file are read. Conditions are
columns of class labels, texts, whole numbers or booleans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clay_eval.schemas.decoding import MAX_BYTES
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.reading import check_regular
from clay_eval.schemas.validate import parse_json

from ..label_tables import label_table
from ..labelled import UNIT_IMAGES, Labelled, Unit
from ..names import entity_name
from ..notes import identical_pictures
from .naming import HUGGING_FACE

LAYOUT = ("*.parquet or data/*.parquet", "or what save_to_disk writes: data-*.arrow, dataset_dict.json")
MAX_BATCH_BYTES = 2 << 30
_ROWS = 64


@dataclass(frozen=True)
class _Slice:
    """Rows `start` to `stop` of a file; the sha256 of each picture."""

    file: Path
    start: int
    stop: int
    hashes: tuple[str, ...]


class HuggingFaceSource:
    """Pictures of one data set; every picture is read and hashed once when it is opened.

    conditions: the columns to take; None takes class labels, and where there are none, the other columns that say
    something (more than one value, fewer values than pictures). tags: the splits to take, None for all.

    Raises InputError for what cannot be read, files without a column of pictures, pictures whose bytes are elsewhere,
    and conditions that are not columns; IntegrityError while reading for a picture that changed.
    """

    kind = "benchmark"
    benchmark = HUGGING_FACE
    unlisted = 0

    def __init__(
        self,
        folder: Path,
        entity: str | None = None,
        conditions: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        parents: Mapping[str, str] | None = None,
    ) -> None:
        self.tags = tuple(tags)
        files = [file for file in _files(folder) if not tags or _split(file) in tags]
        if not files:
            raise InputError(
                "no such split" if tags else "no data set of Hugging Face here",
                where=folder,
                expected=sorted({_split(file) for file in _files(folder)}) if tags else ", ".join(LAYOUT),
                found=list(tags) or None,
            )
        name = entity_name(entity, folder)
        schema = _Schema.of(files[0])
        columns = list(conditions) if conditions else schema.labels
        if unknown := sorted(set(columns) - set(schema.scalars)):
            raise InputError("no such column of labels", where=folder, expected=schema.scalars, found=unknown)
        keys: list[str] = []
        values: dict[str, list[str]] = {column: [] for column in columns}
        self._slices: dict[str, _Slice] = {}
        self._column = schema.image
        units: list[Unit] = []
        for number, file in enumerate(files):
            if _Schema.of(file).kinds != schema.kinds:
                raise InputError("another file has other columns", where=file, expected=schema.kinds)
            start = 0
            for hashes, found in _units(file, schema, columns):
                stop = start + len(hashes)
                own = tuple(f"f{number:04d}-{row:07d}" for row in range(start, stop))
                unit = Unit(f"{name}-{len(units):05d}", fingerprint([list(own), hashes]), name, own)
                self._slices[unit.name] = _Slice(file, start, stop, tuple(hashes))
                units.append(unit)
                keys += own
                for column in columns:
                    values[column] += found[column]
                start = stop
        if not values:
            raise InputError(
                "there is no column of labels",
                where=folder,
                expected="class labels or texts",
                found=schema.kinds,
            )
        table = label_table(
            values,
            lambda i, column: f"{folder}: {keys[i]} column {column!r}",
            folder,
            parents,
            chosen=bool(conditions),
            guessed=not conditions,
            reasons={} if conditions else schema.passed_over(),
        )
        hashes = [digest for part in self._slices.values() for digest in part.hashes]
        self.notes = (*identical_pictures(keys, hashes, table.labels), *table.notes)
        self._units = tuple(units)
        self.entities: Mapping[str, Labelled] = {
            name: Labelled(tuple(keys), table.labels, table.parents, name)
        }
        self.fingerprint: str = fingerprint(
            {
                "units": [[unit.name, unit.sha256] for unit in units],
                "labels": {c: list(v) for c, v in table.labels.items()},
                "parents": dict(table.parents),
            }
        )

    def units(self) -> tuple[Unit, ...]:
        """All units, file by file."""
        return self._units

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture)."""
        part = self._slices[unit.name]
        rows = _rows(part.file, [self._column], part.start, part.stop)
        pictures = (
            _picture(row[self._column], f"{part.file} row {part.start + i}") for i, row in enumerate(rows)
        )
        for key, expected, data in zip(unit.keys, part.hashes, pictures, strict=True):
            if hashlib.sha256(data).hexdigest() != expected:
                raise IntegrityError(
                    "a picture changed while it was in use", where=f"{part.file}: {key}", hint="run again"
                )
            yield key, data


@dataclass(frozen=True)
class _Schema:
    """image: the column of pictures; scalars: columns that could be labels; labels: those taken unasked; classes: column ->
    names of its numbers; kinds: column -> type, to compare files."""

    image: str
    scalars: list[str]
    labels: list[str]
    classes: Mapping[str, list[str]]
    kinds: Mapping[str, str]

    @staticmethod
    def of(file: Path) -> _Schema:
        import pyarrow as pa

        arrow = _arrow_schema(file)
        images = [f.name for f in arrow if pa.types.is_struct(f.type) and "bytes" in {s.name for s in f.type}]
        if len(images) != 1:
            raise InputError(
                "not one column of pictures",
                where=file,
                expected="a struct with bytes, as datasets writes images",
                found=images or [f.name for f in arrow],
            )
        classes = _class_names(arrow, file)
        tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean)
        scalars = [field.name for field in arrow if any(test(field.type) for test in tests)]
        labels = [column for column in scalars if column in classes] or scalars
        return _Schema(images[0], scalars, labels, classes, {f.name: str(f.type) for f in arrow})

    def passed_over(self) -> dict[str, str]:
        """Column -> why it is not taken for labels unasked."""
        others = {name: kind for name, kind in self.kinds.items() if name not in {self.image, *self.labels}}
        return {
            name: "no class label; --condition takes it all the same"
            if name in self.scalars
            else f"a column of {kind[:40]}"
            for name, kind in others.items()
        }

    def text(self, column: str, value: object, where: str) -> str:
        """A label as text, "" for what is missing; a class label by its name."""
        names = self.classes.get(column)
        if names is not None:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(names):
                raise InputError(
                    "a label without a class",
                    where=where,
                    expected=f"0 to {len(names) - 1}",
                    found=repr(value),
                )
            return names[value]
        if value is None:
            return ""
        return str(value).strip().lower() if isinstance(value, bool) else str(value).strip()


def _files(folder: Path) -> list[Path]:
    if folder.is_file() and folder.suffix in (".parquet", ".arrow"):
        return [folder]
    if not folder.is_dir():
        raise InputError(
            "no such folder of a Hugging Face data set", where=folder, expected=", ".join(LAYOUT)
        )
    parquet = [*folder.glob("*.parquet"), *folder.glob("*/*.parquet")]
    arrow = [*folder.glob("data-*.arrow"), *folder.glob("*/data-*.arrow")]
    files = sorted(parquet or arrow)
    for file in files:
        check_regular(file)
    return files


def _split(file: Path) -> str:
    """`train` of train-00000-of-00001.parquet or of train/data-00000-of-00001.arrow."""
    return (
        file.parent.name if file.suffix == ".arrow" else file.name.partition("-")[0].removesuffix(".parquet")
    )


def _arrow_schema(file: Path) -> Any:
    with _readable(file):
        if file.suffix == ".parquet":
            import pyarrow.parquet as pq

            return pq.ParquetFile(file).schema_arrow
        import pyarrow as pa

        with pa.memory_map(str(file)) as mapped:
            return pa.ipc.open_stream(mapped).schema


def _class_names(schema: Any, file: Path) -> dict[str, list[str]]:
    """Column -> the names of its classes, from the metadata that datasets writes into the schema."""
    raw = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = parse_json(raw, file).get("info", {}).get("features", {})
    except (InputError, AttributeError) as error:
        said = str(error).partition("\n")[0]
        raise InputError("metadata that cannot be read", where=file, found=said) from error
    found = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        names = feature.get("names") if isinstance(feature, dict) else None
        if isinstance(names, list) and all(isinstance(item, str) and item.strip() for item in names):
            found[name] = names
    return found


def _units(
    file: Path, schema: _Schema, columns: Sequence[str]
) -> Iterator[tuple[list[str], dict[str, list[str]]]]:
    """(hashes, column -> labels) for every `UNIT_IMAGES` rows of a file."""
    hashes: list[str] = []
    labels: dict[str, list[str]] = {column: [] for column in columns}
    for number, row in enumerate(_rows(file, [schema.image, *columns], 0, None)):
        where = f"{file} row {number}"
        hashes.append(hashlib.sha256(_picture(row[schema.image], where)).hexdigest())
        for column in columns:
            labels[column].append(schema.text(column, row[column], where))
        if len(hashes) == UNIT_IMAGES:
            yield hashes, labels
            hashes, labels = [], {column: [] for column in columns}
    if hashes:
        yield hashes, labels


def _rows(file: Path, columns: Sequence[str], start: int, stop: int | None) -> Iterator[dict[str, Any]]:
    """Rows `start` to `stop` of some columns, a few at a time; row groups and batches before them are not decoded."""
    row = 0
    with _readable(file):
        for length, batches in _blocks(file, columns):
            if stop is not None and row >= stop:
                return
            inside = row
            for batch in batches() if row + length > start else ():
                low, high = max(start - inside, 0), batch.num_rows
                high = high if stop is None else min(high, stop - inside)
                for place in range(low, high, _ROWS):
                    yield from batch.slice(place, min(_ROWS, high - place)).to_pylist()
                inside += batch.num_rows
            row += length


def _blocks(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, Callable[[], Iterable[Any]]]]:
    """(rows, how to read them) for every row group of a parquet file, or every batch of an Arrow stream."""
    import pyarrow as pa

    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            facts = parquet.metadata.row_group(group)
            _check_size(file, facts.total_byte_size)
            yield (
                facts.num_rows,
                partial(parquet.iter_batches, _ROWS, row_groups=[group], columns=list(columns)),
            )
        return
    with pa.memory_map(str(file)) as mapped:
        for batch in pa.ipc.open_stream(mapped):
            batch.validate(full=True)
            _check_size(file, batch.nbytes)
            yield batch.num_rows, partial(tuple, [batch.select(list(columns))])


def _check_size(file: Path, size: int) -> None:
    if size > MAX_BATCH_BYTES:
        raise InputError(
            "a block of the file is too large", where=file, expected=f"at most {MAX_BATCH_BYTES}", found=size
        )


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn pyarrow's errors about a file into InputErrors."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError("not a readable file of data", where=file, found=str(error)[:300]) from error


def _picture(value: Any, where: str) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else None
    if not isinstance(data, bytes) or not data:
        raise InputError(
            "a picture is not in the file",
            where=where,
            expected="bytes",
            found=f"a path: {value['path']!r}"[:200]
            if isinstance(value, dict) and value.get("path")
            else "nothing",
            hint="save the data set with its pictures embedded (datasets does so for parquet and the Hub)",
        )
    if len(data) > MAX_BYTES:
        raise InputError("a picture has too many bytes", where=where, expected=MAX_BYTES, found=len(data))
    return data
