"""What draws pictures, at its real size: diffusion pipelines through the rendering stage, beside the bare pipeline calls."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import real_models as models
import torch
from real_room import GIB, Crowded, Line, Room, SkippedError, host_free

from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.generator.render.diffusion import DiffusionOptions, DiffusionRenderer, check_offload, place
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.samples import SampleSpec, read_plan


@dataclass(frozen=True)
class Family:
    """A pipeline and how it is asked.

    denoiser: its component that takes most of the time, called with `rows`, of which there are `each` a picture. work: GiB
    beside the weights. seconds: about how long a batch takes in bf16 on an H100.
    """

    networks: Callable[[bool], dict[str, models.Make]]
    pipeline: Callable[[Any], Any]
    denoiser: str
    rows: str
    each: int
    options: DiffusionOptions
    batch: int
    work: float
    seconds: float


FAMILIES = {
    "sdxl": Family(
        models.sdxl_models,
        models.sdxl_pipeline,
        "unet",
        "sample",
        2,
        DiffusionOptions(size=1024, steps=10),
        4,
        12,
        4,
    ),
    "flux-schnell": Family(
        models.flux_models,
        models.flux_pipeline,
        "transformer",
        "hidden_states",
        1,
        DiffusionOptions(size=1024, steps=4, guidance=0.0),
        4,
        10,
        5,
    ),
}


class Studio:
    """A pipeline of one family on its device, and a plan for it."""

    def __init__(
        self, room: Room, name: str, precision: str, offload: str = "none", compile: bool = False
    ) -> None:
        self.room, self.family = room, FAMILIES[name]
        check_offload(offload, room.device)
        makes = self.family.networks(room.small)
        counts = models.parameters(makes)
        room.require(counts, models.BYTES[precision], self.family.work)
        if offload != "none" and sum(counts.values()) * models.BYTES[precision] / GIB > host_free():
            raise SkippedError(f"the weights do not fit into the machine's {host_free():.1f} GiB of memory")
        networks = {part: models.build(make, room.device, precision) for part, make in makes.items()}
        self.pipeline = self.family.pipeline(networks)
        size, steps = (64, 2) if room.small else (self.family.options.size, self.family.options.steps)
        options = replace(
            self.family.options, size=size, steps=steps, device=room.device, offload=offload, compile=compile
        )
        place(self.pipeline, room.device, options)
        facts = {"model": f"{name}, random", "dtype": precision}
        self.renderer = DiffusionRenderer(self.pipeline, options, facts)

    def bare(self, samples: Sequence[SampleSpec], batch: int) -> None:
        """Call the pipeline itself."""
        for start in range(0, len(samples), batch):
            self.pipeline(**self.renderer.arguments(samples[start : start + batch]))

    def stage(self, plan: Path, batch: int) -> None:
        """Render a plan into a folder beside it."""
        render_plan(plan, plan.with_name("shards"), self.renderer, RenderOptions(batch_size=batch))

    def crowded(self, most: float = float("inf")) -> Crowded:
        """Let the denoiser be out of memory with more than `most` pictures."""
        return Crowded(getattr(self.pipeline, self.family.denoiser), self.family.rows, self.family.each, most)

    def line(self, batch: int, batches: int, note: str = "") -> Line:
        """The rendering stage beside the pipeline itself, with the same batches; one batch is drawn before."""
        with tempfile.TemporaryDirectory() as folder:
            plan, samples = planned(Path(folder), batch * batches)
            self.bare(samples[:batch], batch)
            self.room.clean()
            alone, whole = self.room.by_turns(
                1, partial(self.bare, samples, batch), partial(self.stage, plan, batch)
            )
        steps = self.renderer.identity["steps"]
        told = f"{self.renderer.size} pixels, {steps} steps{note}"
        return Line(len(samples) / whole, len(samples) / alone, self.room.peak(), told)


def planned(folder: Path, count: int) -> tuple[Path, list[SampleSpec]]:
    """A plan folder with so many samples, and these."""
    plan = folder / "plan"
    write_plan(PlanRequest([load_entity("clay-object")], [None], count), plan)
    return plan, list(read_plan(plan / SAMPLES))[:count]


def drawing(room: Room, name: str) -> None:
    """bf16, a batch that does not fit, and fp32."""
    seconds = FAMILIES[name].seconds
    batch = 2 if room.small else FAMILIES[name].batch
    room.step(
        f"{name}, bf16, batch {batch}", 10 + 5 * seconds, lambda: Studio(room, name, "bf16").line(batch, 2)
    )
    room.step(
        f"{name}, batch {2 * batch}, played limit", 10 + 4 * seconds, partial(_halved, room, name, 2 * batch)
    )
    room.step(
        f"{name}, batch {2 * batch}, real limit", 10 + 5 * seconds, partial(_limited, room, name, 2 * batch)
    )
    room.step(f"{name}, fp32, batch 1", 15 + 3 * seconds, lambda: Studio(room, name, "fp32").line(1, 1))


def _halved(room: Room, name: str, batch: int) -> Line:
    """The stage where the denoiser is out of memory with more than half a batch."""
    studio = Studio(room, name, "bf16")
    with tempfile.TemporaryDirectory() as folder:
        plan, samples = planned(Path(folder), batch)
        studio.bare(samples[:1], 1)
        crowded = studio.crowded(batch // 2)
        whole = room.seconds(partial(studio.stage, plan, batch))
        crowded.leave()
        alone = room.seconds(partial(studio.bare, samples, batch // 2))
    note = f"out of memory is played: went on with {crowded.seen[-1]} at once"
    return Line(len(samples) / whole, len(samples) / alone, room.peak(), note)


def _limited(room: Room, name: str, batch: int) -> Line:
    """The stage where torch may allocate little more than half a batch takes, and really runs out."""
    if not room.on_gpu:
        raise SkippedError("there is no GPU whose memory could be limited")
    studio = Studio(room, name, "bf16")
    with tempfile.TemporaryDirectory() as folder:
        plan, samples = planned(Path(folder), batch)
        room.clean()
        alone = room.seconds(partial(studio.bare, samples, batch // 2))
        limit = 1.05 * torch.cuda.max_memory_reserved(room.device)
        card = torch.cuda.get_device_properties(room.device).total_memory
        room.clean()
        crowded = studio.crowded()
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / card), room.device)
        try:
            whole = room.seconds(partial(studio.stage, plan, batch))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, room.device)
        crowded.leave()
    note = f"{limit / GIB:.1f} GiB allowed: went on with {crowded.seen[-1]} at once"
    return Line(len(samples) / whole, len(samples) / alone, room.peak(), note)


def offloaded(room: Room, name: str) -> None:
    """Models moved to the GPU one at a time, and layer by layer."""
    seconds = FAMILIES[name].seconds
    batch = 2 if room.small else FAMILIES[name].batch
    room.step(
        f"{name}, offload model, batch {batch}",
        25 + 3 * seconds,
        lambda: Studio(room, name, "bf16", offload="model").line(batch, 1),
    )
    room.step(
        f"{name}, offload sequential, batch 1",
        25 + 10 * seconds,
        lambda: Studio(room, name, "bf16", offload="sequential").line(1, 1),
    )


def compiled(room: Room, name: str) -> None:
    """The denoiser compiled; its first batch, which compiles, is not in the figures but in the note."""
    family = FAMILIES[name]
    batch = 2 if room.small else family.batch

    def work() -> Line:
        if room.small:
            torch.compiler.set_stance("force_eager")
        studio = Studio(room, name, "bf16", compile=True)
        with tempfile.TemporaryDirectory() as folder:
            _, samples = planned(Path(folder), batch)
            first = room.seconds(lambda: studio.bare(samples, batch))
        how = "compiling was left out" if room.small else f"the first batch took {first:.0f} s"
        return studio.line(batch, 2, f"; {how}")

    room.step(f"{name}, compiled, batch {batch}", 120 + 5 * family.seconds, work)
