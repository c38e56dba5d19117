"""The benchmark of models in real size: every part of it runs with the least sizes, and the real ones are as published."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
PUBLISHED = {
    "vit-b-32": {"towers": 151_277_313},
    "vit-l-14": {"towers": 427_616_513},
    "so400m": {"towers": 1_136_008_498},
    "sdxl": {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    },
    "flux-schnell": {
        "transformer": 11_891_178_560,
        "vae": 83_819_683,
        "text_encoder": 123_060_480,
        "text_encoder_2": 4_762_310_656,
    },
    "qwen": {"model": 3_754_622_976},
}
"""Parameters of the published weights."""
SKIPPED = [
    "torch on the GPU: there is no GPU",
    "sdxl, batch 4, real limit: there is no GPU whose memory could be limited",
    "flux-schnell, batch 4, real limit: there is no GPU whose memory could be limited",
    *(
        f"{family}, offload {way}: offloading moves models off a GPU, and there is none in use"
        for family in ("sdxl", "flux-schnell")
        for way in ("model, batch 2", "sequential, batch 1")
    ),
]


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The benchmark's own modules by name."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(name) for name in ("real_size", "real_room", "real_models")}
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_every_part_runs_with_the_least_sizes() -> None:
    command = [
        sys.executable,
        str(BENCHMARKS / "real_size.py"),
        "--small",
        "--device",
        "cpu",
        "--minutes",
        "60",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    shown, _, ended = done.stdout.partition(" s in all\n")
    assert ended.splitlines() == ["skipped:", *(f"  {line}" for line in SKIPPED)]
    measured = re.findall(r"^  (\S.*?) +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ +\d+\.\d+(?: |$)", shown, re.MULTILINE)
    assert measured == [
        *(
            f"{name}, {kind}, batch 4"
            for name in ("vit-b-32", "vit-l-14", "so400m")
            for kind in ("fp32", "bf16")
        ),
        *("judge, bf16", "judge, fp32"),
        *("image method, bf16, batch 2", "image method, fp32, batch 2"),
        *(
            f"{name}, {what}"
            for name in ("sdxl", "flux-schnell")
            for what in ("bf16, batch 2", "batch 4, played limit", "fp32, batch 1")
        ),
        "sdxl, compiled, batch 2",
    ]
    assert re.findall(r"out of memory is played: went on with (\d+) at once", shown) == [
        *"222222",
        *"11",
        *"22",
    ]
    (apart,) = re.findall(r"values at most (\S+) apart", shown)
    assert float(apart) < 1e-4


def test_real_sizes_are_the_published_ones(modules: dict[str, ModuleType]) -> None:
    models = modules["real_models"]
    made = {name: models.encoder_towers(name, small=False) for name in ("vit-b-32", "vit-l-14", "so400m")}
    made |= {"sdxl": models.sdxl_models(False), "flux-schnell": models.flux_models(False)}
    made["qwen"] = models.qwen_models(False)
    assert {name: models.parameters(makes) for name, makes in made.items()} == PUBLISHED


def room(modules: dict[str, ModuleType], seconds: float, memory: float = float("inf")) -> Any:
    return modules["real_room"].Room("cpu", False, time.monotonic() + seconds, memory)


def test_what_takes_too_long_or_does_not_fit_is_named(
    modules: dict[str, ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    late = room(modules, seconds=-1)
    late.step("a long one", 40, lambda: pytest.fail("it was begun"))
    small = room(modules, seconds=1e6, memory=1)

    def fit() -> str:
        small.require({"transformer": 11_891_178_560, "text": 4_762_310_656}, 2, 10)
        return "fits"

    def full() -> str:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    def broken() -> str:
        raise KeyError("x")

    for name, work in (("flux", fit), ("full", full), ("broken", broken)):
        small.step(name, 1, work)
    assert late.skipped == ["a long one: takes about 40 s, and 0 s are left"]
    assert small.skipped[0] == "flux: needs about 41.0 GiB, and 1.0 GiB are to be had"
    assert small.skipped[1].startswith("full: does not fit: OutOfMemoryError: CUDA out of memory.")
    assert small.faults == ["broken: KeyError: 'x'"]
    assert "went wrong: KeyError" in capsys.readouterr().out


def sleeping(_out: Connection) -> None:
    time.sleep(600)


def failing(_out: Connection) -> None:
    with suppress(OSError):
        sys.stderr.close()
    sys.exit(3)


def test_a_process_is_ended_when_the_time_is_up(modules: dict[str, ModuleType]) -> None:
    run = modules["real_size"].in_a_process
    assert run("fork", sleeping, seconds=0.1) == (None, "the time was up")
    sent, why = run("fork", failing, seconds=600)
    assert sent is None
    assert "exit code 3" in why


def test_without_time_every_part_is_named(modules: dict[str, ModuleType]) -> None:
    size = modules["real_size"]
    late = size.Asked("cpu", False, time.monotonic() - 1, float("inf"))
    told = size.run(list(size.PARTS), "fork", late)
    assert told.faults == ()
    assert [line.partition(":")[0] for line in told.skipped] == list(size.PARTS)
    assert {line.partition(": ")[2] for line in told.skipped} == {
        "no time is left",
        "there is no GPU, and a CPU takes minutes to hours a picture",
    }
