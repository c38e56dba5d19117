"""The manifest of a shards folder, and labels.csv beside it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InputError, IntegrityError
from .files import atomic_file, write_sealed
from .fingerprint import file_sha256, fingerprint
from .shards import FileFacts, read_shard
from .software import versions
from .validate import read_sealed

MANIFEST = "manifest.json"
LABELS = "labels.csv"
SETTINGS = "render.json"
QUARANTINE = "quarantine"
FAILURES = "failures"
BY_HAND = "by hand: "
ACCEPTED_BY_HAND = BY_HAND + "accepted"
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
    for part, names in (("labels", "attributes"), ("diversity", "diversity")):
        labels: Any = record.get(part)
        names = entities[entity][names]
        whole = isinstance(labels, dict) and set(labels) == set(names)
        if not whole or not all(isinstance(labels[name], str) and labels[name] for name in names):
            raise IntegrityError(
                f"a sample's {part} are not those of its entity", where=where, expected=names, found=labels
            )


@dataclass
class Tally:
    """Samples counted by entity, attribute (core and diversity) and value."""

    counts: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    samples: int = 0

    def add(self, entity: str, labels: Mapping[str, str], diversity: Mapping[str, str]) -> None:
        """Count one sample."""
        self.samples += 1
        attributes = self.counts.setdefault(entity, {})
        for name, value in (*labels.items(), *diversity.items()):
            attributes.setdefault(name, Counter())[value] += 1

    def count(self, entity: str, attribute: str, value: str) -> int:
        """How many samples have this value."""
        return self.counts.get(entity, {}).get(attribute, Counter())[value]


@dataclass(frozen=True)
class Provenance:
    """How the pictures of a shards folder came about.

    plan: fingerprint of the plan. judge: identity, or None. attempts: pictures a sample at most. planned: what the plan
    holds (of this part). failed: samples that could not be drawn. part: (i, n) of a part of a plan, None for all of it.
    """

    plan: str
    renderer: Mapping[str, Any]
    judge: Mapping[str, Any] | None
    attempts: int
    planned: Tally
    failed: int = 0
    part: tuple[int, int] | None = None


def provenance_of(manifest: Mapping[str, Any]) -> Provenance:
    """What a manifest says of how it came about, to write it anew after pictures moved."""
    planned = Tally(samples=manifest["filter"]["planned"])
    for entity, attributes in manifest["balance"].items():
        planned.counts[entity] = {
            name: Counter({value: counts[0] for value, counts in values.items()})
            for name, values in attributes.items()
        }
    found = manifest["filter"]
    part = manifest["part"]
    return Provenance(
        manifest["plan"],
        manifest["renderer"],
        found["judge"],
        found["attempts"],
        planned,
        found["failed"],
        None if part is None else (part[0], part[1]),
    )


@dataclass
class Recount:
    """What was read in the tars, counted; `failed` is what the lists of failures say."""

    kept: Tally = field(default_factory=Tally)
    first_try: int = 0
    quarantined: int = 0
    by_hand: int = 0
    failed: int = 0
    rejections: Counter[str] = field(default_factory=Counter)

    def add(self, record: Mapping[str, Any], accepted: bool) -> None:
        """Count the JSON of a sample, as `check_record` lets it pass."""
        self.rejections.update(_texts(record.get("failed")))
        if accepted:
            self.kept.add(record["entity"], record["labels"], record["diversity"])
            self.first_try += record.get("attempt", 1) == 1
        else:
            self.quarantined += 1
            self.by_hand += any(text.startswith(BY_HAND) for text in _texts(record.get("rejected"))[-1:])

    def filter_record(self, provenance: Provenance) -> dict[str, Any]:
        """What a manifest says under "filter"."""
        return {
            "judge": provenance.judge,
            "attempts": provenance.attempts,
            "planned": provenance.planned.samples,
            "accepted": self.kept.samples,
            "first_try": self.first_try,
            "quarantined": self.quarantined,
            "by_hand": self.by_hand,
            "failed": self.failed,
            "rejections": dict(sorted(self.rejections.items())),
        }

    def balance(self, planned: Tally) -> dict[str, dict[str, dict[str, list[int]]]]:
        """Entity -> attribute -> value -> [planned, kept]."""
        return {
            entity: {
                name: {
                    value: [count, self.kept.count(entity, name, value)]
                    for value, count in sorted(values.items())
                }
                for name, values in attributes.items()
            }
            for entity, attributes in planned.counts.items()
        }


def checked_labels(
    judge: Mapping[str, Any] | None, facts: Mapping[str, Any], values: Mapping[str, Sized]
) -> list[str]:
    """The attributes of an entity whose labels a judge checked; the others are what was asked for, and no more.

    facts: what the manifest says of the entity. values: attribute -> its planned values; of one alone nothing is checked.
    """
    if judge is None:
        return []
    read = [*facts["attributes"], *(facts["diversity"] if _reads_diversity(judge) else ())]
    return [name for name in read if len(values.get(name, ())) > 1]


def _reads_diversity(judge: Mapping[str, Any]) -> bool:
    return any(one.get("diversity") is True for one in judge.get("judges", [judge]))


def _texts(found: Any) -> list[str]:
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def write_manifest(
    folder: Path,
    shards: Sequence[str],
    entities: Mapping[str, Mapping[str, Any]],
    provenance: Provenance,
    written: Mapping[str, FileFacts] | None = None,
) -> None:
    """Read the finished shards and the quarantine; write labels.csv, then manifest.json, both atomically.

    shards: names in order. entities: name -> attributes, parents, diversity, spec (fingerprint). written: facts of files
    that were written just now, by their path in `folder`, which need not be hashed again. Raises IntegrityError for samples
    that are not of their entity, and if what is accepted, quarantined and failed is not as much as what was planned.
    """
    written = written or {}
    per_shard: dict[str, Counter[str]] = {}
    found = Recount(failed=provenance.failed)

    def rows() -> Iterator[dict[str, str]]:
        for shard in shards:
            counts = per_shard.setdefault(shard, Counter())
            for sample in _checked(folder / shard, entities):
                counts[sample["entity"]] += 1
                found.add(sample, accepted=True)
                yield label_row(sample["key"], shard, sample)

    with atomic_file(folder / LABELS) as stream:
        for line in csv_lines(label_columns(entities), rows()):
            stream.write(line)
    files = [_facts(folder / shard, per_shard[shard], written.get(shard)) for shard in shards]
    files.append(_facts(folder / LABELS, None))
    quarantine = []
    for path in sorted((folder / QUARANTINE).glob("*.tar")):
        counts: Counter[str] = Counter()
        for record in _checked(path, entities):
            counts[record["entity"]] += 1
            found.add(record, accepted=False)
        quarantine.append(
            {
                k: v
                for k, v in _facts(path, counts, written.get(f"{QUARANTINE}/{path.name}")).items()
                if k != "entity"
            }
        )
    there = found.kept.samples + found.quarantined + found.failed
    if there != provenance.planned.samples:
        raise IntegrityError(
            "the shards do not hold what was planned",
            where=folder,
            expected=f"{provenance.planned.samples} samples, in shards, {QUARANTINE}/ or {FAILURES}/",
            found=there,
            hint="a shard that does not belong here must go",
        )
    total = sum(per_shard.values(), Counter())
    body = {"plan": provenance.plan, "renderer": dict(provenance.renderer), "files": files}
    write_sealed(
        folder / MANIFEST,
        {
            "schema": "clay-eval/manifest/1",
            "software": versions("pillow"),
            **body,
            "part": None if provenance.part is None else list(provenance.part),
            "entities": {
                name: {
                    "samples": total[name],
                    **facts,
                    "checked": checked_labels(
                        provenance.judge, facts, provenance.planned.counts.get(name, {})
                    ),
                }
                for name, facts in entities.items()
            },
            "samples": total.total(),
            "filter": found.filter_record(provenance),
            "balance": found.balance(provenance.planned),
            "quarantine": quarantine,
            "fingerprint": fingerprint(body),
        },
    )


def _checked(path: Path, entities: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for sample in read_shard(path, images=False):
        check_record(sample.record, sample.key, entities, f"{path}: {sample.key}")
        yield sample.record


def _facts(path: Path, counts: Counter[str] | None, known: FileFacts | None = None) -> dict[str, Any]:
    return {
        "name": path.name,
        "bytes": path.stat().st_size if known is None else known.bytes,
        "sha256": file_sha256(path) if known is None else known.sha256,
        "samples": None if counts is None else counts.total(),
        "entity": None if counts is None else next(iter(counts), None),
    }
