"""Parts of a rendering that were made apart, on as many machines as there are parts, brought together."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ConfigChangedError, InputError, IntegrityError
from clay_eval.schemas.files import locked, refuse_changes, remove_file, storage_errors, sync_folder
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.manifest import (
    BY_HAND,
    FAILURES,
    MANIFEST,
    QUARANTINE,
    SETTINGS,
    Provenance,
    Tally,
    read_manifest,
)
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.validate import read_sealed

from ..plan.planning import SAMPLES, read_plan_record
from .rendering import PART_NAME, finish, open_folder, plan_specs, shard_tasks
from .work import shard_files

log = logging.getLogger(__name__)


def part_folder(parts: Path, part: tuple[int, int]) -> Path:
    """Where part i of n is rendered: `parts`/i-of-n."""
    return parts / f"{part[0]}-of-{part[1]}"


def find_parts(parts: Path) -> list[Path]:
    """The folders of all parts, in order; raise InputError if there are none, parts of different divisions, or gaps."""
    found = {}
    for path in sorted(parts.iterdir()) if parts.is_dir() else ():
        if match := PART_NAME.fullmatch(path.name):
            found[int(match[1]), int(match[2])] = path
    if not found:
        raise InputError(
            "no parts here", where=parts, hint="make them: clay-eval render --part 1/4, 2/4, 3/4, 4/4"
        )
    divisions = sorted({n for _, n in found})
    if len(divisions) > 1:
        raise InputError(
            "these are parts of different divisions",
            where=parts,
            expected="i-of-n with one n",
            found=", ".join(f"of {n}" for n in divisions),
            hint="remove the folders that do not belong",
        )
    number = divisions[0]
    missing = [i for i in range(1, number + 1) if (i, number) not in found]
    if missing:
        raise InputError(
            "parts are missing",
            where=parts,
            expected=f"{number} parts",
            found="no part " + ", ".join(map(str, missing[:10])),
            hint=f"clay-eval render --part {missing[0]}/{number}",
        )
    return [found[i, number] for i in range(1, number + 1)]


def merge_parts(
    plan_folder: Path, parts: Path, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Bring the shards of all parts to `folder` (hard links, or copies); return the manifest.

    The folder is then the one that an undivided rendering makes. `progress`: called with a part's samples. Killed, it is
    run again; so it is when samples that had failed were drawn in their parts, and when merged files were lost or changed.
    Raises InputError for missing or unfinished parts, ConfigChangedError for parts of other plans or settings and where
    decisions by hand would be undone, IntegrityError for files that are not what their part's manifest says.
    """
    places = find_parts(parts)
    plan = read_plan_record(plan_folder)
    manifests = [_read_part(place, number, len(places)) for number, place in enumerate(places, start=1)]
    settings = [_settings(place) for place in places]
    for place, other in zip(places, settings, strict=True):
        refuse_changes(place, settings[0], other, "render the parts with the same options")
    if settings[0]["plan"] != plan["fingerprint"]:
        raise ConfigChangedError(
            "these parts were made from another plan",
            where=parts,
            expected=plan["fingerprint"],
            found=settings[0]["plan"],
        )
    failed = sum(manifest["filter"]["failed"] for manifest in manifests)
    with locked(folder):
        open_folder(folder, settings[0])
        if _is_merged(folder, failed):
            return read_manifest(folder)
        _refuse_decided(folder, places)
        remove_file(folder / MANIFEST)
        brought: set[Path] = set()
        for place, manifest in zip(places, manifests, strict=True):
            brought |= _bring(place, manifest, folder)
            progress(manifest["filter"]["planned"])
        names, planned = [], Tally()
        for task in shard_tasks(plan_folder / SAMPLES, settings[0]["shard_size"]):
            names.append(task.name)
            for path in shard_files(folder, task.name):
                if path not in brought:
                    remove_file(path)
            for sample in task.samples:
                planned.add(sample.entity, sample.labels, sample.diversity)
        _require_all(parts, manifests, planned.samples)
        provenance = Provenance(
            settings[0]["plan"],
            settings[0]["renderer"],
            settings[0]["judge"],
            settings[0]["attempts"],
            planned,
            failed,
        )
        finish(folder, names, plan_specs(plan_folder, plan), provenance)
    return read_manifest(folder)


def _settings(folder: Path) -> dict[str, Any]:
    return {k: v for k, v in read_sealed(folder / SETTINGS, "render-settings").items() if k != "seal"}


