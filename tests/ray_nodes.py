"""A Ray cluster of several nodes on this machine, small, apart from any other, and gone at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


def processes(below: Path) -> list[str]:
    """Command lines of processes that were started for a session below a folder, by what their environment says."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            environment = (place / "environ").read_bytes()
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if (
            state != "Z"
            and place.name != str(os.getpid())
            and f"RAY_TMPDIR={below}\0".encode() in environment
        ):
            found.append(f"{place.name} {command}")
    return found


@contextmanager
def ray_cluster(nodes: int, cpus: int = 1) -> Iterator[Any]:
    """`nodes` nodes of `cpus` CPUs each, at $RAY_ADDRESS meanwhile."""
    for name in ("ray", "pyarrow", "pandas"):
        pytest.importorskip(name, reason='Ray is not installed: pip install "clay-eval[ray]"')
    place = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    (place / "ray").mkdir()
    settings = {"RAY_TMPDIR": str(place), "RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            for number in range(nodes):
                cluster.add_node(
                    num_cpus=cpus, **(SMALL if number == 0 else SMALL | {"include_dashboard": None})
                )
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield cluster
        finally:
            cluster.shutdown()
            end = time.monotonic() + 60
            while (left := processes(place)) and time.monotonic() < end:
                time.sleep(0.1)
            shutil.rmtree(place, ignore_errors=True)
            assert left == []
