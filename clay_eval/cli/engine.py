"""Where work is done: the --engine option, and what goes with it, of the commands that can use many machines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clay_eval.ray.cluster import Resources


class EngineName(StrEnum):
    """Engines by name."""

    local = "local"
    ray = "ray"


_PANEL = "Many GPUs, many machines"


@dataclass(frozen=True)
class ClusterOptions:
    """Where work is done."""

    engine: Annotated[
        EngineName,
        typer.Option(
            "--engine",
            help="ray: on all machines of the running Ray cluster ($RAY_ADDRESS, or this machine's), where --out must be "
            "shared; without one, on all GPUs of this machine.",
            rich_help_panel=_PANEL,
        ),
    ] = EngineName.local
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="Workers at most. Default: as many as fit a cluster; one a GPU on this machine, or one.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-worker",
            min=0,
            help="GPUs a worker, or a share of one. Default: 1 where the cluster has any and the model can use it.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    cpus_per_worker: Annotated[
        float | None,
        typer.Option(
            "--cpus-per-worker",
            help="CPUs a worker, and its threads. Default: 1 on a cluster; an equal share on this machine.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def resources(self) -> Resources | None:
        """What the cluster is asked for; None for the local engine."""
        return ray_resources(self.engine, self.workers, self.gpus_per_worker, self.cpus_per_worker)


def ray_resources(
    engine: EngineName, workers: int | None, gpus: float | None, cpus: float | None
) -> Resources | None:
    """What the cluster is asked for; None for the local engine.

    Raises InputError if Ray is not installed, for values that make no sense, and for options that --engine local has not.
    """
    from clay_eval.ray.cluster import Resources, require_ray
    from clay_eval.schemas.errors import InputError

    if engine is EngineName.ray:
        resources = Resources(workers, gpus, cpus)
        require_ray()
        return resources
    given = {"--workers": workers, "--gpus-per-worker": gpus, "--cpus-per-worker": cpus}
    for option, value in given.items():
        if value is not None:
            raise InputError(
                "the local engine has no such option", where=option, hint="leave it out, or use --engine ray"
            )
    return None
