"""A picture between renderer and shard: whether it shows anything, and how it is stored."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec

from ..render.base import NothingShownError
from ..render.metadata import save_options

IMAGE_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "quality": 95, "method": 4},
}


def encode_image(image: Image.Image, image_format: str, packet: bytes) -> bytes:
    """The picture as it is stored, with the XMP `packet` inside and no other metadata.

    The same pixels and packet give the same bytes under one version of Pillow.
    """
    options = IMAGE_FORMATS[image_format]
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    stream = io.BytesIO()
    bare.save(stream, **options, **save_options(options["format"], packet))
    return stream.getvalue()


def check_pictures(samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> None:
    """Raise ClayEvalError for a renderer that breaks its word."""
    if len(images) != len(samples):
        raise ClayEvalError(
            "the renderer returned another number of pictures than it was asked for",
            where="the renderer",
            expected=len(samples),
            found=len(images),
        )
    for sample, image in zip(samples, images, strict=True):
        if image.mode != "RGB":
            raise ClayEvalError(
                "the renderer returned a picture of another kind than it should",
                where=sample.key,
                expected="RGB",
                found=image.mode,
            )


def single_color(sample: SampleSpec, image: Image.Image) -> NothingShownError | None:
    """What is wrong with a picture whose pixels are all alike, as black frames of safety checkers and broken models are."""
    extrema: Any = image.getextrema()
    if any(high > low for low, high in extrema):
        return None
    return NothingShownError(
        f"a picture of a single color, {tuple(low for low, _ in extrema)}",
        where=sample.key,
        found=sample.prompt,
        hint="a safety checker gives such pictures (change the prompt, or choose a model without one), and so does a model "
        "in a precision that is too low for it (--dtype fp32)",
    )


def decoded(data: bytes) -> Image.Image:
    """A picture that was encoded here, as its readers will see it."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")
