"""Shards: webdataset tars that hold exactly `<key>.<image extension>` and `<key>.json` for every sample.

Reading never unpickles, never opens a pipe and never trusts a length: a tar that ends early, in whatever place, is an
IntegrityError. (tarfile alone, and so webdataset, reads many truncated tars short without a word.)
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .errors import InputError, IntegrityError
from .files import atomic_file
from .fingerprint import canonical_json
from .foreign_members import IMAGE_EXTENSIONS, Members, choose_members
from .reading import open_regular
from .tars import HashedFile, closing, member_header, parse_plain, tar_writer
from .validate import parse_json

KEY_PATTERN = re.compile(r"^[a-z][A-Za-z0-9_-]{0,119}$")
_BLOCK = 512
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
_MAX_HEADER = 1 << 16
_MOST_MEMBERS = 8_000_000


class _CheckedHeader(tarfile.TarInfo):
    """A header that tarfile may act on: plain files, folders, long names, and no length that leads it astray.

    (A negative length makes tarfile read the same header for ever, a long one makes it read all of it at once.)
    """

    is_ours = False
    """Whether these 512 bytes are exactly those that `write_shard` writes for this name and length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> tarfile.TarInfo:  # type: ignore[override]
        """Parse 512 bytes; raise ReadError for a header that no shard needs."""
        if plain := parse_plain(buf):  # what was written here, in a tenth of the time
            header = cls(plain[0])
            header.size, header.mode = plain[1], 0o444
            header.is_ours = True
            return header
        header = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if header.type not in (*_EXTENDED, *_PLAIN):
            raise tarfile.ReadError(f"{header.name!r} is not a plain file")
        if header.size < 0 or (header.type in _EXTENDED and header.size > _MAX_HEADER):
            raise tarfile.ReadError(f"{header.name!r} has the length {header.size}")
        return header


@dataclass(frozen=True)
class Limits:
    """Caps on what is read from a stranger's tar, in bytes and samples."""

    image_bytes: int = 64 << 20
    json_bytes: int = 1 << 20
    samples: int = 1_000_000


@dataclass(frozen=True)
class ShardSample:
    """One sample as it lies in a shard: encoded image bytes and the JSON beside them."""

    key: str
    extension: str
    image: bytes
    record: dict[str, Any]


@dataclass(frozen=True)
class FileFacts:
    """What a manifest records of a file."""

    name: str
    bytes: int
    sha256: str
    samples: int


def write_shard(path: Path, samples: Iterable[ShardSample]) -> FileFacts:
    """Write a shard atomically; the same samples give the same bytes. Returns its size, sha256 and sample count.

    An exception raised by `samples` leaves nothing behind; so does a sample that `read_shard` would refuse (InputError).
    """
    seen: set[str] = set()
    with atomic_file(path) as stream, HashedFile(stream) as file:
        with tar_writer(file) as writer:
            for sample in samples:
                _check_sample(path, sample, seen)
                text = canonical_json(sample.record).encode()
                writer.write({"__key__": sample.key, sample.extension: sample.image, "json": text})
        digest = file.sha256()
    return FileFacts(path.name, file.bytes, digest, len(seen))


def _check_sample(path: Path, sample: ShardSample, seen: set[str]) -> None:
    if not KEY_PATTERN.fullmatch(sample.key) or sample.extension not in IMAGE_EXTENSIONS:
        raise InputError(
            "a sample cannot be stored under this name",
            where=path,
            expected=f"{KEY_PATTERN.pattern} and one of {IMAGE_EXTENSIONS}",
            found=f"{sample.key}.{sample.extension}",
        )
    if sample.key in seen:
        raise InputError("two samples of one shard have the same key", where=path, found=sample.key)
    seen.add(sample.key)


def read_shard(
    path: Path,
    *,
    strict: bool = True,
    limits: Limits | None = None,
    images: bool = True,
    members: Members | None = None,
) -> Iterator[ShardSample]:
    """Stream the samples of a shard; without `images`, their bytes are skipped and come out empty.

    strict: only what `write_shard` itself writes, to the byte: keys, members and their order, headers (no pax records),
    zeros as padding, canonical JSON, nothing behind the end. (Padding of what is skipped without `images` is not read.)
    Otherwise keys may hold folders and other characters, `members` (found by `foreign_members` if not given) says which
    members they are and which are skipped, and numbers of the JSON that are none, such as NaN, come out as floats.
    Raises IntegrityError for anything cut, damaged, doubled, oversized or out of place; InputError if there is no file.
    """
    limits = limits or Limits()
    pending: dict[str, Any] = {}
    seen: set[str] = set()
    if not strict:
        members = members or foreign_members(path)
    for key, extension, data in _members(path, None if strict else members, limits, images):
        if pending and key != pending["key"]:
            yield _finish(path, pending, seen, limits, strict)
            pending = {}
        pending.setdefault("key", key)
        slot = "json" if extension == "json" else "image"
        if slot in pending:
            raise IntegrityError(
                "a sample has the same member twice", where=f"{path}: {key}", found=f"a second {slot}"
            )
        pending[slot] = data
        if slot == "image":
            pending["extension"] = extension
    if pending:
        yield _finish(path, pending, seen, limits, strict)


def picture_places(path: Path, *, strict: bool = True) -> list[tuple[int, int]]:
    """(offset, bytes) of the picture of every sample in a shard, in the order of `read_shard`; only headers are read.

    Raises as `read_shard` and `foreign_members`.
    """
    members = None if strict else foreign_members(path)
    places: list[tuple[int, int]] = []
    for place, (_, _, member) in enumerate(_headers(path, strict)):
        if members is not None and member.isdir():
            continue
        named = _own_name(path, member) if members is None else members.taken[place]
        if named is not None and named[1] != "json":
            places.append((member.offset_data, member.size))
    return places


def foreign_members(path: Path) -> Members:
    """The members of a tar that another program wrote, sorted out by `choose_members`; only headers are read.

    Raises as `read_shard`, and as `choose_members`.
    """
    names: list[str] = []
    for _, _, member in _headers(path, strict=False):
        names.append("" if member.isdir() else member.name)
        if len(names) > _MOST_MEMBERS:
            raise IntegrityError("too many members in one shard", where=path, expected=_MOST_MEMBERS)
    return choose_members(names, path)


def _finish(path: Path, pending: dict[str, Any], seen: set[str], limits: Limits, strict: bool) -> ShardSample:
    key = pending["key"]
    where = f"{path}: {key}"
    if key in seen:
        raise IntegrityError("a key stands twice in one shard", where=where)
    seen.add(key)
    if len(seen) > limits.samples:
        raise IntegrityError(
            "too many samples in one shard", where=path, expected=f"at most {limits.samples}"
        )
    for slot in ("image", "json"):
        if slot not in pending:
            raise IntegrityError(
                "a sample is incomplete", where=where, expected=f"an image and a .json, adjacent; no {slot}"
            )
    try:
        record = parse_json(pending["json"], where, numbers=None if strict else float)
    except InputError as error:
        raise IntegrityError(error.what, where=error.where, found=error.found) from error
    if not isinstance(record, dict):
        raise IntegrityError(
            "the JSON of a sample is not an object", where=where, found=type(record).__name__
        )
    if strict:
        _require_ours(where, pending, record)
    return ShardSample(key, pending["extension"], pending["image"], record)


