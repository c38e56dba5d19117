"""Vectors that came without an encoder: which texts would have to be encoded, said where a condition asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..embedding.given import GivenEncoder

if TYPE_CHECKING:
    from PIL.Image import Image


class MissingTextsError(InputError):
    """There are no vectors of `texts`, and nothing here could make them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        shown = "; ".join(map(repr, self.texts[:3]))
        super().__init__(
            f"the vectors came without an encoder of texts, and {len(self.texts)} of these texts have no vector",
            where="--text-features",
            found=shown + (f" and {len(self.texts) - 3} more" if len(self.texts) > 3 else ""),
            hint="encode the texts, one a line, with the encoder that made the pictures' vectors, and begin again with "
            "--text-features FILE (.npy with FILE.keys.txt beside it, .safetensors or .parquet, keyed by the text)",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.texts,)


class GivenTexts:
    """A `GivenEncoder` that says which texts it lacks."""

    def __init__(self, given: GivenEncoder) -> None:
        self._given = given
        self.identity, self.logit_scale, self.dimension = given.identity, given.logit_scale, given.dimension

    def encode_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) float32 unit rows; MissingTextsError for texts that were not given."""
        there = self._given.texts
        missing = [text for text in dict.fromkeys(texts) if there is None or there.row(text) is None]
        if missing:
            raise MissingTextsError(missing)
        return self._given.encode_texts(texts)

    def encode_images(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Raises InputError: only vectors are here, not what made them."""
        raise InputError(
            "a picture cannot be embedded here: the vectors came without their encoder",
            where="query",
            hint="choose one of the pictures that are here",
        )
