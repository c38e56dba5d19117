"""Image and text encoders: a small protocol, and models of open_clip and transformers behind it.

A user names an encoder in one of these ways:

| name | what it is |
|---|---|
| `embedded` | the demonstration model that comes with the package |
| `ViT-B-32:laion2b_s34b_b79k` | an open_clip model and one of its pretrained tags (fetched once) |
| `ViT-B-32:weights/model.safetensors` | an open_clip model and weights in a file |
| `folder/` or `local-dir:folder` | a folder with open_clip_config.json and open_clip_model.safetensors |
| `hf-hub:org/repository` | an open_clip repository of the Hugging Face Hub |
| `transformers:folder` | a folder with a CLIP, SigLIP or SigLIP 2 of transformers, in safetensors |
| `transformers:org/name@revision` | the same from the Hugging Face Hub; `@revision` may be left out |

>>> encoder = load_encoder("ViT-B-32:laion2b_s34b_b79k", device="cuda")            # doctest: +SKIP
>>> encoder.encode_texts(["a photo of a red shoe"]).shape                          # doctest: +SKIP
(1, 512)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .devices import DEVICES, PRECISIONS, check_options, choose_device
from .names import parse_name
from .open_clip_encoder import OpenClipEncoder, load_open_clip
from .rows import normalise_rows, slug, weights_sha256

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "Encoder",
    "OpenClipEncoder",
    "Preparing",
    "choose_device",
    "load_encoder",
    "normalise_rows",
    "slug",
    "weights_sha256",
]


@runtime_checkable
class Encoder(Protocol):
    """Maps pictures and texts into one space.

    `identity` is JSON and changes whenever the features could change by more than rounding: it keys the feature store.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the features depend on."""
        ...

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        ...

    @property
    def logit_scale(self) -> float:
        """The factor that the model learnt for its cosines (exp of its logit scale); 100 where it is unknown."""
        ...

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """An encoder that can prepare pictures a few at a time, so that a batch never lies in memory at its full size.

    encode_images(images) is encode_prepared(prepare(images)), and so it is where `prepare` is called with some of them.
    """

    def prepare(self, images: Sequence[Image]) -> list[Any]:
        """What `encode_prepared` takes, one a picture."""
        ...

    def encode_prepared(self, prepared: Sequence[Any]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n prepared pictures."""
        ...


def load_encoder(name: str, device: str = "auto", precision: str = "fp32", batch_size: int = 64) -> Encoder:
    """Load an encoder by any of the names above.

    Raises InputError for an unknown model or tag, weights that are not safetensors or do not fit, a device that is not
    there, or weights that cannot be fetched; IntegrityError for damaged weights.
    """
    check_options(precision, batch_size)
    parsed = parse_name(name)
    if parsed.kind == "transformers":
        from .transformers_encoder import load_transformers

        return load_transformers(parsed, device, precision, batch_size)
    return load_open_clip(parsed, device, precision, batch_size)
