"""Embedding through the whole stage beside what it is made of: reading and preparing pictures alone, the model alone.

python benchmarks/bench_embed.py --pictures 256 --batch-size 8

"reading" is all but the model: tars are read and checked, JPEGs decoded and made into what the encoder takes, features
written. "model" is the encoder on pictures that were prepared before. The stage is both beside each other, and should take
hardly longer than the slower of the two. All by turns in one run; ratios are medians over the repeats (least to most).

small         the encoder that comes with the package
ViT-B-32      a model of that size and random weights, from open_clip's configuration; nothing is fetched
accelerator   a stand-in that prepares as ViT-B-32 does and then waits, as a host does for an accelerator, as long as reading
              took just before: the hardest case
both wait     a stand-in that waits 10 ms for a picture to be prepared, too, and as long to encode it: nobody computes, so
              that nothing but the stage and its order shows

The stand-ins show what runs beside what, and measure no model.

On a CPU, model and reading take cores from each other. So each has one of its own, alone as in the stage, where the system
can be told so; the model computes with one thread. Other programs still move the clock's ratios; those of processor time, of
the stage to the sum of both, show what the stage adds, and move less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_shards import make_samples, ours
from numpy.typing import NDArray
from PIL.Image import Image

from clay_eval.evaluator.embedding.encoders import OpenClipEncoder, choose_device, load_encoder
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.pictures.labelled import ImageSource
from clay_eval.evaluator.pictures.sources import ClayShards
from clay_eval.schemas.decoding import decode_image

Times = tuple[float, float]
REAL = "ViT-B-32"
TINY = 64
WAIT = 0.01


class Waiting:
    """Prepares as `inner` does, and waits `seconds` a picture where a model would compute; 0 is no model at all.

    preparing: seconds to wait for a picture instead of preparing it.
    """

    def __init__(self, inner: OpenClipEncoder, seconds: float = 0.0, preparing: float | None = None) -> None:
        self.inner, self.seconds, self.preparing = inner, seconds, preparing
        self.identity: Mapping[str, Any] = {**inner.identity, "name": "waiting"}
        self.dimension, self.logit_scale = inner.dimension, inner.logit_scale
        self.row = np.eye(1, inner.dimension, dtype=np.float32)

    def prepare(self, images: Sequence[Image]) -> list[Any]:
        """As the model's, or nothing."""
        if self.preparing is None:
            return self.inner.prepare(images)
        time.sleep(self.preparing * len(images))
        return [None] * len(images)

    def encode_prepared(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """The same row for each picture."""
        time.sleep(self.seconds * len(prepared))
        return np.repeat(self.row, len(prepared), axis=0)

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """As if they were prepared."""
        return self.encode_prepared(self.prepare(images))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Never asked for."""
        raise NotImplementedError


def random_encoder(name: str, device: str) -> OpenClipEncoder:
    """An open_clip model of this name with random weights, which take as long as trained ones."""
    import open_clip

    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=None, device=device)
    model.eval().requires_grad_(False)
    dimension = int(open_clip.get_model_config(name)["embed_dim"])
    identity = {"name": f"random {name}", "pretrained": "none", "precision": "fp32", "dimension": dimension}
    return OpenClipEncoder(
        model, preprocess, open_clip.get_tokenizer(name), identity, device, batch_size=4096
    )


class Elsewhere:
    """`inner` on a core of its own: the thread that asks it moves there, and leaves those that read and prepare behind."""

    def __init__(self, inner: OpenClipEncoder | Waiting, core: set[int]) -> None:
        self.inner, self.core = inner, core
        self.identity, self.dimension, self.logit_scale = inner.identity, inner.dimension, inner.logit_scale
        self.prepare, self.encode_images, self.encode_texts = (
            inner.prepare,
            inner.encode_images,
            inner.encode_texts,
        )

    def encode_prepared(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """As `inner`."""
        with on(self.core):
            return self.inner.encode_prepared(prepared)


@contextmanager
def on(core: set[int]) -> Iterator[None]:
    """This thread, and those it starts, on these cores; none: wherever they are."""
    if not core:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def two_cores(device: str) -> tuple[set[int], set[int]]:
    """(for reading, for the model); none where the model computes elsewhere, or nobody can be told."""
    if device != "cpu" or not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:
        return set(), set()
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return {first}, {second}


def shards(folder: Path, count: int, size: int) -> ClayShards:
    """So many JPEGs of `size` pixels."""
    folder.mkdir()
    ours(folder, make_samples(count, size), 128)
    return ClayShards(folder)


def timed(work: Callable[[], object]) -> Times:
    """(seconds by the clock, seconds of processor time) of a call."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def batches_of(source: ImageSource, encoder: OpenClipEncoder | Waiting, size: int) -> list[list[Any]]:
    """All pictures, prepared, in batches."""
    prepared = [
        encoder.prepare([decode_image(data, key)])[0]
        for unit in source.units()
        for key, data in source.images(unit)
    ]
    return [prepared[start : start + size] for start in range(0, len(prepared), size)]


def through(source: ImageSource, encoder: Any, size: int) -> None:
    """The stage, into a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        embed(source, encoder, FeatureStore(Path(folder)), size)


def measure(
    source: ImageSource,
    reader: Waiting,
    model: Callable[[float], OpenClipEncoder | Waiting],
    size: int,
    repeats: int,
) -> Mapping[str, list[Times]]:
    """Times of each way, one a repeat. reader: without a model. model: takes the seconds that reading took for a picture."""
    batches = batches_of(source, reader, size)
    model(0.0).encode_prepared(batches[0])
    count = sum(map(len, batches))
    reads, computes = two_cores(reader.inner.device)
    times: dict[str, list[Times]] = {"reading": [], "model": [], "stage": []}
    for _ in range(repeats):
        with on(reads):
            times["reading"].append(timed(partial(through, source, reader, size)))
        used = model(times["reading"][-1][0] / count)
        with on(computes):
            times["model"].append(timed(lambda: [used.encode_prepared(batch) for batch in batches]))  # noqa: B023
        with on(reads):
            times["stage"].append(timed(partial(through, source, Elsewhere(used, computes), size)))
    return times


def show(title: str, times: Mapping[str, list[Times]], count: int) -> None:
    """A line an encoder."""
    columns = {way: np.asarray(rows) for way, rows in times.items()}
    alone = np.maximum(columns["reading"][:, 0], columns["model"][:, 0])
    both = columns["reading"][:, 1] + columns["model"][:, 1]
    clock, used = columns["stage"][:, 0] / alone, columns["stage"][:, 1] / both
    middle = {way: 1000 * statistics.median(rows[:, 0]) / count for way, rows in columns.items()}
    sys.stdout.write(
        f"{title:<12}"
        + "".join(f"{middle[way]:>10.2f}" for way in ("reading", "model", "stage"))
        + "".join(
            f"{f'{statistics.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})':>24}"
            for ratio in (clock, used)
        )
        + "\n"
    )
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--size", type=int, default=1024, help="of a picture, in pixels")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default=REAL, help="an open_clip model, for its size")
    options = parser.parse_args()
    device = choose_device(options.device)
    if device == "cpu":
        torch.set_num_threads(1)
    small, real = load_encoder("embedded", device, batch_size=4096), random_encoder(options.model, device)
    assert isinstance(small, OpenClipEncoder)
    with tempfile.TemporaryDirectory() as name:
        large, tiny = (
            shards(Path(name) / str(size), options.pictures, size) for size in (options.size, TINY)
        )
        sys.stdout.write(
            f"{options.pictures} JPEGs of {options.size} pixels, batches of {options.batch_size}, model on {device}; "
            f"ms a picture\n"
            f"{'':12}{'reading':>10}{'model':>10}{'stage':>10}{'to the slower':>24}{'processor time':>24}\n"
        )
        rows: list[tuple[str, ImageSource, Waiting, Callable[[float], OpenClipEncoder | Waiting]]] = [
            ("small", large, Waiting(small), lambda _: small),
            (options.model, large, Waiting(real), lambda _: real),
            ("accelerator", large, Waiting(real), partial(Waiting, real)),
            ("both wait", tiny, Waiting(small, 0.0, WAIT), lambda _: Waiting(small, WAIT, WAIT)),
        ]
        for title, source, reader, model in rows:
            show(title, measure(source, reader, model, options.batch_size, options.repeats), options.pictures)


if __name__ == "__main__":
    main()
