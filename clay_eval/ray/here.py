"""A Ray cluster of this machine alone, for the time of one run: started where none is at hand, and gone with the run."""

from __future__ import annotations

import importlib
import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ClayEvalError

from .keeper import READY

log = logging.getLogger(__name__)

ALONE = "clay-eval-alone"
"""A resource that only such a cluster has: by it the work knows that all of the machine is its own."""

_END_SECONDS = 60.0
_STORE_BYTES = 128 << 20
"""Of shared memory: pieces of work and their answers are small, and pictures go through files."""


@contextmanager
def held(ray: Any, failure: Callable[[Exception], ClayEvalError], **options: Any) -> Iterator[None]:
    """Ray, quiet, from `ray.init(**options)` to `ray.shutdown()`; raises `failure` of what the first raises.

    Both run in a thread that lives as long: so no signal meets them half-way, which would end this process with a fault.
    """
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

    def begin() -> None:
        with _silence():
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)

    with ThreadPoolExecutor(1) as thread:
        try:
            try:
                thread.submit(begin).result()
            except Exception as error:  # of whatever class: Ray's are many
                raise failure(error) from error
            on_term = signal.getsignal(signal.SIGTERM)
            if on_term is not None and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_term)  # Ray's libraries have taken it over
            yield
        finally:
            thread.submit(ray.shutdown, wait_for_processes=True).result()


@contextmanager
def _silence() -> Iterator[None]:
    """Within the block, standard error goes nowhere: Ray says there, unasked, that it was told to be quiet."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def started_here(ray: Any) -> Iterator[None]:
    """A cluster with the cores and GPUs of this machine. Raises ClayEvalError if it does not start.

    Its processes end with this one, however that ends. It has no dashboard, reports no usage, and works for nobody else: it
    listens on all of the machine's addresses, but to those alone who know a token that only this process has.
    """
    secret = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": _token(), "RAY_AUTH_MODE": None}
    with ExitStack() as after:
        after.callback(_forget_token, ray)
        after.enter_context(_environment(secret))
        # Sockets need short paths, which TMPDIR may not be; the folder made is this user's own.
        base = os.environ.get("RAY_TMPDIR") or "/tmp"  # noqa: S108
        try:
            Path(base).mkdir(parents=True, exist_ok=True)
            place = tempfile.mkdtemp(prefix="clay-eval-", dir=base)
        except OSError as error:
            raise _not_started(error) from error
        try:
            with _kept(place), held(ray, _not_started, address=None, _temp_dir=place):
                yield
        finally:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _kept(place: str) -> Iterator[None]:
    """The process that keeps the cluster, once that is ready; both are gone at the end."""
    options = {
        "num_cpus": importlib.import_module("joblib").cpu_count(),  # by affinity and control group
        "resources": {ALONE: 1},
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_temp_dir": place,
    }
    keeper = subprocess.Popen(
        [sys.executable, "-P", "-m", "clay_eval.ray.keeper", json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        told = keeper.stdout.readline().strip() if keeper.stdout else ""
        if told != READY:
            raise _not_started(told or "it ended at once")
        yield
    finally:
        try:
            keeper.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("Ray did not end within %g seconds, and was killed", _END_SECONDS)
        finally:
            if keeper.returncode != 0:
                with suppress(ProcessLookupError):
                    os.killpg(keeper.pid, signal.SIGKILL)
                keeper.wait()


def _not_started(found: object) -> ClayEvalError:
    return ClayEvalError(
        "Ray could not be started on this machine",
        found=str(found).strip().partition("\n")[0][:400],
        hint="use --engine local, or set RAY_TMPDIR to a folder with a short path and some room",
    )


def _forget_token(ray: Any) -> None:
    """Have Ray read the environment again: it would go on to ask workers of other clusters for the token."""
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


@cache
def _token() -> str:
    """One for all clusters of this process: Ray reads it once."""
    return secrets.token_hex(32)


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Variables that are not set have these values within the block, and none after it, whoever set them."""
    new = {name: value for name, value in changes.items() if name not in os.environ}
    os.environ.update({name: value for name, value in new.items() if value is not None})
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


def share_of(
    workers: int | None, cpus: float | None, gpus: float, found: Mapping[str, float]
) -> tuple[int, float]:
    """How many workers work on a machine that is all theirs, at most, and how many CPUs each has.

    workers, cpus: as asked for; None is one worker a GPU, or one where no GPUs are used, and an equal share of the cores,
    which is less than a CPU for GPUs that outnumber them. gpus: of each worker. found: the machine's resources.
    """
    cores, room = int(found.get("CPU", 1)), int(found.get("GPU", 0) / gpus) if gpus else 0
    count = min(workers, room or workers) if workers else max(room, 1)
    if cpus is not None:
        return count, cpus
    if not gpus:
        count = min(count, cores)
    return count, float(cores // count) if count <= cores else int(100 * cores / count) / 100
