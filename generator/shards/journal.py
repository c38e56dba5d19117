"""What is said of a shard while it is drawn: a hidden file beside it, a line a picture, gone before the shard appears.

A shard is written when its last picture is there, which may take an hour. Until then this file is where `clay-eval status`
sees its pictures. It is named as temporary files are, so that whoever works in the folder next removes it after a kill, and
nothing that is kept depends on it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.reading import read_bytes
from clay_eval.schemas.validate import parse_json

DRAWN, QUARANTINED, FAILED, AGAIN = "drawn", "quarantined", "failed", "again"
LOCK = ".lock"
FRESH_SECONDS = 1800.0
"""A journal of another machine that nobody has written to for so long is one of a run that was killed."""
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Fate:
    """What became of a sample so far.

    end: `DRAWN`, `QUARANTINED`, `FAILED`, or `AGAIN` while a rejected one waits for its next attempt. rejected: pictures of
    it that were rejected. failed: what they failed at, an attribute (or "prompt") for each time.
    """

    end: str
    rejected: int = 0
    failed: tuple[str, ...] = ()


Note = Callable[[Iterable[tuple[str, Fate]]], None]
"""Takes keys with what became of them just now."""


def rejections(texts: Iterable[object]) -> int:
    """How many pictures the lines under "rejected" are about; what was removed by hand is none."""
    return len({str(text).partition(":")[0] for text in texts if str(text).startswith("attempt ")})


def fate_of(record: Mapping[str, Any], accepted: bool) -> Fate:
    """What became of a sample by the JSON beside its picture, which lies in a shard (`accepted`) or in quarantine."""
    rejected, failed = (record.get(name) for name in ("rejected", "failed"))
    texts = failed if isinstance(failed, list) else []
    number = rejections(rejected if isinstance(rejected, list) else [])
    return Fate(DRAWN if accepted else QUARANTINED, number, tuple(map(str, texts)))


@contextmanager
def shard_journal(folder: Path, shard: str) -> Iterator[Note]:
    """What notes the pictures of `shard` in `folder` while the block lasts; it never stands in the way of drawing."""
    path = folder / f".{shard}.drawing.{secrets.token_hex(4)}.part"

    def write(*records: Mapping[str, Any]) -> None:
        with suppress(OSError), path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in records)

    def note(fates: Iterable[tuple[str, Fate]]) -> None:
        now = time.time()
        write(*({"key": key, "time": now, **asdict(fate)} for key, fate in fates))

    try:
        write({"host": socket.gethostname(), "process": os.getpid()})
        yield note
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def journals(folder: Path) -> dict[str, list[Path]]:
    """The journals in `folder` by the name of their shard."""
    found: dict[str, list[Path]] = {}
    for path in folder.glob(".*.tar.drawing.*.part"):
        found.setdefault(path.name[1:].partition(".drawing.")[0], []).append(path)
    return found


def read_journal(path: Path) -> dict[str, tuple[float, Fate]]:
    """Key -> (time in seconds, its latest fate); empty where the file has gone. A line that is half written is left out."""
    found: dict[str, tuple[float, Fate]] = {}
    try:
        lines = read_bytes(path, _MOST_BYTES).splitlines()
    except (ClayEvalError, OSError):
        return {}
    for line in lines:
        try:
            said = parse_json(line, path)
            fate = Fate(str(said["end"]), int(said["rejected"]), tuple(map(str, said["failed"])))
            found[str(said["key"])] = float(said["time"]), fate
        except (ClayEvalError, KeyError, TypeError, ValueError):
            continue
    return found


def is_alive(path: Path) -> bool:
    """Whether somebody may still write a journal.

    Of a process of this machine that is known; elsewhere somebody may, while the file is no older than `FRESH_SECONDS`.
    """
    fresh = False
    try:
        fresh = time.time() - path.stat().st_mtime <= FRESH_SECONDS
        with path.open("rb") as stream:
            said = parse_json(stream.readline(1000), path)
        if os.name == "posix" and said["host"] == socket.gethostname():
            os.kill(int(said["process"]), 0)
            return True
    except ProcessLookupError:
        return False
    except (ClayEvalError, OSError, KeyError, TypeError, ValueError):
        return fresh
    return fresh


def mark_beginning(folder: Path) -> None:
    """Set the time of the folder's lock to now: drawing begins. Rates are counted from there on."""
    with suppress(OSError):
        (folder / LOCK).touch()
