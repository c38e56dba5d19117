"""Encoders that take pictures as they are, and a unit of pictures of many sizes for them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from clay_eval.evaluator.embedding.encoders import normalise_rows
from clay_eval.evaluator.pictures.labelled import Labelled, Unit

SIZES = [(64, 48), (200, 300), (33, 90), (500, 20), (128, 128), (90, 31), (700, 500)]


def png(size: tuple[int, int], seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


class Pictures:
    """One unit of pictures of many sizes."""

    fingerprint = "0"

    def __init__(self, sizes: Sequence[tuple[int, int]] = SIZES) -> None:
        self.data = {f"p{i}": png(size, i) for i, size in enumerate(sizes)}
        self.entities: Mapping[str, Labelled] = {"e": Labelled(tuple(self.data), {}, {}, "e")}

    def units(self) -> tuple[Unit, ...]:
        return (Unit("e-0", "sha", "e", tuple(self.data)),)

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        yield from self.data.items()


def rows_of(picture: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture.resize((4, 4)), dtype=np.float64).reshape(-1)


class Plain:
    """Takes pictures as they are, and notes how many pixels it is given at once."""

    identity: Mapping[str, Any] = {"name": "plain", "dimension": 48}
    dimension = 48
    logit_scale = 100.0

    def __init__(self) -> None:
        self.given: list[int] = []

    def encode_images(self, images: Sequence[Image.Image]) -> Any:
        self.given.append(sum(image.width * image.height for image in images))
        return normalise_rows(np.stack([rows_of(image) for image in images]))

    def encode_texts(self, texts: Sequence[str]) -> Any:
        raise AssertionError


class InSteps(Plain):
    """Prepares pictures; notes how many it prepares and encodes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def prepare(self, images: Sequence[Image.Image]) -> list[Any]:
        self.given.append(sum(image.width * image.height for image in images))
        return [rows_of(image) for image in images]

    def encode_prepared(self, prepared: Sequence[Any]) -> Any:
        self.batches.append(len(prepared))
        return normalise_rows(np.stack(prepared))
