"""Passes over all pictures in blocks of rows, on all cores, in memory that the blocks bound."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..scoring.threads import thread_count
from ..vectors.arrays import FloatArray

BLOCK_ROWS = 2048
Transform = Callable[[FloatArray, FloatArray | None], FloatArray]
"""(block (M, d), where the result may be made or None) -> rows (M, k)."""


def over_blocks(
    features: FloatArray, work: Callable[[FloatArray, slice], None], *, threads: int | None = None
) -> None:
    """Call work(block, place) for blocks of rows of `features`, where `place` is the block's slice.

    threads: None for one a core, each with BLAS to itself; 1 for methods that are not known to bear more.
    """
    from threadpoolctl import threadpool_limits

    places = [slice(start, start + BLOCK_ROWS) for start in range(0, len(features), BLOCK_ROWS)]
    count = thread_count() if threads is None else threads
    if count == 1 or len(places) == 1:
        for place in places:
            work(features[place], place)
        return
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda place: work(features[place], place), places))


def mapped_rows(
    features: FloatArray, transform: Transform, width: int, *, threads: int | None = None
) -> FloatArray:
    """Return transform(features) (N, width) as float32, block by block, `transform` being row by row."""
    out = np.empty((len(features), width), np.float32)

    def work(block: FloatArray, place: slice) -> None:
        target = out[place]
        rows = transform(block, target if block.dtype == np.float32 else None)
        if rows is not target:
            target[:] = rows

    over_blocks(features, work, threads=threads)
    return out
