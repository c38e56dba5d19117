"""Work beyond one process: pieces of work handed to the workers of a Ray cluster: the one at hand, or one of this machine.

A piece is bytes with a name, and so is its answer; what to do with it is a recipe, a picklable callable that a worker calls
once, to load its model. Ray Data runs the workers: one that dies, with its machine or alone, is replaced and its piece is
done again. Errors of ours come back whole and are raised here as they would have been without Ray.

    RAY_ADDRESS=10.0.0.5:6379 clay-eval render --out /shared/runs/first --engine ray

The output folder is on storage that all machines share, at the same path. Without RAY_ADDRESS, it is the cluster that
`ray start` began on this machine; without that, one is started on it and ends with the run.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import ClayEvalError, InputError, StorageError
from clay_eval.schemas.software import versions

from .here import ALONE, held, share_of, started_here
from .work import Meeting, Recipe, Worker, meeting_in, not_shared, opened

_SAME_PACKAGES = ("pillow", "numpy", "torch", "diffusers", "transformers", "open_clip_torch")
_ANSWER_SECONDS = 300.0
_KNOCK_SECONDS = 10.0
_VISIBLE_SECONDS = 90.0
_START = (
    "start one: ray start --head, and ray start --address=HOST:6379 on each other machine; or unset RAY_ADDRESS: one is "
    "started on this machine alone"
)
_session: ContextVar[ExitStack | None] = ContextVar("session", default=None)


@dataclass(frozen=True)
class Resources:
    """What a cluster is asked for.

    workers: at most so many, None for as many as fit. gpus, cpus: for each; gpus None is one where the cluster has any and
    the work can use it, cpus None is 1. Fractions let workers share a GPU. On a cluster that was started for the run, on one
    machine, workers None is one a GPU, or one where no GPU is used, and cpus None an equal share of the cores.
    """

    workers: int | None = None
    gpus: float | None = None
    cpus: float | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError("there must be a worker", where="--workers", expected=">= 1", found=self.workers)
        for option, share, may_be_none in (
            ("--gpus-per-worker", self.gpus or 0.0, True),
            ("--cpus-per-worker", 1.0 if self.cpus is None else self.cpus, False),
        ):
            large_enough = share > 0 or (may_be_none and share == 0)
            if not large_enough or not math.isfinite(share) or (share > 1 and share % 1):
                raise InputError(
                    "no such share for a worker",
                    where=option,
                    expected="a whole number, or a fraction below 1" + ("" if may_be_none else ", above 0"),
                    found=share,
                )


def require_ray() -> None:
    """Raise InputError if Ray with Ray Data is not installed, or RAY_ADDRESS names what cannot be used."""
    missing = [name for name in ("ray", "pyarrow", "pandas") if find_spec(name) is None]
    if missing:
        raise InputError(
            "--engine ray needs Ray",
            found=f"no {', '.join(missing)} here",
            hint='pip install "clay-eval[ray]", on all machines of the cluster',
        )
    address = os.environ.get("RAY_ADDRESS", "")
    if address == "local" or "://" in address:
        raise InputError(
            "the run must be a part of the cluster, on one of its machines",
            where="RAY_ADDRESS",
            expected="HOST:PORT, or unset on a machine of the cluster",
            found=address,
            hint=_START,
        )


def over_cluster(
    pieces: Iterable[tuple[str, bytes]],
    recipe: Recipe,
    folder: Path,
    resources: Resources,
    can_use_gpus: bool = True,
) -> Iterator[bytes]:
    """Have pieces (name, content) done by the workers of the cluster; answers come as they are ready, in any order.

    folder: where the work writes, on shared storage. Raises InputError if there is no cluster, none of its machines is
    large enough, or they do not share the folder or the software; the first error of a worker; ClayEvalError for a piece
    that takes down its worker MAX_STARTS times. When this ends, in whatever way, the workers are gone.
    """
    require_ray()
    waiting = list(pieces)
    if not waiting:
        return
    with connected() as ray:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        most, cpus, gpus = _shares(resources, nodes, can_use_gpus)
        room = {node["NodeID"]: _room(node["Resources"], cpus, gpus) for node in nodes}
        fitting = [node for node in nodes if room[node["NodeID"]]]
        if not fitting:
            raise InputError(
                "no machine of the cluster is large enough for a worker",
                expected=f"{cpus:g} CPUs and {gpus:g} GPUs",
                found="; ".join(_described(node) for node in nodes),
                hint="use smaller --cpus-per-worker, --gpus-per-worker, or add a machine to the cluster",
            )
        with meeting_in(folder) as meeting:
            alone = _alone(nodes)
            if not alone:
                _check_nodes(ray, fitting, meeting)
            at_once = min(sum(room.values()), len(waiting), most or len(waiting))
            told = {
                "recipe": recipe,
                "meeting": meeting,
                "gpus": gpus,
                "threads": int(cpus) or 1 if alone else None,
            }
            yield from _stream(ray, waiting, told, cpus, gpus, at_once, min(most or at_once, len(waiting)))


@contextmanager
def one_connection() -> Iterator[None]:
    """Within the block, what connects first stays connected, with the cluster that it started, until the block ends."""
    with ExitStack() as stack:
        token = _session.set(stack)
        try:
            yield
        finally:
            _session.reset(token)


@contextmanager
def connected() -> Iterator[Any]:
    """The module `ray`, connected; a connection made here is given up at the end, or at that of `one_connection`."""
    ray: Any = importlib.import_module("ray")
    with ExitStack() as own:
        if not ray.is_initialized():
            (_session.get() or own).enter_context(_connection(ray))
        yield ray


@contextmanager
def _connection(ray: Any) -> Iterator[None]:
    address = os.environ.get("RAY_ADDRESS")
    if address and address != "auto":
        _knock(address)
    elif not address and not _runs_here(ray):
        with started_here(ray):
            yield
        return

    def failure(_: Exception) -> InputError:
        return InputError(
            "there is no Ray cluster here",
            where="RAY_ADDRESS" if address else None,
            found=address or "that of the last `ray start` does not answer; `ray stop` clears it away",
            hint=_START,
        )

    with held(ray, failure, address=address or None):
        yield


def _runs_here(ray: Any) -> bool:
    """Whether `ray start` made a cluster here that is still there; what another program started for itself ends with it."""
    address = ray._private.utils.read_ray_address()
    try:
        _knock(address or "")
    except InputError:
        return False
    return True


def _knock(address: str) -> None:
    """Raise InputError at once where nothing listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            "there is no Ray cluster at this address",
            where="RAY_ADDRESS",
            expected="HOST:PORT of a running cluster, such as 10.0.0.5:6379",
            found=f"{address}: {error}",
            hint=_START,
        ) from error


