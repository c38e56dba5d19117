"""What the parts of `real_size.py` measure with: seconds, peaks of memory, lines, and what is skipped and why."""

from __future__ import annotations

import gc
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from clay_eval.evaluator.embedding.encoders.devices import is_out_of_memory
from clay_eval.schemas.errors import InputError

GIB = 1 << 30


class SkippedError(Exception):
    """Why something is not measured."""


@dataclass(frozen=True)
class Line:
    """What one step showed.

    stage, bare: items a second through the product's stage and by bare calls; gib: memory at its peak; times: how often the
    bare time fits into that of the stage, where it is not to be had from these two.
    """

    stage: float
    bare: float
    gib: float
    note: str = ""
    times: float | None = None

    def __str__(self) -> str:
        times = self.bare / self.stage if self.times is None else self.times
        return f"{self.stage:8.2f} {self.bare:8.2f} {times:6.2f} {self.gib:9.2f}  {self.note}".rstrip()


@dataclass
class Room:
    """Where a part is measured.

    device: as torch names it. deadline: by `time.monotonic`. memory: GiB that may be used at most.
    """

    device: str
    small: bool
    deadline: float
    memory: float
    skipped: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def say(self, name: str, text: object) -> None:
        """Print a line at once: a part that is stopped leaves what it had measured."""
        sys.stdout.write(f"  {name:<34} {text}\n")
        sys.stdout.flush()

    def step(self, name: str, seconds: float, work: Callable[[], Line | str]) -> None:
        """Print what `work` showed; its name and the reason where it cannot be done or would take too long.

        seconds: about how long it takes at its real size.
        """
        left = self.deadline - time.monotonic()
        try:
            if not self.small and seconds > left:
                raise SkippedError(f"takes about {seconds:.0f} s, and {max(left, 0):.0f} s are left")
            self.say(name, work())
        except SkippedError as error:
            self._skip(name, str(error))
        except InputError as error:
            self._skip(name, "; ".join(filter(None, [error.what, error.hint])))
        except Exception as error:
            text = f"{type(error).__name__}: {error}".partition("\n")[0]
            if is_out_of_memory(error):
                self._skip(name, f"does not fit: {text}")
            else:
                self.faults.append(f"{name}: {text}")
                self.say(name, f"went wrong: {text}")
                traceback.print_exc()
        finally:
            self.clean()

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(f"{name}: {reason}")
        self.say(name, f"skipped: {reason}")

    def require(self, counts: Mapping[str, int], width: int, work: float) -> None:
        """Raise SkippedError unless models of so many parameters, `width` bytes each, and `work` GiB beside them fit."""
        needed = sum(counts.values()) * width / GIB + (0 if self.small else work)
        free = min(self.free(), self.memory)
        if needed > free:
            raise SkippedError(f"needs about {needed:.1f} GiB, and {free:.1f} GiB are to be had")

    def free(self) -> float:
        """GiB that are free on the device."""
        if self.on_gpu:
            return torch.cuda.mem_get_info(self.device)[0] / GIB
        return host_free()

    def seconds(self, run: Callable[[], object]) -> float:
        """How long `run` takes, until the device has done it."""
        self._wait()
        start = time.perf_counter()
        run()
        self._wait()
        return time.perf_counter() - start

    def by_turns(self, rounds: int, *runs: Callable[[], object]) -> list[float]:
        """The median seconds of each of several runs that take turns."""
        found = [[self.seconds(run) for run in runs] for _ in range(rounds)]
        return [statistics.median(times) for times in zip(*found, strict=True)]

    def clean(self) -> None:
        """Give back memory that nothing uses, and begin to look for a new peak."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> float:
        """GiB in use at most since `clean`: allocated on the GPU, or resident of this process."""
        if self.on_gpu:
            return torch.cuda.max_memory_allocated(self.device) / GIB
        return _kib("/proc/self/status", "VmHWM") / (1 << 20)

    def _wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def host_free() -> float:
    """GiB of the machine's own memory that are available."""
    return _kib("/proc/meminfo", "MemAvailable") / (1 << 20)


def _kib(path: str, name: str) -> int:
    for line in Path(path).read_text("utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"no {name} in {path}")


class Crowded:
    """A device that has no room for more than `most` pictures at once, played by the model itself.

    It stands before the forward pass of `model`, whose argument `name` has `each` rows a picture. `seen` lists the pictures
    of every pass that was let through.
    """

    def __init__(self, model: torch.nn.Module, name: str, each: int, most: float = float("inf")) -> None:
        self._name, self._each, self._most = name, each, most
        self.seen: list[int] = []
        self._handle = model.register_forward_pre_hook(self._look, with_kwargs=True)

    def _look(self, _model: Any, positional: Sequence[Any], named: Mapping[str, Any]) -> None:
        pictures = len(named[self._name] if self._name in named else positional[0]) // self._each
        if pictures > self._most:
            raise torch.OutOfMemoryError("out of memory, as this benchmark plays it")
        self.seen.append(pictures)

    def leave(self) -> None:
        """Take it away."""
        self._handle.remove()
