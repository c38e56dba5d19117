"""Models of real size and random weights through the product's stages, beside the bare calls of the same models.

python benchmarks/real_size.py                          # all parts, on the GPU if there is one, within 8 minutes
python benchmarks/real_size.py --only sdxl --only judge # some of them
python benchmarks/real_size.py --small                  # the same code with the least sizes, on any machine

Nothing is downloaded: models have the published configurations (`real_models.py`), and time and memory do not depend on what
weights are. Each part runs in a process of its own, which is ended when the time is up. A line gives

- pictures a second through the stage, and by bare calls of the model with the same batches,
- "times": how long the stage takes, in times of the bare calls,
- the memory in use at its peak: allocated on the GPU, or resident.

What does not fit into memory, is not installed, needs a GPU or would go over the time is skipped by name, with the reason,
and named once more at the end.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

_ENDING = 5.0
"""Seconds that are kept for the end."""


@dataclass(frozen=True)
class Part:
    """What is measured in one process.

    work: "module:function" and what it is called with after the room. gpu: why it is not for a CPU, empty where it is.
    """

    about: str
    work: str
    arguments: tuple[str, ...] = ()
    gpu: str = ""


_DAYS = "there is no GPU, and a CPU takes minutes to hours a picture"
PARTS: Mapping[str, Part] = {
    "vit-b-32": Part("ViT-B/32 of open_clip, the embedding stage", "real_reading:encoder", ("vit-b-32",)),
    "vit-l-14": Part("ViT-L/14 of open_clip, the embedding stage", "real_reading:encoder", ("vit-l-14",)),
    "so400m": Part(
        "SigLIP 2 So400m (patch 14, 384 pixels), the embedding stage", "real_reading:encoder", ("so400m",)
    ),
    "scoring": Part("mAP against a million vectors, NumPy and torch", "real_reading:scoring"),
    "judge": Part("Qwen2.5-VL-3B as judge", "real_reading:judge", gpu=_DAYS),
    "image-method": Part("Qwen2.5-VL-3B as image method", "real_reading:image_method", gpu=_DAYS),
    "sdxl": Part("SDXL base 1.0, the rendering stage", "real_drawing:drawing", ("sdxl",), _DAYS),
    "flux-schnell": Part(
        "FLUX.1-schnell, the rendering stage", "real_drawing:drawing", ("flux-schnell",), _DAYS
    ),
    "sdxl-offload": Part("SDXL base 1.0, offloaded", "real_drawing:offloaded", ("sdxl",), _DAYS),
    "flux-schnell-offload": Part(
        "FLUX.1-schnell, offloaded", "real_drawing:offloaded", ("flux-schnell",), _DAYS
    ),
    "sdxl-compiled": Part("SDXL base 1.0, compiled", "real_drawing:compiled", ("sdxl",), _DAYS),
}


@dataclass(frozen=True)
class Asked:
    """What every part is told. deadline: by `time.monotonic`; memory: GiB."""

    device: str
    small: bool
    deadline: float
    memory: float


@dataclass(frozen=True)
class Told:
    """What a process left: what it skipped, and what went wrong, each with its name."""

    skipped: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def machine(asked: Asked, out: Connection) -> None:
    """Send the device that "auto" means here, and a line on machine and libraries; None and why it cannot be used."""
    from importlib.metadata import version

    import torch
    from real_room import host_free

    from clay_eval.evaluator.embedding.encoders import choose_device
    from clay_eval.schemas.errors import InputError

    try:
        device = choose_device(asked.device)
    except InputError as error:
        out.send((None, str(error)))
        return
    torch.zeros(1, device=device)
    if device.startswith("cuda"):
        device = f"cuda:{torch.device(device).index or 0}"
        facts = torch.cuda.get_device_properties(device)
        where = f"{facts.name}, {facts.total_memory / (1 << 30):.0f} GiB"
    else:
        where = f"no GPU; {torch.get_num_threads()} CPU threads, {host_free():.0f} GiB of memory free"
    libraries = ("torch", "transformers", "diffusers", "open_clip_torch")
    out.send((device, f"{where}; {', '.join(f'{name} {version(name)}' for name in libraries)}"))


def measure(name: str, asked: Asked, out: Connection) -> None:
    """Run one part, and send what it skipped."""
    part = PARTS[name]
    module, _, function = part.work.partition(":")
    try:
        work: Callable[..., None] = getattr(import_module(module), function)
    except ImportError as error:
        out.send(Told((f"{name}: {error.name} is not installed",)))
        return
    import real_models
    import torch
    from real_room import Room

    real_models.hush()
    if asked.small:
        torch.set_num_threads(1)  # threads cost such small models more than they save
    if asked.device.startswith("cuda"):
        torch.cuda.set_device(asked.device)
        torch.zeros(1, device=asked.device)
    room = Room(asked.device, asked.small, asked.deadline, asked.memory)
    room.clean()
    work(room, *part.arguments)
    out.send(Told(tuple(room.skipped), tuple(room.faults)))


def import_once() -> None:
    """Import what the parts need, so that processes forked from here have it.

    No GPU is touched by torch: a process that is forked afterwards could not use it.
    """
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    for module in ("real_reading", "real_drawing"):
        with suppress(ImportError):
            import_module(module)
    gc.collect()
    gc.freeze()


def in_a_process(start: str, target: Callable[..., None], *arguments: Any, seconds: float) -> tuple[Any, str]:
    """What `target` sends; None and the reason where it ended without sending, or took longer than `seconds` and was ended.

    start: "fork", or "spawn" where libraries have touched the GPU while they were imported.
    """
    context: Any = multiprocessing.get_context(start)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*arguments, sender))
    process.start()
    sender.close()
    try:
        if receiver.poll(max(seconds, 0)):
            return receiver.recv(), ""
        return None, "the time was up"
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGKILL:
            return None, "the system ended it, which it does where memory runs out"
        return None, f"it ended before it was done, with exit code {process.exitcode}; see above"
    finally:
        process.join(1)
        process.kill()
        process.join()


def run(names: list[str], start: str, asked: Asked) -> Told:
    """Measure the parts one after the other."""
    skipped: list[str] = []
    faults: list[str] = []
    for name in names:
        part = PARTS[name]
        left = asked.deadline - time.monotonic()
        _say(f"\n{name}: {part.about}")
        if part.gpu and asked.device == "cpu" and not asked.small:
            told = Told((f"{name}: {part.gpu}",))
        elif left <= 0:
            told = Told((f"{name}: no time is left",))
        else:
            told, why = in_a_process(start, measure, name, asked, seconds=left)
            if told is None:
                stopped = (f"{name}: {why}",)
                told = Told(stopped) if time.monotonic() >= asked.deadline else Told(faults=stopped)
        for text in (*told.skipped, *told.faults):
            if text.startswith(f"{name}: "):
                _say(f"  {text}")
        _say(f"  {left - (asked.deadline - time.monotonic()):.0f} s")
        skipped += told.skipped
        faults += told.faults
    return Told(tuple(skipped), tuple(faults))


def main() -> None:
    """Read the options, measure, and say at the end what was skipped; exit code 1 where something went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(PARTS), help="a part; may be repeated")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which everything ends")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--memory", type=float, default=float("inf"), help="GiB that may be used at most")
    parser.add_argument("--small", action="store_true", help="the least sizes, to see that everything runs")
    parser.add_argument("--list", action="store_true", help="name the parts and end")
    options = parser.parse_args()
    if options.list:
        for name, part in PARTS.items():
            _say(f"{name:<22} {part.about}{'; needs a GPU' if part.gpu else ''}")
        return
    began = time.monotonic()
    asked = Asked(options.device, options.small, began + 60 * options.minutes - _ENDING, options.memory)
    import_once()
    for start in ("fork", "spawn"):
        found, _ = in_a_process(start, machine, asked, seconds=60)
        if found is not None:
            break
    else:
        sys.exit("the device could not be used, see above")
    device, line = found
    if device is None:
        sys.exit(line)
    _say(line)
    _say(f"  {'':<34} {'stage':>8} {'bare':>8} {'times':>6} {'peak GiB':>9}")
    told = run(options.only or list(PARTS), start, replace(asked, device=device))
    _say(f"\n{time.monotonic() - began:.0f} s in all")
    for title, lines in (("skipped", told.skipped), ("went wrong", told.faults)):
        if lines:
            _say(f"{title}:\n" + "\n".join(f"  {one}" for one in lines))
    sys.exit(1 if told.faults else 0)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
