"""How a command ends before it is done: on signals as on Ctrl-C, and on a lack of memory or threads with a clear error."""

from __future__ import annotations

import errno
import re
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from clay_eval.schemas.errors import ResourceError

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_TOGETHER_SECONDS = 2.0
"""A terminal that closes sends its signal twice or more; within this time they are one, so that cleaning up is not cut."""
_MEMORY = re.compile(
    r"can(?:'t|not) allocate memory|unable to allocate|not enough memory|out of memory|bad_alloc|os error 12\b"
    r"|failed to map segment",
    re.IGNORECASE,
)
_THREADS = re.compile(r"can't start new thread|pthread_create failed", re.IGNORECASE)
_TEXTUAL = ("RuntimeError", "ImportError", "SafetensorError", "OutOfMemoryError")
"""Errors by which libraries tell of memory in words alone."""


@dataclass
class Interruption:
    """The signal that interrupted; Ctrl-C until another has come."""

    signal: int = signal.SIGINT
    at: float = float("-inf")

    @property
    def exit_code(self) -> int:
        """130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.signal

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Raise KeyboardInterrupt, so that all that cleans up after Ctrl-C does."""
        now = time.monotonic()
        if now - self.at > _TOGETHER_SECONDS:
            self.signal, self.at = number, now
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within the block, SIGTERM and SIGHUP do what Ctrl-C does, unless they are ignored (nohup)."""
    interruption = Interruption()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            number: signal.signal(number, interruption)
            for number in _SIGNALS
            if signal.getsignal(number) == signal.SIG_DFL
        }
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def shortage(error: BaseException) -> ResourceError | None:
    """The error to show where memory or threads ran out, in `error` or in what it was raised from; else None.

    The frames of the traceback are cleared: what they hold is needed to say so.
    """
    cause: BaseException | None = error
    while cause is not None and not _is_shortage(cause):
        cause = cause.__cause__
    if cause is None:
        return None
    text = (str(cause).strip() or "no more could be allocated").splitlines()[0][:300]
    where = _place(cause) or _place(error)
    for one in (error, cause):
        traceback.clear_frames(one.__traceback__)
    threads = bool(_THREADS.search(text))
    return ResourceError(
        "no more threads can be started" if threads else "there is not enough memory",
        where=where,
        found="; ".join([text, *_limits()]),
        hint="raise the limit on processes or memory (ulimit -u, ulimit -v), or set OMP_NUM_THREADS=1"
        if threads
        else "a smaller --batch-size, fewer methods or conditions at a time, a higher limit (ulimit -v) or a larger "
        "machine; the same command continues where it was",
    )


def _is_shortage(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    told = any(kind.__name__ in _TEXTUAL for kind in type(error).__mro__)
    return told and bool(_MEMORY.search(str(error)) or _THREADS.search(str(error)))


def _place(error: BaseException) -> str | None:
    """The innermost function of ours that the error came through."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_globals.get("__name__", "")
        if name.startswith("clay_eval.") and name != "clay_eval.cli":
            found = f"{name}, {frame.f_code.co_name}"
    return found


def _limits() -> list[str]:
    """The limit on this process's memory, in words, where there is one."""
    try:
        import resource
    except ImportError:
        return []
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    return (
        [] if most == resource.RLIM_INFINITY else [f"this process may have {most / 1e9:.1f} GB (ulimit -v)"]
    )
