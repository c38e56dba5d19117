"""Train the embedded demonstration encoder: a small CLIP, from scratch, on procedural pictures and varied captions.

    python data/training/pictures.py --out checkpoints/pool --count 24000
    python data/training/train_encoder.py --pool checkpoints/pool --work checkpoints/encoder

Stopped at any time, the same command continues from the last checkpoint. A tenth of the attribute combinations is never
drawn for training (labels.split_combinations). The loss is CLIP's symmetric cross-entropy with targets spread evenly
over all pairs in the batch that fit: a caption that says "a red object" fits every red object, not only its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from captions import caption
from loop import learning_rate, load_checkpoint, options_of, save_checkpoint, set_learning_rate
from safetensors.torch import save_file

from clay_eval.schemas.entity import EntitySpec, load_entity

CONFIG = {
    "model_cfg": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 24, "patch_size": None},
        "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
        "size": [64, 64],
    },
}
ENTITIES = ("demo-object", "demo-human")
log = logging.getLogger("train")


@dataclass
class Entity:
    """Pictures and labels of one entity in memory."""

    spec: EntitySpec
    pixels: np.ndarray
    records: list[dict[str, dict[str, str]]]


def load_pool(pools: Sequence[Path]) -> list[Entity]:
    """What pictures.py wrote, in one folder or several."""
    return [
        Entity(
            load_entity(e),
            np.concatenate([np.load(pool / f"{e}.npy", mmap_mode="r") for pool in pools]),
            [record for pool in pools for record in json.loads((pool / f"{e}.json").read_text())],
        )
        for e in ENTITIES
    ]


def batch(
    entities: list[Entity], size: int, rng: random.Random
) -> tuple[torch.Tensor, list[str], torch.Tensor]:
    """(images (B, 3, H, W) in -1 to 1, captions, fits (B, B) bool: does picture i fit caption j)."""
    images, texts, facts, mentions = [], [], [], []
    for i in range(size):
        entity = entities[i % len(entities)]
        n = rng.randrange(len(entity.records))
        record = entity.records[n]
        text, mentioned = caption(entity.spec, record["labels"], record["diversity"], rng)
        images.append(entity.pixels[n])
        texts.append(text)
        name = entity.spec.entity
        facts.append({(name, *item) for item in {**record["labels"], **record["diversity"]}.items()})
        mentions.append({(name, *item) for item in mentioned.items()})
    fits = torch.tensor([[m <= f for m in mentions] for f in facts])
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
    return augment(pixels, rng), texts, fits


def augment(pixels: torch.Tensor, rng: random.Random) -> torch.Tensor:
    """Shift by up to 4 pixels, change brightness and contrast a little, add noise: one draw a batch, noise a pixel."""
    dx, dy = rng.randint(-4, 4), rng.randint(-4, 4)
    padded = torch.nn.functional.pad(pixels, (4, 4, 4, 4), mode="replicate")
    height, width = pixels.shape[2:]
    pixels = padded[:, :, 4 + dy : 4 + dy + height, 4 + dx : 4 + dx + width]
    gain = 1 + 0.2 * (torch.rand(len(pixels), 1, 1, 1) - 0.5)
    bias = 0.2 * (torch.rand(len(pixels), 1, 1, 1) - 0.5)
    noise = torch.randn_like(pixels) * (0.06 * torch.rand(len(pixels), 1, 1, 1))
    return pixels * gain + bias + noise


def loss_of(model: Any, images: torch.Tensor, tokens: torch.Tensor, fits: torch.Tensor) -> torch.Tensor:
    """CLIP's loss with every fitting pair a target."""
    with torch.autocast("cpu", torch.bfloat16):
        image = model.encode_image(images, normalize=True)
        text = model.encode_text(tokens, normalize=True)
    logits = model.logit_scale.exp() * image.float() @ text.float().T
    targets = fits.float()
    rows = targets / targets.sum(1, keepdim=True)
    columns = targets / targets.sum(0, keepdim=True)
    by_image = -(rows * logits.log_softmax(1)).sum(1).mean()
    by_text = -(columns * logits.log_softmax(0)).sum(0).mean()
    return (by_image + by_text) / 2


def save(folder: Path, model: torch.nn.Module, config: dict[str, Any]) -> None:
    """Write the folder that open_clip loads."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in half.items()}, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")


def train(options: argparse.Namespace, config: dict[str, Any], name: str) -> None:
    """Run the training loop from the newest checkpoint to the end; leave an open_clip folder in `work`/`name`."""
    torch.manual_seed(options.seed)
    entities = load_pool(options.pool)
    model = open_clip.CLIP(**config["model_cfg"])
    tokenize = open_clip.SimpleTokenizer(context_length=config["model_cfg"]["text_cfg"]["context_length"])
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=options.lr
    )
    first = load_checkpoint(options.work, model, optimizer)
    model.train()
    began, recent = time.perf_counter(), []
    for step in range(first, options.steps):
        rng = random.Random(f"{options.seed}|{step}")
        torch.manual_seed(options.seed * 1_000_003 + step)
        images, texts, fits = batch(entities, options.batch, rng)
        set_learning_rate(optimizer, learning_rate(step, options.steps, options.lr, warm_up=200))
        loss = loss_of(model, images.contiguous(memory_format=torch.channels_last), tokenize(texts), fits)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            seconds = (time.perf_counter() - began) / (step + 1 - first)
            log.info("step %d loss %.4f, %.2f s a step", step + 1, sum(recent) / len(recent), seconds)
            recent = []
        if (step + 1) % 250 == 0 or step + 1 == options.steps:
            save_checkpoint(options.work, model, optimizer, step + 1)
            save(options.work / name, model, config)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options_of(__doc__, steps=1600, batch=256, lr=2e-3), CONFIG, "encoder")


if __name__ == "__main__":
    main()
