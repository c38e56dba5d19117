"""Tars written fast: headers made from a template, pieces gathered into large writes, hashed and synced on the way.

The bytes are those of webdataset's TarWriter with mtime=0 (a test compares): POSIX headers, 0444, owner "bigdata", closed
by two blocks of zeros and filled up to a whole record of 10,240 bytes.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import IO

_BLOCK = tarfile.BLOCKSIZE
_GATHER = 1 << 20
_AHEAD = 4
_AT_ONCE = 500
_SYNC = getattr(os, "fdatasync", os.fsync)
_SYNC_EVERY = 16 << 20
_NAME = 100
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_LARGEST = 8**11 - 1


def _described(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o444
    member.uname = member.gname = "bigdata"
    return member


_TEMPLATE = _described("", 0).tobuf(tarfile.PAX_FORMAT)
_TEMPLATE_SUM = sum(_TEMPLATE) - sum(_TEMPLATE[_CHECKSUM]) - sum(_TEMPLATE[_SIZE]) + 8 * ord(" ")


def member_header(name: str, size: int) -> bytes:
    """The header of a plain file of `size` bytes, as tarfile writes it in its PAX format."""
    encoded = name.encode()
    if len(encoded) > _NAME or len(encoded) != len(name) or size > _LARGEST:
        return _described(name, size).tobuf(tarfile.PAX_FORMAT)
    length = b"%011o\0" % size
    checksum = b"%06o\0 " % (_TEMPLATE_SUM + sum(encoded) + sum(length))
    header = bytearray(_TEMPLATE)
    header[: len(encoded)] = encoded
    header[_SIZE] = length
    header[_CHECKSUM] = checksum
    return bytes(header)


def parse_plain(header: bytes | bytearray) -> tuple[str, int] | None:
    """(name, size) of a header that is exactly what `member_header` makes of them in one block; None for any other."""
    try:
        name = bytes(header[:_NAME]).rstrip(b"\0").decode("ascii")
        size = int(header[_SIZE][:-1], 8)
    except ValueError:
        return None
    return (name, size) if size >= 0 and member_header(name, size) == header else None


def padding(size: int) -> bytes:
    """Zeros that fill a member of `size` bytes up to a whole block."""
    return bytes(-size % _BLOCK)


def closing(size: int) -> bytes:
    """What ends a tar of `size` bytes."""
    mark = 2 * _BLOCK
    return bytes(mark + -(size + mark) % tarfile.RECORDSIZE)


class HashedFile:
    """Appends to a binary file, small pieces gathered, and has sha256 and the disk at work on what was written.

    Both work in threads of their own, so that the end of a large file has little to wait for. Use it as a context manager
    around all writing. It does not replace the fsync at the end. `bytes` counts what was written.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        stream.flush()
        self._handle = stream.fileno()
        self._digest = hashlib.sha256()
        self._hashing = ThreadPoolExecutor(1)  # one thread, or pieces overtake each other
        self._syncing = ThreadPoolExecutor(1)
        self._hashed: deque[Future[None]] = deque()
        self._synced: Future[None] | None = None
        self._waiting: list[bytes] = []
        self._held = self._unsynced = 0
        self.bytes = 0

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._hashing.shutdown(wait=True)
        self._syncing.shutdown(wait=True)

    def write(self, *pieces: bytes) -> None:
        """Append pieces."""
        self._waiting += pieces
        size = sum(map(len, pieces))
        self._held += size
        self.bytes += size
        if self._held >= _GATHER:
            self._flush()

    def sha256(self) -> str:
        """Write what is left; the digest of all, in hexadecimal."""
        self._flush()
        for future in (*self._hashed, self._synced):
            if future is not None:
                future.result()
        return self._digest.hexdigest()

    def _flush(self) -> None:
        pieces, self._waiting = self._waiting, []
        while len(self._hashed) > _AHEAD:
            self._hashed.popleft().result()
        self._hashed.append(self._hashing.submit(self._hash, pieces))
        _write_all(self._handle, pieces)
        self._unsynced += self._held
        self._held = 0
        if self._unsynced >= _SYNC_EVERY and (self._synced is None or self._synced.done()):
            if self._synced is not None:
                self._synced.result()
            self._synced = self._syncing.submit(_SYNC, self._handle)
            self._unsynced = 0

    def _hash(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)


def _write_all(handle: int, pieces: Sequence[bytes]) -> None:
    """Write without copying; a disk may take part of it at a time."""
    waiting = deque(memoryview(piece) for piece in pieces if piece)
    while waiting:
        written = os.writev(handle, list(islice(waiting, _AT_ONCE)))
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.popleft())
        if written:
            waiting[0] = waiting[0][written:]
