"""Opening files of strangers: regular files only, never more than a limit, and a clear error for everything else.

A FIFO without a writer, or a terminal, would wait for ever, and a device has no end: none of them is opened, nor a link
that leads to one. What is read is asked for in pieces, so that a limit costs no memory until a file is as large as that.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from .errors import InputError

UTF8_MARK = b"\xef\xbb\xbf"
"""The byte order mark that some editors and spreadsheets put before UTF-8 text."""
_PIECE = 1 << 20
_ROOTS = ("./", "../", "/", "~/")
_FILES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".npz", ".json", ".py")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def open_regular(path: Path, what: str = "file", hint: str | None = None) -> IO[bytes]:
    """Open a regular file for reading in binary, links followed; `what` names it in errors.

    Raises InputError for a file that is missing, may not be read, or is a folder, pipe, socket or device.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for its writer; regular files do not know the flag.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InputError(f"{what} not found", where=path, hint=hint) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        found = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot read this {what}", where=path, found=found) from error
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        found = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise InputError(f"expected a file, found {found}", where=path, hint=hint)
    return os.fdopen(handle, "rb")


def check_regular(path: Path, what: str = "file", hint: str | None = None) -> None:
    """Raise InputError as `open_regular` does: for files that a library opens by their path."""
    open_regular(path, what, hint).close()


def check_regular_below(folder: Path) -> None:
    """Raise InputError for a pipe, socket or device in a folder or its subfolders, also behind a link: libraries that load
    models read what they find."""
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        if path.exists() and not path.is_dir() and not path.is_file():
            check_regular(path)


def read_bytes(path: Path, limit: int, what: str = "file") -> bytes:
    """A regular file's content; InputError as `open_regular`, and for more than `limit` bytes."""
    with open_regular(path, what) as stream:
        size = os.fstat(stream.fileno()).st_size
        data = bytearray()
        # A file may grow while it is read, and those of /proc say that they are empty.
        while (
            size <= limit
            and len(data) <= limit
            and (piece := stream.read(min(_PIECE, limit + 1 - len(data))))
        ):
            data += piece
    if size > limit or len(data) > limit:
        raise InputError(
            f"{what} too large", where=path, expected=f"at most {limit} bytes", found=max(size, len(data))
        )
    return bytes(data)


def refuse_wide_text(start: bytes, where: str | Path) -> None:
    """Raise InputError where text that begins with `start` is UTF-16 or UTF-32, as spreadsheets' "Unicode text" is.

    Such text has a mark of its own, or a zero byte beside its first character.
    """
    if start.startswith(_WIDE_MARKS) or b"\0" in start[:4]:
        raise InputError(
            "not UTF-8 text",
            where=where,
            expected="UTF-8",
            found="UTF-16 or UTF-32",
            hint="save it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8 OLD > NEW",
        )


def is_path(name: str) -> bool:
    """Whether a name of a model or method can only be meant as a place on disk.

    >>> is_path("./model"), is_path("weights.safetensors"), is_path("org/name"), is_path("ViT-B-32:w.safetensors")
    (True, True, False, False)
    """
    return name.startswith(_ROOTS) or "\\" in name or (":" not in name and name.lower().endswith(_FILES))


def refuse_missing(name: str, where: str, expected: str) -> None:
    """Raise InputError where `name` can only be a path and nothing is there; where: the option with it."""
    if is_path(name) and not Path(name).expanduser().exists():
        raise InputError(
            "no such file or folder",
            where=where,
            expected=expected,
            found=None if Path(name).is_absolute() else f"nothing of that name in {Path.cwd()}",
        )
