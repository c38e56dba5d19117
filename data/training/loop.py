"""What the training scripts share: checkpoints that appear whole, and the learning rate's course."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch


def learning_rate(step: int, steps: int, peak: float, warm_up: int) -> float:
    """Linear warm-up over `warm_up` steps, times a cosine from 1 to 0 over all `steps`."""
    return peak * min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def load_checkpoint(work: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore the newest checkpoint of `work`, if there is one; return the step to go on with."""
    path = work / "checkpoint.pt"
    work.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def save_checkpoint(work: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write `work`/checkpoint.pt, moved into place when it is whole."""
    temporary = work / "checkpoint.part"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, temporary)
    temporary.replace(work / "checkpoint.pt")


def options_of(
    description: str | None, *, steps: int, batch: int, lr: float, seed: int = 0, start: bool = False
) -> argparse.Namespace:
    """The command line that all training scripts have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="folders that pictures.py wrote")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and the result")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--threads", type=int, default=2)
    if start:
        parser.add_argument("--start", type=Path, help="a pipeline folder whose weights to begin with")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options
