"""A process that keeps a Ray cluster of this machine for the one that started it, and ends it when that is no more.

It leads a session of its own: signals that a terminal or a time limit sends to a command and to all that it started do not
reach Ray. Its standard input ends when the other process closes it, or dies in whatever way; then it ends Ray.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

READY = "ready"


def main() -> None:
    """Start a cluster as the first argument, JSON, says to `ray.init`, in its `_temp_dir`; say READY, or what went wrong."""
    options = json.loads(sys.argv[1])
    place = Path(options["_temp_dir"])
    ray: Any = importlib.import_module("ray")
    try:
        ray.init(address="local", **options)
        # The file by which `ray.init` finds the cluster that it is to join.
        (place / "ray_current_cluster").write_text(ray.get_runtime_context().gcs_address)
        told = READY
    except Exception as error:  # of whatever class: Ray's are many
        told = str(error).strip().partition("\n")[0][:400] or type(error).__name__
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    ray.shutdown(wait_for_processes=True)
    _end_session()
    shutil.rmtree(place, ignore_errors=True)


def _end_session() -> None:
    """Kill the other processes that began here: workers, each in a group of its own, see late that Ray is gone."""
    for process in (int(place.name) for place in Path("/proc").glob("[0-9]*")):
        with suppress(OSError):
            if process != os.getpid() and os.getsid(process) == os.getsid(0):
                os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main()
