"""What a tar of clay-eval is, to the byte: webdataset's TarWriter writes it, into a file that hashes and syncs.

POSIX headers, mode 0444, owner "bigdata", time 0, closed by two blocks of zeros and filled up to a whole record of 10,240
bytes. What is read strictly is held against the headers that tarfile makes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from webdataset.writer import TarWriter

_BLOCK = tarfile.BLOCKSIZE
_GATHER = 1 << 20
_AHEAD = 4
_SYNC = getattr(os, "fdatasync", os.fsync)
_SYNC_EVERY = 16 << 20
_NAME = 100
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_WEBDATASET = "_webdataset_without_torch"


def tar_writer(file: HashedFile) -> TarWriter:
    """Webdataset's writer of samples whose members are bytes, such that the same samples give the same bytes."""
    writer = _writer_class()(file, mtime=0, encoder=False)
    # The one it opens is tarfile's for pipes: it copies every byte thrice, and hands it on in pieces of 10 KiB.
    writer.tarstream = tarfile.TarFile(fileobj=cast("IO[bytes]", file), mode="w", copybufsize=_GATHER)
    return writer


@cache
def _writer_class() -> type[TarWriter]:
    # `import webdataset` imports torch, two seconds in which a procedural renderer has drawn its first hundreds of
    # pictures; the writer needs none of it. So its modules are imported below a package of the same folder that is empty.
    found = find_spec("webdataset")
    package = ModuleType(_WEBDATASET)
    package.__path__ = list(found.submodule_search_locations or ()) if found else []
    sys.modules[_WEBDATASET] = package
    writer: type[TarWriter] = import_module(f"{_WEBDATASET}.writer").TarWriter
    return writer


def member_header(name: str, size: int) -> bytes:
    """The header of a plain file of `size` bytes, as the writer lets tarfile make it, pax records included."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o444
    member.uname = member.gname = "bigdata"
    return member.tobuf(tarfile.PAX_FORMAT)


_PLAIN = bytearray(member_header("", 0))
_PLAIN[_CHECKSUM] = b" " * 8


def parse_plain(header: bytes | bytearray) -> tuple[str, int] | None:
    """(name, size) of a header that is `member_header` of them in one block; None for any other."""
    # tarfile parses a header and makes it again in 70 microseconds. Every stage reads every sample, two headers each, in
    # 80 microseconds in all; so the expected header is filled in here, and compared.
    name = bytes(header[:_NAME]).rstrip(b"\0")
    try:
        size = int(header[_SIZE][:-1], 8)
        expected = _PLAIN.copy()
        expected[: len(name)] = name
        expected[_SIZE] = b"%011o\0" % size
        expected[_CHECKSUM] = b"%06o\0 " % sum(expected)
        return (name.decode("ascii"), size) if size >= 0 and expected == header else None
    except ValueError:
        return None


def closing(size: int) -> bytes:
    """What ends a tar of `size` bytes."""
    mark = 2 * _BLOCK
    return bytes(mark + -(size + mark) % tarfile.RECORDSIZE)


class HashedFile:
    """A file to write to, while sha256 and the disk are at work on what was written.

    Both work in threads of their own, so that the end of a large file has little to wait for. Use it as a context manager
    around all writing. It does not replace the fsync at the end. `bytes` counts what was written.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
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

    def write(self, piece: bytes) -> int:
        """Append a piece; its length."""
        self._stream.write(piece)
        self._waiting.append(piece)
        self._held += len(piece)
        self.bytes += len(piece)
        if self._held >= _GATHER:
            self._hand_on()
        return len(piece)

    def tell(self) -> int:
        """How much was written."""
        return self.bytes

    def sha256(self) -> str:
        """The digest of all that was written, in hexadecimal."""
        self._hand_on()
        for future in (*self._hashed, self._synced):
            if future is not None:
                future.result()
        return self._digest.hexdigest()

    def _hand_on(self) -> None:
        while len(self._hashed) > _AHEAD:
            self._hashed.popleft().result()
        self._hashed.append(self._hashing.submit(self._hash, self._waiting))
        self._unsynced += self._held
        self._waiting, self._held = [], 0
        if self._unsynced >= _SYNC_EVERY and (self._synced is None or self._synced.done()):
            if self._synced is not None:
                self._synced.result()
            self._synced = self._syncing.submit(_SYNC, self._stream.fileno())
            self._unsynced = 0

    def _hash(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)
