"""Files that are whole or absent: atomic writes, locks, and the settings an output folder was made with."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from .errors import BusyError, ConfigChangedError, InputError, StorageError
from .fingerprint import sealed_text

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EIO,
}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full disk (or quota, or limit on file sizes) and a place where one cannot write into a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                "the disk is full; nothing half-written was kept",
                where=path,
                found=error.strerror,
                hint="free some space and run the same command again: it continues where it was",
            ) from error
        if error.errno in _FORBIDDEN:
            raise StorageError("cannot write here", where=path, found=error.strerror) from error
        raise


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A binary stream whose bytes appear at `path` only if the block ends without an exception.

    Written beside the target, flushed to disk (fsync), then moved with os.replace. durable: without it the disk is not
    waited for, for small files that are many and can be made again. Raises StorageError on a full disk.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_file(path) as stream:
        stream.write(text.encode())


def write_sealed(path: Path, record: dict[str, Any]) -> None:
    """Write `record` as sealed JSON (see fingerprint.sealed_text), atomically."""
    write_text(path, sealed_text(record))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, on file systems that can sync a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def remove_file(path: Path) -> None:
    """Delete a file, durably; nothing if it is not there."""
    with storage_errors(path):
        if path.exists():
            path.unlink()
            sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed run left in `folder`. Call it while holding the folder's lock."""
    for leftover in folder.glob(".*.????????.part"):
        leftover.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; a second run gets a BusyError. The lock goes with the process, even on kill -9."""
    with storage_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError("the output is not a folder", where=folder, expected="a folder", found="a file")
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise BusyError(
                "another run is working in this folder",
                where=folder,
                hint="wait for it to end, or choose another --out",
            ) from error
    try:
        yield
    finally:
        lock.release()


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """One line for each leaf that differs between two JSON values: "path: before -> now"."""
    if isinstance(before, dict) and isinstance(now, dict):
        lines: list[str] = []
        for key in sorted({*before, *now}):
            where = f"{path}.{key}" if path else str(key)
            if key not in before:
                lines.append(f"{where}: (absent) -> {now[key]!r}")
            elif key not in now:
                lines.append(f"{where}: {before[key]!r} -> (absent)")
            else:
                lines += differences(before[key], now[key], where)
        return lines
    return [] if before == now else [f"{path}: {before!r} -> {now!r}"]


_OTHER_FOLDER = "use the same options to continue it, or choose another --out"


def refuse_changes(
    where: Path, before: dict[str, Any], now: dict[str, Any], hint: str = _OTHER_FOLDER
) -> None:
    """Raise ConfigChangedError that says what changed, if the settings of the work in `where` differ from `now`."""
    changed = differences(before, now)
    if changed:
        raise ConfigChangedError(
            "this folder holds work made with another configuration:\n    " + "\n    ".join(changed),
            where=where,
            hint=hint,
        )
