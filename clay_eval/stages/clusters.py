"""The Ray cluster of a stage."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clay_eval.ray.cluster import Resources


def one_cluster(resources: Resources | None) -> AbstractContextManager[None]:
    """What keeps the connection of a stage, with a cluster that was started for it, and ends both; nothing without Ray."""
    if resources is None:
        return nullcontext()
    from clay_eval.ray.cluster import one_connection

    return one_connection()