def _require_ours(where: str, pending: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Raise IntegrityError unless both members are written as `write_shard` does: JSON canonical, sorted by extension."""
    order = [slot for slot in pending if slot in ("image", "json")]
    if order != sorted(order, key={"image": pending["extension"], "json": "json"}.__getitem__):
        raise IntegrityError(
            "the members of a sample are in another order than clay-eval writes them", where=where
        )
    try:
        ours = pending["json"] == canonical_json(record).encode()
    except ValueError:  # half a surrogate pair, or a number that JSON has no text for
        ours = False
    if not ours:
        raise IntegrityError(
            "the JSON of a sample is not in the canonical form in which clay-eval writes it",
            where=where,
            expected="sorted names, no spaces, each name once",
        )


def _require_our_header(path: Path, stream: IO[bytes], member: tarfile.TarInfo, begin: int) -> None:
    """Raise IntegrityError unless the bytes between the last member and this one's data are `write_shard`'s header.

    begin: where the last member, with its padding, ended. What tarfile reads without a word stands there, too: records of
    pax or GNU tar for one member or for all, with comments or other names and lengths in them.
    """
    if getattr(member, "is_ours", False) and member.offset_data == begin + _BLOCK:
        return
    stream.seek(begin)
    found = stream.read(member.offset_data - begin)
    if not member.isreg() or found != member_header(member.name, member.size):
        raise IntegrityError(
            "a header of the tar is not one that clay-eval writes",
            where=f"{path}: {member.name!r}",
            expected="a plain file's: no pax records, mode 0444, owner bigdata, time 0",
        )


def _headers(path: Path, strict: bool) -> Iterator[tuple[IO[bytes], tarfile.TarFile, tarfile.TarInfo]]:
    """Each member's checked header, with file and archive to read its content from; then the archive's end is checked."""
    with open_regular(path, "shard") as stream:
        end = 0
        with (
            _tar_errors(path),
            tarfile.open(fileobj=stream, mode="r:", tarinfo=_CheckedHeader) as tar,
        ):
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # or it keeps every header
                if strict:
                    _require_our_header(path, stream, member, end)
                if member.size < 0:
                    raise IntegrityError("a member has a negative length", where=f"{path}: {member.name!r}")
                blocks = -(-member.size // _BLOCK) if member.isreg() else 0
                end = member.offset_data + blocks * _BLOCK
                yield stream, tar, member
        _check_end(path, stream, end, strict)


@contextmanager
def _tar_errors(path: Path) -> Iterator[None]:
    """Turn what tarfile raises about damaged bytes into IntegrityErrors."""
    try:
        yield
    except (tarfile.TarError, EOFError, OverflowError, ValueError, RecursionError) as error:
        raise IntegrityError("not a whole, uncompressed tar", where=path, found=error) from error


def _members(
    path: Path, members: Members | None, limits: Limits, images: bool
) -> Iterator[tuple[str, str, bytes]]:
    """(key, extension, bytes) of the image and JSON members; `members` are those of a tar made elsewhere."""
    for place, (stream, tar, member) in enumerate(_headers(path, strict=members is None)):
        if members is not None and member.isdir():
            continue
        if members is not None and place >= len(members.taken):
            raise IntegrityError("a shard changed while it was in use", where=path, hint="run again")
        named = _own_name(path, member) if members is None else members.taken[place]
        if not member.isreg() or member.issparse():
            raise IntegrityError("a shard may hold plain files only", where=f"{path}: {member.name!r}")
        if named is None:
            continue
        cap = limits.json_bytes if named[1] == "json" else limits.image_bytes
        if member.size > cap:
            raise IntegrityError(
                "a member is too large",
                where=f"{path}: {member.name!r}",
                expected=f"at most {cap} bytes",
                found=member.size,
            )
        if not images and named[1] != "json":
            yield (*named, b"")
            continue
        with _tar_errors(path):
            content = tar.extractfile(member)
            data = b"" if content is None else content.read(member.size)
        if len(data) != member.size:
            raise IntegrityError("the tar ends in the middle of a member", where=f"{path}: {member.name}")
        if members is None and stream.read(-member.size % _BLOCK).strip(b"\0"):
            raise IntegrityError(
                "bytes are hidden in the padding behind a member",
                where=f"{path}: {member.name}",
                expected="zeros up to a whole block",
            )
        yield (*named, data)


def _own_name(path: Path, member: tarfile.TarInfo) -> tuple[str, str]:
    """Key and extension of a member that clay-eval itself could have written; IntegrityError for any other."""
    where = f"{path}: {member.name!r}"
    if not member.isreg() or member.issparse():
        raise IntegrityError("a shard may hold plain files only", where=where)
    key, _, extension = PurePosixPath(member.name).name.partition(".")
    if extension != "json" and extension not in IMAGE_EXTENSIONS:
        raise IntegrityError(
            "unexpected member in a shard", where=where, expected=f".json or one of {IMAGE_EXTENSIONS}"
        )
    if member.name != f"{key}.{extension}" or not KEY_PATTERN.fullmatch(key):
        raise IntegrityError("malformed key", where=where, expected=KEY_PATTERN.pattern)
    return key, extension


def _check_end(path: Path, stream: IO[bytes], end: int, strict: bool) -> None:
    stream.seek(end)
    zeros = 0
    while block := stream.read(1 << 16):
        if block.strip(b"\0"):
            raise IntegrityError("the tar is damaged after its last readable member", where=path)
        zeros += len(block)
    if zeros < 2 * _BLOCK:
        raise IntegrityError(
            "the tar is cut: its end-of-archive mark is missing",
            where=path,
            expected="two blocks of zeros at the end",
            found=f"{zeros} bytes",
        )
    if strict and zeros != len(closing(end)):
        raise IntegrityError(
            "the tar does not end where clay-eval ends it",
            where=path,
            expected=f"{len(closing(end))} zeros after the last member",
            found=f"{zeros}",
        )
