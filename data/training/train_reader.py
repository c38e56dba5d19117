"""Train readers: a small classifier an entity that reads every label, core and diversity, off a picture.

    python data/training/pictures.py --out checkpoints/pool --count 24000
    python data/training/train_reader.py --pool checkpoints/pool --work checkpoints/reader

A plain convolutional network with one linear head an attribute, trained on exact drawings, moved, softened and with
noise. It shares nothing with encoder and judge: no text, no contrastive loss, other random numbers, another architecture.
The last tenth of the pool is kept back and read at the end: what an exact drawing shows, and so the ceiling of any renderer.
Nothing of it is shipped; evaluate_pipeline.py asks it.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loop import learning_rate, set_learning_rate
from pictures import ENTITIES
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from clay_eval.schemas.entity import EntitySpec, load_entity

WIDTHS = (32, 64, 96, 160)
log = logging.getLogger("train")


class Reader(nn.Module):
    """(B, 3, 64, 64) pictures in -1 to 1 to a list of logits (B, values), one for each attribute."""

    def __init__(self, values: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in WIDTHS:
            layers += [nn.Conv2d(before, width, 3, stride=2 if before == 3 else 1, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU(), *([nn.MaxPool2d(2)] if before != 3 else [])]
            before = width
        self.body = nn.Sequential(
            *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(before * 16, 256), nn.ReLU()
        )
        self.heads = nn.ModuleList(nn.Linear(256, count) for count in values)

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Logits by attribute."""
        features = self.body(pictures)
        return [head(features) for head in self.heads]


def attributes_of(spec: EntitySpec) -> dict[str, tuple[str, ...]]:
    """Every attribute's values, core attributes first."""
    return {a.name: a.values for a in (*spec.attributes, *spec.diversity)}


def targets_of(spec: EntitySpec, records: Sequence[Any]) -> torch.Tensor:
    """(N, attributes): the position of each label among its attribute's values."""
    rows = [
        [
            values.index({**r["labels"], **r["diversity"]}[name])
            for name, values in attributes_of(spec).items()
        ]
        for r in records
    ]
    return torch.tensor(rows)


def tensor_of(pixels: np.ndarray) -> torch.Tensor:
    """(N, 3, H, W) float in -1 to 1 of (N, H, W, 3) uint8."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def blurred(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures as a lesser renderer might leave them: moved by up to two pixels, some softened, a little noise."""
    dx, dy = torch.randint(-2, 3, (2,), generator=generator).tolist()
    moved = functional.pad(pictures, (2, 2, 2, 2), mode="replicate")[..., 2 + dy : 66 + dy, 2 + dx : 66 + dx]
    share = torch.rand(len(moved), 1, 1, 1, generator=generator)
    soft = functional.avg_pool2d(functional.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    noise = (
        torch.randn(moved.shape, generator=generator)
        * 0.06
        * torch.rand(len(moved), 1, 1, 1, generator=generator)
    )
    return moved + share * (soft - moved) + noise


@torch.no_grad()
def read(reader: Reader, images: Sequence[Image.Image] | np.ndarray) -> np.ndarray:
    """(N, attributes): the position of the value that is read, for each picture and attribute."""
    reader.eval()
    parts = []
    for start in range(0, len(images), 256):
        part = images[start : start + 256]
        pixels = (
            part
            if isinstance(part, np.ndarray)
            else np.stack([np.asarray(i.convert("RGB").resize((64, 64))) for i in part])
        )
        parts.append(torch.stack([logits.argmax(1) for logits in reader(tensor_of(pixels))], 1))
    return torch.cat(parts).numpy()


def load_reader(folder: Path, spec: EntitySpec) -> Reader:
    """The reader that `main` left in `folder`."""
    reader = Reader([len(values) for values in attributes_of(spec).values()])
    reader.load_state_dict(load_file(folder / f"{spec.entity}.safetensors"))
    return reader.eval()


def train(spec: EntitySpec, options: argparse.Namespace) -> None:
    """Train one reader on the first nine tenths of the pool and report what it reads of the rest."""
    torch.manual_seed(options.seed)
    pixels = np.load(options.pool / f"{spec.entity}.npy", mmap_mode="r")
    records = json.loads((options.pool / f"{spec.entity}.json").read_text())
    targets, kept = targets_of(spec, records), len(records) * 9 // 10
    reader = Reader([len(values) for values in attributes_of(spec).values()]).to(
        memory_format=torch.channels_last
    )
    optimizer = torch.optim.AdamW(reader.parameters(), lr=options.lr, weight_decay=0.02)
    generator = torch.Generator().manual_seed(options.seed)
    reader.train()
    for step in range(options.steps):
        rows = torch.randint(0, kept, (options.batch,), generator=generator).sort().values
        pictures = blurred(tensor_of(pixels[rows.numpy()]), generator).contiguous(
            memory_format=torch.channels_last
        )
        set_learning_rate(optimizer, learning_rate(step, options.steps, options.lr, warm_up=50))
        with torch.autocast("cpu", torch.bfloat16):
            logits = reader(pictures)
        loss = sum(functional.cross_entropy(part.float(), targets[rows, i]) for i, part in enumerate(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            log.info("%s step %d loss %.3f", spec.entity, step + 1, loss.item())
    options.work.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in reader.state_dict().items()},
        options.work / f"{spec.entity}.safetensors",
    )
    right = (read(reader, np.array(pixels[kept:])) == targets[kept:].numpy()).mean(0) * 100
    log.info(
        "%s, exact drawings kept back: %s",
        spec.entity,
        dict(zip(attributes_of(spec), right.round(1).tolist(), strict=True)),
    )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="a folder that pictures.py wrote")
    parser.add_argument("--work", type=Path, required=True, help="where the readers go")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--entity", choices=ENTITIES, action="append", help="default: both")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for entity in options.entity or ENTITIES:
        train(load_entity(entity), options)


if __name__ == "__main__":
    main()
