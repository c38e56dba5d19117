"""How much of what two twins differ in a pipeline's denoiser hears from the text, by attribute and time.

    python data/training/heard.py --pool checkpoints/twins --pipeline checkpoints/denoiser/pipeline

A noisy picture of one twin is denoised with its own text and with the other's. What the two texts make of it differs, and
of that difference d' this prints <d', d> / <d, d>, d being the difference of the twins: 0 where the text is not heard, 1
where it decides all. Where the picture itself is known the text need not be heard, and where nothing is known it
cannot decide: what tells how far training is, are the times between.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captions import prompt
from diffusers import AutoencoderTiny
from pictures import ENTITIES, TWIN_ATTRIBUTES
from train_denoiser import Model, differing, latents_of, start_from, tokens_of
from transformers import CLIPTokenizer

from clay_eval.schemas.entity import EntitySpec, load_entity

TIMES = (0.99, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)


def share(found: torch.Tensor, twins: torch.Tensor) -> float:
    """Mean of <found, twins> / <twins, twins> over rows; both (B, C, H, W)."""
    return float(((found * twins).sum((1, 2, 3)) / twins.square().sum((1, 2, 3))).mean())


def texts_of(spec: EntitySpec, records: list[Any], rows: list[int]) -> list[str]:
    """A prompt for each picture; two twins, 2 i and 2 i + 1, have the same phrasing."""
    made = (prompt(spec, records[i]["labels"], records[i]["diversity"], random.Random(i // 2)) for i in rows)
    return list(made)


@torch.no_grad()
def heard(
    model: Callable[..., torch.Tensor],
    tokenizer: CLIPTokenizer,
    one: torch.Tensor,
    other: torch.Tensor,
    texts: list[list[str]],
) -> dict[float, float]:
    """Time -> share, of scaled latents of twins, (B, 12, 16, 16) each, and the texts of both."""
    tokens = [tokens_of(tokenizer, of) for of in texts]
    noise = torch.randn(one.shape, generator=torch.Generator().manual_seed(1))
    shares = {}
    for time in TIMES:
        noisy, times = (1 - time) * one + time * noise, torch.full((len(one),), time)
        clean = [noisy - time * model(noisy, times, of) for of in tokens]
        shares[time] = round(share(clean[0] - clean[1], one - other), 3)
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="a folder that pictures.py --twins wrote")
    parser.add_argument("--pipeline", type=Path, default=Path(__file__).parents[1] / "embedded" / "pipeline")
    parser.add_argument("--count", type=int, default=200, help="twins an attribute")
    options = parser.parse_args()
    tokenizer = CLIPTokenizer.from_pretrained(options.pipeline / "tokenizer")
    model = Model(len(tokenizer)).eval()
    start_from(model, options.pipeline)
    vae = AutoencoderTiny.from_pretrained(options.pipeline / "vae", use_safetensors=True).float().eval()
    report = {}
    for entity in ENTITIES:
        spec, records = load_entity(entity), json.loads((options.pool / f"{entity}.json").read_text())
        pixels = np.load(options.pool / f"{entity}.npy", mmap_mode="r")
        for name in TWIN_ATTRIBUTES[entity]:
            starts = [i for i in range(0, len(records), 2) if differing(records[i], records[i + 1]) == name]
            rows = [i for start in starts for i in (start, start + 1)]
            texts = texts_of(spec, records, rows)
            told = [i for i in range(0, len(rows), 2) if texts[i] != texts[i + 1]][: options.count]
            one, other = (
                latents_of(vae, pixels[[rows[i + n] for i in told]]).float() * vae.config.scaling_factor
                for n in (0, 1)
            )
            report[name] = heard(model, tokenizer, one, other, [[texts[i + n] for i in told] for n in (0, 1)])
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