def _read_part(place: Path, number: int, parts: int) -> dict[str, Any]:
    manifest = read_manifest(place)
    if manifest["part"] != [number, parts]:
        raise IntegrityError(
            "a part is not the one that its folder's name says",
            where=place,
            expected=[number, parts],
            found=manifest["part"],
        )
    return manifest


def _is_merged(folder: Path, failed: int) -> bool:
    """Whether merged shards are whole and need nothing from their parts, in which `failed` samples failed."""
    if not (folder / MANIFEST).exists():
        return False
    try:
        manifest = read_manifest(folder)
    except IntegrityError as error:
        log.warning("%s is damaged and is made again: %s", folder / MANIFEST, error.what)
        return False
    listed = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    listed |= {f"{QUARANTINE}/{entry['name']}": entry["sha256"] for entry in manifest["quarantine"]}
    for name, sha256 in listed.items():
        path = folder / name
        if not path.is_file() or file_sha256(path) != sha256:
            log.warning("%s is missing or was changed, and is made again", path)
            return False
    return bool(manifest["filter"]["failed"] <= failed)


def _refuse_decided(folder: Path, parts: Sequence[Path]) -> None:
    """Raise ConfigChangedError where merged shards hold decisions by hand that their parts do not."""
    decided = _decided(folder)
    undone = decided and not decided <= set[str]().union(*map(_decided, parts))
    if undone or _removed(folder) > sum(map(_removed, parts)):
        raise ConfigChangedError(
            "decisions by hand were applied to the merged shards; merging again would undo them",
            where=folder,
            hint="clay-eval render without --part draws what is missing in the merged shards, and nothing else",
        )


def _decided(folder: Path) -> set[str]:
    """The keys of samples whose records end with a decision by hand; damaged tars are passed over."""
    found: set[str] = set()
    for place in (folder, folder / QUARANTINE):
        for path in sorted(place.glob("[!.]*.tar")):
            with suppress(IntegrityError):
                found.update(
                    sample.key
                    for sample in read_shard(path, images=False)
                    if _ends_by_hand(sample.record.get("rejected"))
                )
    return found


def _ends_by_hand(rejected: object) -> bool:
    return isinstance(rejected, list) and bool(rejected) and str(rejected[-1]).startswith(BY_HAND)


def _removed(folder: Path) -> int:
    """How many pictures were removed by hand by the manifest, which knows of lost tars, too; 0 where there is none."""
    with suppress(IntegrityError, InputError):
        return int(read_manifest(folder)["filter"]["by_hand"])
    return 0


def _require_all(parts: Path, manifests: Sequence[Mapping[str, Any]], planned: int) -> None:
    """Raise IntegrityError unless the parts account for every sample of the plan."""
    found = sum(manifest["filter"]["failed"] for manifest in manifests)
    for manifest in manifests:
        found += sum(entry["samples"] or 0 for entry in (*manifest["files"], *manifest["quarantine"]))
    if found != planned:
        raise IntegrityError(
            "the parts are not the whole plan", where=parts, expected=f"{planned} samples", found=found
        )


def _bring(place: Path, manifest: dict[str, Any], folder: Path) -> set[Path]:
    """Link the files of a part into `folder`; return where they are now."""
    brought = set()
    tars = [entry for entry in manifest["files"] if entry["samples"] is not None]
    for below, entries in ((Path(), tars), (Path(QUARANTINE), manifest["quarantine"])):
        for entry in entries:
            source = place / below / entry["name"]
            found = file_sha256(source) if source.is_file() else "no such file"
            if found != entry["sha256"]:
                raise IntegrityError(
                    "a file is not what its part's manifest says",
                    where=source,
                    expected=f"sha256 {entry['sha256']}",
                    found=found,
                    hint="render this part again: it makes damaged shards anew",
                )
            _link(source, folder / below / entry["name"])
            brought.add(folder / below / entry["name"])
    for source in sorted((place / FAILURES).glob("*.jsonl")):
        _link(source, folder / FAILURES / source.name)
        brought.add(folder / FAILURES / source.name)
    return brought


def _link(source: Path, target: Path) -> None:
    """`target` as another name of `source`, or as a copy where that is not possible; whole or not at all."""
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            try:
                os.link(source, temporary)
            except OSError:
                shutil.copyfile(source, temporary)
                with temporary.open("rb") as stream:
                    os.fsync(stream.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        temporary.unlink(missing_ok=True)  # a rename onto the same file leaves both names
        sync_folder(target.parent)
