"""What all encoders have in common: batches in, unit rows out, and a digest of the weights."""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .devices import exact_convolutions, free_memory, in_turn, is_out_of_memory

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

UNKNOWN_LOGIT_SCALE = 100.0
"""What CLIP models clip their scale to, for encoders that have none."""

_Item = TypeVar("_Item")


class Batches:
    """How many items a model gets at once: as many as it was asked to, halved for good whenever memory does not suffice."""

    def __init__(self, size: int) -> None:
        self.size = size

    def halve(self, tried: int) -> None:
        """Go on with half of the `tried` items that did not fit; raises InputError for one that did not."""
        if tried == 1:
            raise InputError(
                "the device has too little memory for one picture or text",
                hint="--precision bf16, --device cpu, or a smaller model",
            )
        self.size = tried // 2
        log.warning(
            "out of memory with %d items at once; going on with %d (try --batch-size %d)",
            tried,
            self.size,
            self.size,
        )


def encode_rows(
    encode: Callable[[Sequence[_Item]], torch.Tensor],
    items: Sequence[_Item],
    *,
    dimension: int,
    batches: Batches,
    device: str,
    precision: str,
) -> NDArray[np.float32]:
    """(n, dimension) float32 unit rows for n items, encoded batch by batch without gradients.

    A batch that does not fit into the device's memory is halved; raises InputError where one item does not fit.
    """
    import torch

    rows = [np.empty((0, dimension), dtype=np.float32)]
    with torch.inference_mode(), in_turn(device), exact_convolutions(device, precision):
        start = 0
        while start < len(items):
            batch = items[start : start + batches.size]
            made = _tried(encode, batch)
            if made is None:
                free_memory()
                batches.halve(len(batch))
                continue
            rows.append(made)
            start += len(batch)
    return normalise_rows(np.concatenate(rows))


def _tried(
    encode: Callable[[Sequence[_Item]], torch.Tensor], batch: Sequence[_Item]
) -> NDArray[np.float32] | None:
    """The features of a batch, not yet of unit length; None where memory did not suffice."""
    import torch

    try:
        features: NDArray[np.float32] = encode(batch).to("cpu", torch.float32).numpy()
    except RuntimeError as error:
        if is_out_of_memory(error):
            return None
        raise
    return features


def normalise_rows(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(n, d) rows divided by their Euclidean norm, as float32; a zero row becomes NaN, and NaN stays."""
    wide = features.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        unit: NDArray[np.float32] = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Hexadecimal sha256 over the names, dtypes, shapes and bytes of a state dict, in order of the names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def learnt_scale(model: torch.nn.Module) -> float:
    """exp of the model's `logit_scale`, the factor its cosines were trained with; 100 where it has none."""
    scale = getattr(model, "logit_scale", None)
    if scale is None or getattr(scale, "numel", lambda: 0)() != 1:
        return UNKNOWN_LOGIT_SCALE
    return math.exp(float(scale.detach().to("cpu").double().reshape(())))


def slug(identity: Mapping[str, Any]) -> str:
    """A folder name for an encoder: readable, safe on any file system, and different for different identities."""
    parts = [str(identity.get(key) or "") for key in ("name", "pretrained", "precision")]
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, parts))).strip("-.")[:80]
    return f"{readable or 'encoder'}-{fingerprint(dict(identity))[:12]}"


def warn_of_cut_texts(texts: Sequence[str], too_long: Sequence[bool], length: int) -> None:
    """Log how many of `texts` have more than `length` tokens, and which is the first; nothing where none has."""
    over = [text for text, long in zip(texts, too_long, strict=True) if long]
    if over:
        log.warning(
            "%d of %d texts are longer than the %d tokens the encoder reads, and are cut; the first: %r",
            len(over),
            len(texts),
            length,
            over[0],
        )
