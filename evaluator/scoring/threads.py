"""Work over rows of scores in blocks, on all cores, in memory that the size of a block bounds."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..vectors.arrays import Float64Array

Part = Callable[[int, int], Float64Array]
"""part(start, stop) -> what is wanted of these rows, (stop - start, columns)."""

_BLOCK_ENTRIES = 1 << 18
_MOST_THREADS = 8


def block_rows(width: int) -> int:
    """Return how many rows of `width` scores are ranked at a time."""
    return max(1, _BLOCK_ENTRIES // width)


def thread_count() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_THREADS, cores)


def over_rows(worker: Callable[[], Part], rows: int, columns: int, size: int) -> Float64Array:
    """Return part(start, stop) (stop - start, columns) over blocks of `size` rows, joined; on all cores.

    Each thread asks worker() for a part of its own. BLAS gets one thread meanwhile: its idle threads would
    spin on the cores that the ranking needs.
    """
    if rows <= size:
        return worker()(0, rows)
    from threadpoolctl import threadpool_limits

    out = np.empty((rows, columns))
    threads = thread_count()

    def run(first_block: int) -> None:
        part = worker()
        for start in range(first_block * size, rows, threads * size):
            stop = min(start + size, rows)
            out[start:stop] = part(start, stop)

    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return out
