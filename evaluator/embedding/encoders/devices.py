"""Where a model runs, in which number format, and what is said when a device is missing or too small."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from threading import RLock

from clay_eval.schemas.errors import InputError

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps")
_ACCELERATORS = RLock()
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")


def choose_device(device: str = "auto") -> str:
    """The torch device for "auto", "cpu", "cuda", "cuda:1" or "mps"; one that is not there raises InputError."""
    import torch

    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise InputError("unknown device", where="--device", expected=f"one of {DEVICES}", found=device)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if kind == "auto":
        return next(name for name, available in there.items() if available)
    if not there[kind]:
        present = [name for name, available in there.items() if available]
        raise InputError(
            f"this machine has no {kind} device that torch can use",
            where="--device",
            expected=f"auto, or one of {present}",
            found=device,
        )
    return device


def check_options(precision: str, batch_size: int) -> None:
    """Raise InputError for an unknown precision or a batch that holds nothing."""
    if precision not in PRECISIONS:
        raise InputError(
            "unknown precision", where="--precision", expected=f"one of {PRECISIONS}", found=precision
        )
    if batch_size < 1:
        raise InputError(
            "a batch holds at least one item", where="--batch-size", expected=">= 1", found=batch_size
        )


def in_turn(device: str) -> AbstractContextManager[object]:
    """A block in which one thread at a time computes on an accelerator; on the CPU nobody waits for anybody.

    cuDNN's flags are the whole process's, so that another thread's results would depend on the moment, and models that fit
    into a device's memory one at a time may not do so at once.
    """
    return nullcontext() if device == "cpu" else _ACCELERATORS


def exact_convolutions(device: str, precision: str) -> AbstractContextManager[None]:
    """On NVIDIA cards cuDNN rounds float32 convolutions to TF32 by default; precision "fp32" means float32."""
    import torch

    if not device.startswith("cuda") or precision != "fp32":
        return nullcontext()
    exact: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return exact


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a device has too little memory; only CUDA's allocator has an exception of its own for it."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_MEMORY)


def free_memory() -> None:
    """Give back what nothing uses: on an accelerator, memory that torch keeps for later."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
