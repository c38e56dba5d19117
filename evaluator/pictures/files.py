"""Picture files that a table names, found below its folder and nowhere else; and pictures that no table names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clay_eval.schemas.decoding import MAX_BYTES
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.foreign_members import CONVERT, IMAGE_EXTENSIONS, UNREAD_EXTENSIONS
from clay_eval.schemas.words import nfc

MAX_FILES = 10_000_000
VECTORS_ONLY = "vectors of pictures that are not here are scored with --features and --labels"


class Folder:
    """A folder of pictures; `find` takes names as tables have them, in whatever Unicode form the disk keeps them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._home = path.resolve()
        self._names: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str, where: str) -> str:
        """`name` as a normal relative path on the disk; it must be a plain picture file in the folder, links resolved.

        An absolute path that leads into the folder is taken as the relative one.
        """
        relative = PurePosixPath(name)
        if "\0" in name or ".." in relative.parts or (inside := self._inside(relative)) is None:
            raise InputError(
                "a path leads out of the folder",
                where=where,
                expected="a path below the folder",
                found=repr(name[:500]),
            )
        relative = self._on_disk(inside, where)
        path = self.path / relative
        if not is_file(path):
            raise InputError(
                "a picture is missing",
                where=where,
                found=repr(name[:500]),
                hint=self._hint(name, relative) or VECTORS_ONLY,
            )
        if not path.resolve().is_relative_to(self._home):
            raise InputError("a link leads out of the folder", where=where, found=repr(name))
        extension = path.suffix.lower().removeprefix(".")
        if extension not in IMAGE_EXTENSIONS:
            raise InputError(
                "not a picture's name",
                where=where,
                expected=IMAGE_EXTENSIONS,
                found=repr(name),
                hint=CONVERT if extension in UNREAD_EXTENSIONS else None,
            )
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError("a picture has too many bytes", where=where, expected=MAX_BYTES, found=size)
        return str(relative)

    def of_key(self, key: str, where: str) -> str:
        """The one picture whose name without its extension is `key`."""
        names = [f"{key}.{extension}" for extension in IMAGE_EXTENSIONS]
        found = [name for name in names if "\0" not in name and self._is_there(name, where)]
        if len(found) != 1:
            raise InputError(
                "not one picture for a key" if found else "a picture is missing",
                where=where,
                expected=f"one of {names}",
                found=found or None,
                hint="name the files in a column 'file'",
            )
        return found[0]

    def _is_there(self, name: str, where: str) -> bool:
        return is_file(self.path / self._on_disk(PurePosixPath(name), where))

    def _inside(self, path: PurePosixPath) -> PurePosixPath | None:
        if not path.is_absolute():
            return path
        for home in (self.path.absolute(), self._home):
            if path.is_relative_to(home.as_posix()):
                return path.relative_to(home.as_posix())
        return None

    def _on_disk(self, path: PurePosixPath, where: str) -> PurePosixPath:
        """`path` with each part as the disk spells it, where only the Unicode form differs."""
        if path.as_posix().isascii() or is_file(self.path / path):
            return path
        place = PurePosixPath()
        for part in path.parts:
            names = (
                [part] if _exists(self.path / place / part) else self._listed(self.path / place, nfc(part))
            )
            if len(names) > 1:
                raise InputError(
                    "two files have this name, in two Unicode forms", where=where, found=repr(part)
                )
            place /= names[0] if names else part
        return place

    def _listed(self, folder: Path, name: str) -> list[str]:
        if folder not in self._names:
            found: dict[str, list[str]] = {}
            for other in folder.iterdir() if folder.is_dir() else ():
                found.setdefault(nfc(other.name), []).append(other.name)
            self._names[folder] = found
        return self._names[folder].get(name, [])

    def _hint(self, name: str, path: PurePosixPath) -> str | None:
        if "\\" in name:
            return "write paths with /"
        folder = self.path / path.parent
        try:
            others = sorted(other.name for other in folder.iterdir()) if folder.is_dir() else []
        except OSError:
            return None
        alike = [other for other in others if nfc(other).casefold() == nfc(path.name).casefold()]
        return f"there is {alike[0]!r}: names differ in case" if alike else None


def picture_files(folder: Path) -> tuple[list[str], list[str]]:
    """(pictures, pictures of formats that are not read) in `folder` and below, relative to it, with /, sorted.

    Hidden files and folders are passed over, and links to folders are not followed. Raises InputError for names that are
    no text, and for more than MAX_FILES pictures.
    """
    read: list[str] = []
    unread: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not hidden(name))
        base = Path(place).relative_to(folder)
        for name in files:
            extension = name.rpartition(".")[2].lower()
            if hidden(name) or extension not in (*IMAGE_EXTENSIONS, *UNREAD_EXTENSIONS):
                continue
            (unread if extension in UNREAD_EXTENSIONS else read).append(text_of(base / name))
        if len(read) > MAX_FILES:
            raise InputError("too many pictures", where=folder, expected=f"at most {MAX_FILES}")
    return sorted(read), sorted(unread)


def visible_folders(folder: Path) -> Iterator[Path]:
    """The folders in `folder` that are neither hidden nor links, sorted by name."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and not hidden(path.name):
            yield path


def hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's data: hidden, or left by another system."""
    return name.startswith(".") or name == "__MACOSX"


def text_of(path: Path) -> str:
    """A relative path with /; InputError for one whose bytes are no UTF-8."""
    text = path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("a file's name is not UTF-8", where=ascii(text), hint="rename the file") from error
    return text


def is_file(path: Path) -> bool:
    """Whether a file is there, under whatever name."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the file system
        return False


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
