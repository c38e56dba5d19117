"""How often the embedded diffusion pipeline draws what it is asked for, before and after the alignment filter.

    python data/training/evaluate_pipeline.py --count 1000
    python data/training/evaluate_pipeline.py --count 200 --pipeline checkpoints/denoiser/pipeline --steps 16 --guidance 4
    python data/training/evaluate_pipeline.py --count 1000 --readers checkpoints/reader
    python data/training/evaluate_pipeline.py --count 1000 --ceiling

Draws `count` samples of each demonstration entity as `clay-eval plan` deals them. A label is read back if, among the
values of its attribute, the one whose texts are nearest is the label, for the embedded encoder: it had no part in
training the pipeline, and the filter asks another model. Prints shares by attribute and of samples with every label right.
With --readers, classifiers of another make read every label, core and diversity, too (see train_reader.py).
--ceiling reads exact drawings of the same samples instead, as they are and after the pipeline's autoencoder, which every
picture of the pipeline comes out of.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from evaluate_encoder import value_vectors
from pictures import ENTITIES
from PIL import Image
from train_reader import attributes_of, load_reader, read

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.generator.alignment.base import Judge
from clay_eval.generator.alignment.loading import load_judge
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.base import Renderer
from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion
from clay_eval.generator.render.embedded import load_embedded
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.samples import SampleSpec, attempt_seed

BATCH = 8
EMBEDDED = Path(__file__).parents[1] / "embedded" / "pipeline"


def draw(renderer: Renderer, samples: Sequence[SampleSpec]) -> list[Image.Image]:
    """One picture a sample."""
    starts = range(0, len(samples), BATCH)
    return [image for s in starts for image in renderer.render(samples[s : s + BATCH])]


def read_back(
    encoder: Encoder, spec: EntitySpec, samples: Sequence[SampleSpec], images: list[Image.Image]
) -> np.ndarray:
    """(N, attributes) bool: is each core label the one that the encoder reads?"""
    features = encoder.encode_images(images)
    columns = []
    for attribute in spec.attributes:
        values, vectors = value_vectors(encoder, spec.entity, attribute.name)
        read = (features @ vectors.T).argmax(1)
        columns.append([values[i] == s.labels[attribute.name] for i, s in zip(read, samples, strict=True)])
    return np.array(columns).T


def read_everything(
    folder: Path, spec: EntitySpec, samples: Sequence[SampleSpec], images: list[Image.Image]
) -> dict[str, float]:
    """Share of pictures in per cent in which the reader in `folder` finds the label, by attribute, core and diversity."""
    found = read(load_reader(folder, spec), images)
    shares = {}
    for column, (name, values) in zip(found.T, attributes_of(spec).items(), strict=True):
        asked = [{**s.diversity, **s.labels}[name] for s in samples]
        shares[name] = round(
            100 * float(np.mean([values[i] == a for i, a in zip(column, asked, strict=True)])), 1
        )
    return shares


def filtered(
    renderer: Renderer, judge: Judge, samples: Sequence[SampleSpec], images: list[Image.Image], attempts: int
) -> tuple[list[SampleSpec], list[Image.Image], int]:
    """(accepted samples, their pictures, how many were accepted at the first try)."""
    waiting, pictures = list(samples), images
    kept: list[tuple[SampleSpec, Image.Image]] = []
    first = 0
    for attempt in range(1, attempts + 1):
        verdicts = judge.judge(waiting, pictures)
        kept += [(s, p) for s, p, v in zip(waiting, pictures, verdicts, strict=True) if v.accepted]
        first = first or len(kept)
        waiting = [s for s, v in zip(waiting, verdicts, strict=True) if not v.accepted]
        if not waiting or attempt == attempts:
            break
        again = [replace(s, seed=attempt_seed(s.seed, attempt + 1)) for s in waiting]
        pictures = draw(renderer, again)
    return [s for s, _ in kept], [p for _, p in kept], first


def through_autoencoder(folder: Path, images: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures encoded into the pipeline's latents and decoded again."""
    autoencoder = AutoencoderTiny.from_pretrained(folder / "vae", use_safetensors=True).float().eval()
    decoded: list[Image.Image] = []
    for start in range(0, len(images), BATCH):
        pixels = np.stack([np.asarray(image, np.float32) for image in images[start : start + BATCH]])
        with torch.no_grad():
            latents = autoencoder.encode(torch.from_numpy(pixels / 127.5 - 1).permute(0, 3, 1, 2)).latents
            out = autoencoder.decode(latents).sample.clamp(-1, 1)
        arrays = ((out + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        decoded += [Image.fromarray(array) for array in arrays]
    return decoded


def ceiling(
    folder: Path, encoder: Encoder, spec: EntitySpec, samples: Sequence[SampleSpec]
) -> dict[str, Any]:
    """Shares that are read back of exact drawings, before and after the autoencoder."""
    images = draw(ProceduralRenderer(64), samples)
    return {
        "exact": shares(spec, read_back(encoder, spec, samples, images)),
        "autoencoder": shares(spec, read_back(encoder, spec, samples, through_autoencoder(folder, images))),
    }


def shares(spec: EntitySpec, right: np.ndarray) -> dict[str, float]:
    """Share of right labels in per cent, by attribute, and of samples with all labels right."""
    found = {a.name: float(column.mean()) for a, column in zip(spec.attributes, right.T, strict=True)}
    return {
        name: round(100 * share, 1) for name, share in {**found, "all": float(right.all(1).mean())}.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", help="a folder; default: the one that is shipped")
    parser.add_argument("--judge", help="an encoder to filter with; none: before the filter only")
    parser.add_argument("--count", type=int, default=1000, help="samples an entity")
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--readers", type=Path, help="a folder that train_reader.py wrote")
    parser.add_argument("--sheet", help="write a contact sheet of the first pictures to this file")
    parser.add_argument("--ceiling", action="store_true", help="read exact drawings; see above")
    options = parser.parse_args()
    if options.ceiling:
        encoder, report = load_encoder("embedded", device="cpu"), {}
        for entity in ENTITIES:
            spec = load_entity(entity)
            samples = list(Plan(spec, count=options.count))
            if options.readers:
                exact = draw(ProceduralRenderer(64), samples)
                report[f"{entity}, exact, read by the reader"] = read_everything(
                    options.readers, spec, samples, exact
                )
            report[entity] = ceiling(Path(options.pipeline or EMBEDDED), encoder, spec, samples)
        print_report(report)
        return
    settings = DiffusionOptions(steps=options.steps, guidance=options.guidance, device="cpu")
    renderer = load_diffusion(options.pipeline, settings) if options.pipeline else load_embedded(settings)
    encoder = load_encoder("embedded", device="cpu")
    report = {}
    sheet: list[Image.Image] = []
    for entity in ENTITIES:
        spec = load_entity(entity)
        samples = list(Plan(spec, count=options.count))
        began = time.perf_counter()
        images = draw(renderer, samples)
        seconds = (time.perf_counter() - began) / len(samples)
        sheet += images[:48]
        facts = {
            "before": shares(spec, read_back(encoder, spec, samples, images)),
            "seconds a picture": seconds,
        }
        if options.readers:
            facts["read by the reader"] = read_everything(options.readers, spec, samples, images)
        if options.judge:
            judge = load_judge(options.judge, device="cpu")
            judge.prepare(spec)
            kept, pictures, first = filtered(renderer, judge, samples, images, options.attempts)
            facts["after"] = shares(spec, read_back(encoder, spec, kept, pictures))
            facts["accepted at first"] = first / len(samples)
            facts["accepted"] = len(kept) / len(samples)
        report[entity] = facts
    if options.sheet:
        size = sheet[0].width
        whole = Image.new("RGB", (12 * size, -(-len(sheet) // 12) * size))
        for n, image in enumerate(sheet):
            whole.paste(image, (n % 12 * size, n // 12 * size))
        whole.save(options.sheet)
    print_report(report)


def print_report(report: Mapping[str, Any]) -> None:
    """As JSON."""
    json.dump(report, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
