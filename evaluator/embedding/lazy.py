"""Encoders that a feature store knows: their features are used without the model, which is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .encoders import Encoder, Preparing, load_encoder
from .encoders.names import request
from .encoders.rows import UNKNOWN_LOGIT_SCALE
from .store import FeatureStore, refuse_another

if TYPE_CHECKING:
    from PIL.Image import Image


class LazyEncoder:
    """An encoder whose identity is known from the store; the model is loaded only when something must be computed."""

    def __init__(
        self,
        identity: Mapping[str, Any],
        load: Callable[[], Encoder],
        logit_scale: float = UNKNOWN_LOGIT_SCALE,
    ) -> None:
        self.identity = identity
        self.logit_scale = logit_scale
        self._load = load
        self._loaded: Encoder | None = None

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        return int(self.identity["dimension"])

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        return self._encoder().encode_images(images)

    def prepare(self, images: Sequence[Image]) -> list[Any]:
        """As the encoder's own; the pictures as they are where it has none."""
        encoder = self._encoder()
        return encoder.prepare(images) if isinstance(encoder, Preparing) else list(images)

    def encode_prepared(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n prepared pictures."""
        encoder = self._encoder()
        if isinstance(encoder, Preparing):
            return encoder.encode_prepared(prepared)
        return encoder.encode_images(prepared)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts."""
        return self._encoder().encode_texts(texts)

    def _encoder(self) -> Encoder:
        if self._loaded is None:
            encoder = self._load()
            refuse_another(self.identity, encoder.identity, "the encoder that was loaded now")
            self._loaded = encoder
        return self._loaded


def open_encoder(
    name: str, store: FeatureStore, device: str = "auto", precision: str = "fp32", batch_size: int = 64
) -> Encoder:
    """The encoder `name` stands for; one that the store knows is not loaded until something is missing from the store.

    Names, options and errors are those of `load_encoder`.
    """
    asked = request(name, precision)
    identity = store.known(asked)
    if identity is not None:
        scale = store.logit_scale(identity)
        return LazyEncoder(identity, lambda: load_encoder(name, device, precision, batch_size), scale)
    encoder = load_encoder(name, device, precision, batch_size)
    store.remember(encoder, asked)
    return encoder
