"""What the workers of a Ray cluster do with pieces of work, and how answers and errors come back from them."""

from __future__ import annotations

import importlib
import json
import os
import secrets
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from clay_eval.schemas.errors import ClayEvalError, InputError, StorageError
from clay_eval.schemas.files import storage_errors

Work = Callable[[bytes], bytes]
"""Does one piece, on a worker, and gives the answer; raises ClayEvalError as work does without Ray."""
Recipe = Callable[[], Work]
"""Picklable; called once by each worker: loads what the work needs."""

MAX_STARTS = 5
"""So often a piece is begun at most. One that takes its worker down every time must come to an end."""


@dataclass(frozen=True)
class Meeting:
    """Where driver and workers meet: a token in a hidden file of the output folder, for the time of one run.

    Its files are named as temporary ones are: whoever works in the folder next removes those of a run that was killed.
    cwd: the driver's working directory.
    """

    folder: Path
    token: str
    cwd: str

    @property
    def sign(self) -> Path:
        """The file that holds the token."""
        return self.folder / f".ray.{self.token[:8]}.part"

    def note(self, name: str) -> Path:
        """The file that is there while a piece is begun and not ended, a byte for each beginning."""
        return self.folder / f".{name}.begun.{self.token[:8]}.part"

    def is_seen(self) -> bool:
        """Whether the folder is the one where the driver left its token."""
        return self.sign.is_file() and self.sign.read_text() == self.token


@contextmanager
def meeting_in(folder: Path) -> Iterator[Meeting]:
    """A meeting point in `folder`, removed at the end."""
    meeting = Meeting(folder.resolve(), secrets.token_hex(16), str(Path.cwd()))
    try:
        with storage_errors(meeting.sign):
            meeting.sign.write_text(meeting.token)
        yield meeting
    finally:
        for path in (meeting.sign, *folder.glob(f".*.begun.{meeting.token[:8]}.part")):
            path.unlink(missing_ok=True)


def not_shared(host: str, folder: Path) -> InputError:
    """The error for a machine that is_seen() is not true on."""
    return InputError(
        "a machine of the cluster does not see the output folder",
        where=folder,
        found=f"on {host} it is missing, or another one",
        hint="put --out on storage that all machines share (NFS, Lustre, a shared volume), at the same path",
    )


class Worker:
    """What an actor runs: makes the work at its first piece, so that an error of that comes back like any other."""

    def __init__(self, recipe: Recipe, meeting: Meeting, gpus: float, threads: int | None = None) -> None:
        """threads: of torch, at most; None leaves them to Ray and to the environment."""
        self._recipe, self._meeting, self._gpus, self._threads = recipe, meeting, gpus, threads
        self._work: Work | None = None

    def __call__(self, batch: Any) -> Any:
        """An arrow table of one row, name and piece, in; one of one row, the answer, out."""
        arrow: Any = importlib.import_module("pyarrow")
        row = batch.to_pylist()[0]
        try:
            answer = b"+" + self._do(row["name"], row["piece"])
        except ClayEvalError as error:
            answer = b"-" + _packed(error)
        except OSError as error:
            found = error.strerror or str(error)
            told = StorageError("the system refused to read or write", where=error.filename, found=found)
            answer = b"-" + _packed(told)
        except Exception:
            answer = b"!" + f"on {socket.gethostname()}\n{traceback.format_exc()}".encode()
        return arrow.table({"answer": arrow.array([answer], arrow.binary())})

    def _do(self, name: str, piece: bytes) -> bytes:
        note = self._meeting.note(name)
        self._begin(name, note)
        if self._work is None:
            self._work = self._ready()
        answer = self._work(piece)
        note.unlink(missing_ok=True)
        return answer

    def _begin(self, name: str, note: Path) -> None:
        if not self._meeting.is_seen():
            raise not_shared(socket.gethostname(), self._meeting.folder)
        with note.open("ab") as stream:
            if stream.tell() >= MAX_STARTS:
                raise ClayEvalError(
                    f"{MAX_STARTS} workers died over the same piece of work",
                    where=name,
                    hint="it may need more memory than there is: see Ray's logs, use a smaller --batch-size, or more "
                    "--cpus-per-worker, so that fewer workers share a machine",
                )
            stream.write(b".")

    def _ready(self) -> Work:
        if not self._gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides GPUs only from workers that asked for some
        if self._threads is not None:
            _limit_threads(self._threads)
        if Path(self._meeting.cwd).is_dir():
            os.chdir(self._meeting.cwd)  # so that relative paths mean what they mean to the user
        return self._recipe()


def _limit_threads(most: int) -> None:
    """Have torch, which reads this when it is loaded, and BLAS use so many threads, or the fewer that the user said."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(most, int(said)) if said.isdecimal() and int(said) else most
    os.environ["OMP_NUM_THREADS"] = str(threads)
    threadpool_limits(threads, user_api="blas")


def opened(answer: bytes) -> bytes:
    """The content of an answer; raises the error that it holds."""
    kind, content = answer[:1], answer[1:]
    if kind == b"-":
        raise _unpacked(content)
    if kind == b"!":
        raise RuntimeError(f"a worker failed {content.decode()}")
    return content


def _packed(error: ClayEvalError) -> bytes:
    parts = {name: getattr(error, name) for name in ("what", "where", "expected", "found", "hint")}
    return json.dumps({"kinds": [kind.__name__ for kind in type(error).__mro__], **parts}).encode()


def _unpacked(content: bytes) -> ClayEvalError:
    """The error that a worker packed, of its class, or of the nearest one that is known here."""
    record = json.loads(content)
    kinds: list[type[ClayEvalError]] = [ClayEvalError, *_descendants(ClayEvalError)]
    known = {kind.__name__: kind for kind in kinds}
    kind = next(known[name] for name in record.pop("kinds") if name in known)
    return kind(record.pop("what"), **record)


def _descendants(kind: type[ClayEvalError]) -> Iterator[type[ClayEvalError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)
