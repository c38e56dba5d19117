"""Work that runs ahead of whoever takes its results, by a few of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Any, TypeVar

T = TypeVar("T")
_END = object()


@contextmanager
def ahead(items: Iterator[T], most: int) -> Iterator[Iterator[T]]:
    """The same items, made by a thread of its own while the one taken last is worked on, `most` of them ahead at any time.

    An error of `items` is raised where its item would have been taken. When the block is left, the thread makes no further
    item and has ended.
    """
    made: SimpleQueue[Any] = SimpleQueue()
    room, left = Semaphore(most), Event()
    errors: list[BaseException] = []

    def make() -> None:
        try:
            while room.acquire() and not left.is_set():
                made.put(next(items))
        except StopIteration:
            pass
        except BaseException as error:
            errors.append(error)
        made.put(_END)

    def taken() -> Iterator[T]:
        while (item := made.get()) is not _END:
            room.release()
            yield item
        if errors:
            raise errors[0]

    thread = Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        room.release()
        thread.join()
