"""Shared by the schemas' tests: the memory that a piece of work needs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def peak() -> Callable[[Callable[[], object]], int]:
    """The most bytes that Python held at once while it did `work`."""

    def measure(work: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure
