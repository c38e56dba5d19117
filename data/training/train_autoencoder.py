"""Train the autoencoder of the embedded diffusion pipeline: 64 x 64 drawings to 16 x 16 latents and back.

    python data/training/pictures.py --out checkpoints/pool --count 24000
    python data/training/train_autoencoder.py --pool checkpoints/pool --work checkpoints/autoencoder

Stopped at any time, the same command continues from the last checkpoint. The loss is the absolute difference of pixels
and of their differences to the right and downwards, which keeps outlines sharp; a little noise on the latents and a
weak pull to zero keep them smooth enough for a diffusion model to fill.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np
import torch
from diffusers import AutoencoderTiny
from loop import learning_rate, load_checkpoint, options_of, save_checkpoint, set_learning_rate
from pictures import ENTITIES

LATENT_NOISE = 0.05
LATENT_PULL = 1e-3
log = logging.getLogger("train")


def make_model() -> AutoencoderTiny:
    """A new autoencoder: 3 x 64 x 64 in -1 to 1, 12 x 16 x 16 latents."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(1, 2, 2),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=12,
        upsampling_scaling_factor=2,
    )


def loss_of(
    model: AutoencoderTiny, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss, mean absolute difference of pixels) of a batch (B, 3, H, W) in -1 to 1."""
    with torch.autocast("cpu", torch.bfloat16):
        latents = model.encode(images).latents
        noise = torch.randn(latents.shape, generator=generator) * LATENT_NOISE
        decoded = model.decode(latents + noise).sample
    difference = decoded.float() - images
    pixels = difference.abs().mean()
    right = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return pixels + right + down + LATENT_PULL * latents.float().square().mean(), pixels


def train(options: argparse.Namespace) -> None:
    """Run from the newest checkpoint to the end; leave a diffusers model folder in `work`/vae."""
    torch.manual_seed(options.seed)
    pixels = [np.load(options.pool[0] / f"{entity}.npy", mmap_mode="r") for entity in ENTITIES]
    model = make_model().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.0)
    first = load_checkpoint(options.work, model, optimizer)
    model.train()
    began = time.perf_counter()
    for step in range(first, options.steps):
        rng = np.random.default_rng([options.seed, step])
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        half = options.batch // 2
        rows = np.concatenate([p[np.sort(rng.choice(len(p), half, replace=False))] for p in pixels])
        images = torch.from_numpy(rows).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        set_learning_rate(optimizer, learning_rate(step, options.steps, options.lr, warm_up=100))
        loss, difference = loss_of(model, images.contiguous(memory_format=torch.channels_last), generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            seconds = (time.perf_counter() - began) / (step + 1 - first)
            log.info(
                "step %d loss %.4f pixels %.4f, %.2f s a step",
                step + 1,
                loss.item(),
                difference.item(),
                seconds,
            )
        if (step + 1) % 500 == 0 or step + 1 == options.steps:
            save_checkpoint(options.work, model, optimizer, step + 1)
            model.save_pretrained(options.work / "vae")


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options_of(__doc__, steps=4000, batch=32, lr=2e-3))


if __name__ == "__main__":
    main()
