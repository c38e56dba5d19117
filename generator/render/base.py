"""What a renderer is: sample specs in, pictures out, with an identity that says how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.samples import SampleSpec


class NothingShownError(ClayEvalError):
    """A picture on which nothing is to be seen: an attempt that failed, and that another seed may mend. where: the key."""


@runtime_checkable
class Renderer(Protocol):
    """Draws pictures of sample specs.

    `identity` is JSON-able and decides the pictures together with the sample spec: a changed one is another data set.
    `render` is called while another thread encodes and judges the pictures of the call before, which are its own no more.
    """

    identity: dict[str, Any]

    def check(self, spec: EntitySpec) -> None:
        """Raise InputError if this renderer cannot draw the entity at all."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """One RGB picture a sample; each depends on its own sample spec only, not on its batch mates."""