def wait_until_seen(path: Path, seconds: float = _VISIBLE_SECONDS) -> None:
    """Wait until a file that another machine wrote is seen from this one; network file systems take their time.

    Raises StorageError if it is not there after `seconds`.
    """
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise StorageError(
                "a worker wrote a file that this machine does not see",
                where=path,
                hint="the output folder must be on storage that all machines of the cluster share",
            )
        with os.scandir(path.parent) as entries:  # opening a folder makes NFS ask its server
            next(entries, None)
        time.sleep(0.05)


def _alone(nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the cluster was started for this run."""
    return any(ALONE in node["Resources"] for node in nodes)


def _shares(
    resources: Resources, nodes: Sequence[Mapping[str, Any]], can_use_gpus: bool
) -> tuple[int | None, float, float]:
    """Most workers (None: as many as fit), and CPUs and GPUs of each."""
    gpus = resources.gpus
    if gpus is None:
        gpus = float(can_use_gpus and any(node["Resources"].get("GPU", 0) >= 1 for node in nodes))
    if not _alone(nodes):
        return resources.workers, resources.cpus or 1.0, gpus
    return *share_of(resources.workers, resources.cpus, gpus, nodes[0]["Resources"]), gpus


def _room(found: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many workers a machine has room for."""
    by_cpus = int(found.get("CPU", 0) // cpus)
    return min(by_cpus, int(found.get("GPU", 0) / gpus)) if gpus else by_cpus


def _described(node: Mapping[str, Any]) -> str:
    found = node["Resources"]
    return f"{node['NodeManagerHostname']} has {found.get('CPU', 0):g} CPUs and {found.get('GPU', 0):g} GPUs"


def _check_nodes(ray: Any, nodes: Sequence[Mapping[str, Any]], meeting: Meeting) -> None:
    """Raise InputError unless every machine reads the token, and has the software of this one."""
    path, packages = str(meeting.sign), _SAME_PACKAGES

    def look() -> tuple[str | None, dict[str, str]]:
        # Travels by value: a machine without clay-eval can run it too.
        from importlib.metadata import PackageNotFoundError, version

        found = {}
        for name in ("clay-eval", *packages):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
        try:
            with open(path) as stream:  # noqa: PTH123
                return stream.read(), found
        except OSError:
            return None, found

    pinned = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = [task.options(scheduling_strategy=pinned(n["NodeID"], soft=False)).remote() for n in nodes]
    try:
        answers = ray.get(asked, timeout=_ANSWER_SECONDS)
    except ray.exceptions.RayError as error:
        raise ClayEvalError(
            "a machine of the cluster does not answer",
            expected=f"answers of {len(nodes)} machines within {_ANSWER_SECONDS:g} s",
            found=_last_line(error),
            hint="see `ray status`",
        ) from error
    ours = {name: text for name, text in versions(*packages).items() if name != "python"}
    for node, (token, theirs) in zip(nodes, answers, strict=True):
        host = node["NodeManagerHostname"]
        if token != meeting.token:
            raise not_shared(host, meeting.folder)
        wrong = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        if wrong:
            raise InputError(
                "a machine of the cluster has other software than this one, so it would make other data",
                where=host,
                expected=", ".join(f"{name} {ours.get(name, '(none)')}" for name in wrong),
                found=", ".join(f"{name} {theirs.get(name, '(none)')}" for name in wrong),
                hint="use the same environment on all machines",
            )


def _stream(
    ray: Any,
    waiting: Sequence[tuple[str, bytes]],
    told: Mapping[str, Any],
    cpus: float,
    gpus: float,
    at_once: int,
    most: int,
) -> Iterator[bytes]:
    arrow: Any = importlib.import_module("pyarrow")
    data: Any = importlib.import_module("ray.data")
    for logger in (logging.getLogger("ray"), logging.getLogger("ray.data")):
        logger.setLevel(logging.CRITICAL)
    context = data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    schema = arrow.schema([("name", arrow.string()), ("piece", arrow.binary())])
    tables = [arrow.table([[name], [piece]], schema=schema) for name, piece in waiting]
    # By default Ray Data restarts actors and repeats their tasks without limit, but for errors that a task raises; the
    # limit is MAX_STARTS. A piece waits with its worker only where a queue is what makes Ray Data start more workers.
    answers = data.from_arrow(tables).map_batches(
        Worker,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_kwargs=dict(told),
        num_cpus=cpus,
        num_gpus=gpus,
        compute=data.ActorPoolStrategy(
            min_size=1,
            max_size=most,
            initial_size=at_once,
            max_tasks_in_flight_per_actor=1 if most == at_once else 2,
        ),
    )
    try:
        for batch in answers.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for answer in batch.column("answer").to_pylist():
                yield opened(answer)
    except ray.exceptions.RayError as error:
        raise ClayEvalError(
            "the Ray cluster could not go on",
            found=_last_line(error),
            hint="see Ray's logs and `ray status`; then run the same command again: it continues where it was",
        ) from error


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:400]
