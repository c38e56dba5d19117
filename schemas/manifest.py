"""The manifest of a shards folder, and labels.csv beside it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError, IntegrityError
from .files import atomic_file, write_sealed
from .fingerprint import file_sha256, fingerprint
from .shards import read_shard
from .software import versions
from .validate import read_sealed

MANIFEST = "manifest.json"
LABELS = "labels.csv"
SETTINGS = "render.json"
_FIXED = ("key", "entity", "shard")


def shard_name(entity: str, number: int, split: str = "test") -> str:
    """`<entity>-<split>-00000.tar`."""
    return f"{entity}-{split}-{number:05d}.tar"


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a shards folder; a missing one raises InputError, a damaged one IntegrityError."""
    path = folder / MANIFEST
    if not path.is_file():
        unfinished = (folder / SETTINGS).exists()
        raise InputError(
            "these shards are not finished" if unfinished else "no shards here",
            where=path,
            hint="run clay-eval render again to finish them" if unfinished else "make some: clay-eval render",
        )
    return read_sealed(path, "manifest")


def label_columns(entities: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Columns of labels.csv: key, entity, shard, then every core and every diversity attribute, each once."""
    core = [name for facts in entities.values() for name in facts["attributes"]]
    diversity = [name for facts in entities.values() for name in facts["diversity"]]
    return list(dict.fromkeys([*_FIXED, *core, *diversity]))


def label_row(key: str, shard: str, record: Mapping[str, Any]) -> dict[str, str]:
    """The row of labels.csv for a sample, from the JSON in its shard."""
    return {"key": key, "entity": record["entity"], "shard": shard, **record["diversity"], **record["labels"]}


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[bytes]:
    """labels.csv, a line at a time, as UTF-8; a cell is empty where an entity has no such attribute."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        yield _drain(stream)
        writer.writerow(row)
    yield _drain(stream)


def _drain(stream: io.StringIO) -> bytes:
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return text.encode()


def check_record(record: Mapping[str, Any], key: str, entities: Mapping[str, Any], where: str) -> None:
    """Raise IntegrityError if a sample's JSON lacks what the manifest says its entity has."""
    entity = record.get("entity")
    if record.get("key") != key or not isinstance(entity, str) or entity not in entities:
        raise IntegrityError(
            "a sample's JSON does not belong to it",
            where=where,
            expected=f"key {key!r} and an entity among {sorted(entities)}",
            found=f"key {record.get('key')!r}, entity {entity!r}",
        )
    for field, names in (("labels", "attributes"), ("diversity", "diversity")):
        labels: Any = record.get(field)
        names = entities[entity][names]
        whole = isinstance(labels, dict) and set(labels) == set(names)
        if not whole or not all(isinstance(labels[name], str) and labels[name] for name in names):
            raise IntegrityError(
                f"a sample's {field} are not those of its entity", where=where, expected=names, found=labels
            )


def write_manifest(
    folder: Path,
    shards: Sequence[str],
    entities: Mapping[str, Mapping[str, Any]],
    plan: str,
    renderer: Mapping[str, Any],
) -> None:
    """Read the finished shards; write labels.csv, then manifest.json, both atomically.

    entities: name -> attributes, parents, diversity, spec (fingerprint). plan: fingerprint of the plan.
    """
    per_shard: dict[str, Counter[str]] = {}

    def rows() -> Iterator[dict[str, str]]:
        for shard in shards:
            counts = per_shard.setdefault(shard, Counter())
            for sample in read_shard(folder / shard):
                check_record(sample.record, sample.key, entities, f"{folder / shard}: {sample.key}")
                counts[sample.record["entity"]] += 1
                yield label_row(sample.key, shard, sample.record)

    with atomic_file(folder / LABELS) as stream:
        for line in csv_lines(label_columns(entities), rows()):
            stream.write(line)
    files = [_facts(folder / shard, per_shard[shard]) for shard in shards]
    files.append(_facts(folder / LABELS, None))
    total = sum(per_shard.values(), Counter())
    body = {"plan": plan, "renderer": dict(renderer), "files": files}
    write_sealed(
        folder / MANIFEST,
        {
            "schema": "clay-eval/manifest/1",
            "software": versions("pillow", "webdataset"),
            **body,
            "entities": {name: {"samples": total[name], **facts} for name, facts in entities.items()},
            "samples": total.total(),
            "fingerprint": fingerprint(body),
        },
    )


def _facts(path: Path, counts: Counter[str] | None) -> dict[str, Any]:
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
        "samples": None if counts is None else counts.total(),
        "entity": None if counts is None else next(iter(counts), None),
    }
