"""A folder of pictures that nobody has labelled: every picture in it and below, but for those that cannot be decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from clay_eval.schemas.decoding import MAX_BYTES, by_pixels, decode_image
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.files import write_sealed
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.foreign_members import CONVERT, IMAGE_EXTENSIONS
from clay_eval.schemas.reading import read_bytes
from clay_eval.schemas.validate import parse_json, read_text

from .files import Folder, picture_files
from .label_tables import LabelTable
from .names import count, some, unique_keys
from .sources import ImageFolder

_SCHEMA = "clay-eval/decoded/1"
_MOST_FAULTS = 1_000_000


class UnlabelledFolder(ImageFolder):
    """Every picture in a folder and below, without labels; a picture's key is made of its path.

    kept: a file that remembers which contents were decoded and what was wrong with the others, so that the next opening
    decodes new pictures only. progress: is called with how many pictures were looked at, and of how many. Pictures that
    cannot be read are left out, and stand in `notes`.

    Raises InputError where no picture can be read.
    """

    def __init__(
        self,
        folder: Path,
        entity: str | None = None,
        kept: Path | None = None,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        if not folder.is_dir():
            raise InputError("no such folder of pictures", where=folder)
        found, unread = picture_files(folder)
        places, refused = _plain_files(folder, found)
        hashes, faults = _decoded(folder, places, kept, progress)
        left_out = {**refused, **faults}
        files = [name for name in places if name not in faults]
        if not files:
            raise InputError(
                "no picture that can be read",
                where=folder,
                expected=f"files that end in {', '.join(IMAGE_EXTENSIONS)}",
                found=some([f"{name}: {why}" for name, why in left_out.items()]) or some(unread) or "none",
                hint=CONVERT if unread else None,
            )
        notes = []
        if left_out:
            said = some([f"{name} ({why})" for name, why in left_out.items()], length=200)
            notes.append(f"{count(len(left_out), 'picture')} that cannot be read, left out: {said}")
        if unread:
            notes.append(
                f"{count(len(unread), 'picture')} of formats that are not read, left out: {some(unread)}"
            )
        keys = unique_keys([str(PurePosixPath(name).with_suffix("")) for name in files], files)
        table = LabelTable({}, {}, tuple(keys), tuple(files))
        self._take(folder, entity, table, [hashes[name] for name in files], notes)


def _plain_files(folder: Path, found: list[str]) -> tuple[list[str], dict[str, str]]:
    """The picture files of `found` that may be read, and name -> what is wrong with the others."""
    disk = Folder(folder)
    plain, refused = [], {}
    for name in found:
        try:
            disk.find(name, str(folder / name))
            plain.append(name)
        except InputError as error:
            refused[name] = error.what
    return plain, refused


def _decoded(
    folder: Path, names: list[str], kept: Path | None, progress: Callable[[int, int], None]
) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> sha256, and name -> what is wrong, of those that cannot be decoded."""
    known = {} if kept is None else _read_kept(kept)
    hashes: dict[str, str] = {}
    faults: dict[str, str] = {}
    verdicts: dict[str, str | None] = {}
    for name in names:
        try:
            hashes[name] = file_sha256(folder / name)
        except OSError as error:
            faults[name] = error.strerror or "cannot be read"
    verdicts.update({digest: known[digest] for digest in hashes.values() if digest in known})
    fresh = {digest: name for name, digest in hashes.items() if digest not in known}
    done = len(names) - len(fresh)
    progress(done, len(names))
    for digest, fault in _verdicts(folder, fresh):
        verdicts[digest] = fault
        done += 1
        progress(done, len(names))
    if kept is not None and fresh:
        write_sealed(kept, {"schema": _SCHEMA, "faults": verdicts})
    faults.update({name: why for name, digest in hashes.items() if (why := verdicts[digest]) is not None})
    return hashes, faults


def _verdicts(folder: Path, fresh: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """(sha256, what is wrong or None) of the pictures `fresh` (sha256 -> name), decoded a few at a time."""

    def encoded() -> Iterator[tuple[str, bytes]]:
        for digest, name in fresh.items():
            try:
                yield digest, read_bytes(folder / name, MAX_BYTES, "picture")
            except (ClayEvalError, OSError):
                yield digest, b""

    with ThreadPoolExecutor() as pool:
        for group in by_pixels(encoded()):
            yield from pool.map(lambda item: (item[0], _fault(item[1], fresh[item[0]])), group)


def _fault(data: bytes, name: str) -> str | None:
    try:
        decode_image(data, name)
    except ClayEvalError as error:
        return error.what
    return None


def _read_kept(path: Path) -> dict[str, str | None]:
    """What an earlier opening found; nothing where the file is missing or not ours."""
    try:
        record = parse_json(read_text(path), path)
    except InputError:
        return {}
    faults = record.get("faults") if isinstance(record, dict) and record.get("schema") == _SCHEMA else None
    if not isinstance(faults, dict) or len(faults) > _MOST_FAULTS:
        return {}
    return {digest: why for digest, why in faults.items() if why is None or isinstance(why, str)}
