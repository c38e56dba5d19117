"""A vision-language model of transformers that an image method runs: found and checked at once, loaded when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError

from ...embedding.encoders.devices import check_options, choose_device
from ...embedding.encoders.rows import Batches
from ...embedding.encoders.transformers_loading import (
    check_folder,
    digests,
    find_folder,
    generation,
    read_part,
    readable,
)
from .protocol import Fact, check_template

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 1024


class ModelOptions:
    """The folder of a model and how it is run; the base of the built-in image methods.

    model: a folder or `org/name[@revision]`, in safetensors. instruction: a text with {aspect}. max_side: larger pictures
    are shrunk to this many pixels on their longer side, since some models cut pictures into tokens without bound.
    """

    name = ""
    needs_file = True

    def __init__(
        self,
        model: str,
        instruction: str,
        device: str,
        precision: str,
        batch_size: int,
        max_side: int = MAX_SIDE,
    ) -> None:
        check_options(precision, batch_size)
        choose_device(device)
        if not isinstance(max_side, int) or max_side < 1:
            raise InputError("a side has at least one pixel", where="max_side", found=max_side)
        self.model = str(model)
        self.instruction = check_template(instruction)
        self.precision = precision
        self.batch_size = batch_size
        self._batches = Batches(batch_size)
        self.max_side = max_side
        self._device = device
        self._found = find_folder(self.model, f"{self.name}(model={self.model})")
        check_folder(self._found.path)
        self.identity: dict[str, Fact] = {
            "name": self.name,
            "model": self._found.name,
            "revision": self._found.revision or "folder",
            **digests(self._found.path),
            "instruction": self.instruction,
            "precision": precision,
            "max_side": max_side,
            "library": f"transformers {generation()}",
        }

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        return read_part(AutoConfig, self._found.path, "configuration")

    def _options(self) -> dict[str, Any]:
        return {"batches": self._batches, "precision": self.precision}

    def shrink(self, image: Image) -> Image:
        """`image`, shrunk where it is too large."""
        return shrunk(image, self.max_side)

    def _fitting(self, images: Sequence[Image]) -> list[Image]:
        """The pictures, shrunk where they are too large; none is altered."""
        return [readable(self.shrink(image)) for image in images]


def shrunk(image: Image, side: int, whole: Callable[[float], int] = round) -> Image:
    """`image` with at most `side` pixels on its longer side, proportions kept; whole: makes whole pixels of a part."""
    from PIL import Image as ImageModule

    longer = max(image.size)
    if longer <= side:
        return image
    width, height = (max(1, whole(length * side / longer)) for length in image.size)
    return image.resize((width, height), ImageModule.Resampling.LANCZOS)
