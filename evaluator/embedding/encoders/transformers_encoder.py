"""Encoders of transformers: CLIP, SigLIP and SigLIP 2 (fixed sizes and naflex), from a folder or the Hub.

SigLIP was trained on texts in lower case, padded on the right to the full 64 tokens, the padding attended to: its texts are
prepared in just this way, whatever the tokenizer's files say. CLIP's are padded too, which its causal attention cannot see.
naflex keeps a picture's proportions: up to `max_num_patches` patches, the rest masked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .devices import choose_device
from .names import EncoderName
from .rows import Batches, encode_rows, learnt_scale, warn_of_cut_texts, weights_sha256
from .transformers_loading import (
    check_folder,
    find_folder,
    generation,
    load_weights,
    loading_errors,
    plain,
    read_part,
    readable,
    to_device,
)

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

FAMILIES = ("clip", "siglip", "siglip2")
_PADDING_ATTENDED = ("siglip", "siglip2")


class TransformersEncoder:
    """A two-tower model of transformers in evaluation mode; made by `load_transformers`.

    A row depends on its own picture or text only: batch mates and batch size move it by float rounding at most.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        tokenizer: Any,
        facts: Mapping[str, Any],
        device: str,
        batch_size: int,
    ) -> None:
        self.device = device
        self.batch_size = batch_size
        self._batches = Batches(batch_size)
        self.logit_scale = learnt_scale(model)
        self._model = model
        self._processor = processor
        self._tokenizer = tokenizer
        self._context = int(model.config.text_config.max_position_embeddings)
        self._lower = model.config.model_type in _PADDING_ATTENDED
        tokens = {
            "type": type(tokenizer).__name__,
            "context_length": self._context,
            "lower_case": self._lower,
        }
        self.identity: Mapping[str, Any] = {**facts, "tokenizer": tokens}

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        return int(self.identity["dimension"])

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        return self.encode_prepared(self.prepare(images))

    def prepare(self, images: Sequence[Image]) -> list[dict[str, torch.Tensor]]:
        """What the model reads of every picture: tensors by name, each of one row."""
        if not images:
            return []
        inputs = self._processor(images=[readable(image) for image in images], return_tensors="pt")
        return [
            {name: values[row : row + 1] for name, values in inputs.items()} for row in range(len(images))
        ]

    def encode_prepared(self, prepared: Sequence[dict[str, torch.Tensor]]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n prepared pictures."""
        return encode_rows(self._image_rows, prepared, **self._options())

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts; a warning names the first text that is longer than the model reads."""
        texts = [text.lower() for text in texts] if self._lower else list(texts)
        if texts:
            lengths = map(len, self._tokenizer(texts, truncation=False, verbose=False)["input_ids"])
            warn_of_cut_texts(texts, [length > self._context for length in lengths], self._context)
        return encode_rows(self._text_rows, texts, **self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "batches": self._batches,
            "device": self.device,
            "precision": self.identity["precision"],
        }

    def _image_rows(self, prepared: Sequence[dict[str, torch.Tensor]]) -> torch.Tensor:
        import torch

        inputs = {name: torch.cat([one[name] for one in prepared]).to(self.device) for name in prepared[0]}
        cast = {n: v.to(self._model.dtype) if v.is_floating_point() else v for n, v in inputs.items()}
        return pooled(self._model.get_image_features(**cast))

    def _text_rows(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self._tokenizer(
            list(texts),
            padding="max_length",
            max_length=self._context,
            truncation=True,
            padding_side="right",
            return_tensors="pt",
        ).to(self.device)
        given = {"input_ids": tokens["input_ids"]}
        if not self._lower and "attention_mask" in tokens:
            given["attention_mask"] = tokens["attention_mask"]
        return pooled(self._model.get_text_features(**given))


def pooled(output: Any) -> torch.Tensor:
    """The features (n, d) in what `get_image_features` returns: a tensor in transformers 4, a record since 5."""
    features: torch.Tensor = output if hasattr(output, "shape") else output.pooler_output
    return features


def load_transformers(name: EncoderName, device: str, precision: str, batch_size: int) -> TransformersEncoder:
    """Load the CLIP, SigLIP or SigLIP 2 that `name` means.

    Raises InputError for a model of another family, one that cannot be found, fetched, trusted or loaded, and a device that
    is not there; IntegrityError for damaged weights.
    """
    import transformers

    choose_device(device)
    found = find_folder(name.model, f"--encoder transformers:{name.display}")
    check_folder(found.path)
    # Their annotations do not say what these return.
    parts: Any = transformers
    config = read_part(parts.AutoConfig, found.path, "configuration")
    if config.model_type not in FAMILIES:
        raise InputError(
            "this is not an encoder of pictures and texts that can be read with transformers",
            where=found.path,
            expected=f"a model of type {', '.join(FAMILIES)}",
            found=config.model_type,
            hint="with features of your own model: clay-eval evaluate --features FILE --text-features FILE",
        )
    processor = read_part(parts.AutoImageProcessor, found.path, "image processor")
    tokenizer = read_part(parts.AutoTokenizer, found.path, "tokenizer")
    model = load_weights(parts.AutoModel, found.path, precision)
    facts = {
        "library": "transformers",
        "name": found.name,
        "pretrained": found.revision or "folder",
        "demonstration": False,
        "architecture": fingerprint(plain(config.to_dict())),
        "weights_sha256": weights_sha256(model.state_dict()),
        "preprocessing": {
            **plain(processor.to_dict()),
            "class": f"{type(processor).__name__} of transformers {generation()}",
        },
        "precision": precision,
    }
    model, chosen = to_device(model, device)
    encoder = TransformersEncoder(model, processor, tokenizer, {**facts, "dimension": 1}, chosen, batch_size)
    encoder.identity = {**encoder.identity, "dimension": _common_width(encoder, found.path)}
    return encoder


def _common_width(encoder: TransformersEncoder, folder: Any) -> int:
    """How many columns both towers give, seen from one picture and one text."""
    import torch
    from PIL import Image

    with torch.inference_mode(), loading_errors(folder):
        shapes = [
            tuple(encoder._image_rows(encoder.prepare([Image.new("RGB", (32, 32), "grey")])).shape),
            tuple(encoder._text_rows(["a photo"]).shape),
        ]
    if shapes[0] != shapes[1] or len(shapes[0]) != 2:
        raise InputError(
            "pictures and texts do not get vectors of one width",
            where=folder,
            expected="(1, d) for both",
            found=shapes,
        )
    return int(shapes[0][1])
