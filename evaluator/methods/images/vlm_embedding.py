"""Instruction-following embedders: the last hidden state of a vision-language model at the last token of its prompt.

vlm-embedding: any image-text-to-text model of transformers with a chat template, asked in the manner of E5-V (Jiang et
al., 2024): the user shows the picture and says "Describe this image in one word regarding {aspect}:"; the state from
which the model would say its word is the vector.

qwen-embedding: the form that Qwen3-VL-Embedding was trained in: the instruction as system message, the picture alone as
user's.

Pictures are prepared one by one, and only those whose inputs have the same shapes share a batch, so nothing is ever
padded: a vector depends on its own picture, and batch mates move it by float rounding at most.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import ClayEvalError, InputError

from ...embedding.encoders.rows import encode_rows
from ...embedding.encoders.transformers_loading import first_line, load_weights, read_part, to_device
from .models import MAX_SIDE, ModelOptions
from .protocol import instruction_for

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

ONE_WORD = "Describe this image in one word regarding {aspect}:"
REPRESENT = "Represent this image with regard to its {aspect}."
_UNUSED = ("lm_head.weight",)
_FAULTS = (ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError)


class VLMEmbedding(ModelOptions):
    """The image method `vlm-embedding(model=FOLDER)`; rows are of unit length, k is the language model's width.

    Raises InputError for a model that reads no pictures, has no chat template, or cannot be found, trusted or loaded, an
    instruction without {aspect}, and a device that is not there; IntegrityError for damaged weights.
    """

    name = "vlm-embedding"

    def __init__(
        self,
        model: str,
        instruction: str = ONE_WORD,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 8,
        max_side: int = MAX_SIDE,
    ) -> None:
        super().__init__(model, instruction, device, precision, batch_size, max_side)

    @property
    def dimension(self) -> int:
        """Number of columns of the rows."""
        return int(self._config.get_text_config().hidden_size)

    def encode(self, images: Sequence[Image], conditions: Sequence[str]) -> NDArray[np.float32]:
        """(M, k) float32 unit rows for M RGB pictures."""
        instruction = instruction_for(self.instruction, conditions)
        model, _, device = self._loaded
        out = np.empty((len(images), self.dimension), dtype=np.float32)
        for start in range(0, len(images), self.batch_size):
            prepared = [
                self._inputs(image, instruction)
                for image in self._fitting(images[start : start + self.batch_size])
            ]
            for group in same_shapes(prepared):
                out[[start + i for i in group]] = encode_rows(
                    lambda batch: last_state(model, joined(batch, device)),
                    [prepared[i] for i in group],
                    dimension=self.dimension,
                    device=device,
                    **self._options(),
                )
        return out

    def messages(self, image: Any, instruction: str) -> list[dict[str, Any]]:
        """The conversation at whose end the state is read."""
        content = [{"type": "image", "image": image}, {"type": "text", "text": instruction}]
        return [{"role": "user", "content": content}]

    def _inputs(self, image: Image, instruction: str) -> dict[str, Any]:
        from jinja2 import TemplateError

        try:
            return dict(
                self._loaded[1].apply_chat_template(
                    self.messages(image, instruction),
                    add_generation_prompt=True,
                    tokenize=True,
                    return_dict=True,
                    return_tensors="pt",
                )
            )
        except ClayEvalError:
            raise
        except (*_FAULTS, TemplateError) as error:
            raise InputError(
                "the model's processor cannot take this picture and instruction",
                where=self._found.path,
                found=f"{image.width} x {image.height} pixels; {type(error).__name__}: {first_line(error)}",
            ) from error

    @cached_property
    def _loaded(self) -> tuple[Any, Any, str]:
        import transformers

        parts: Any = transformers
        folder = self._found.path
        processor = read_part(parts.AutoProcessor, folder, "processor")
        if getattr(processor, "image_processor", None) is None:
            raise InputError(
                "this model reads no pictures together with texts",
                where=folder,
                found=type(processor).__name__,
            )
        if not getattr(processor, "chat_template", None):
            raise InputError(
                "this model has no chat template, so it is not known how it is spoken to",
                where=folder,
                expected="chat_template.jinja, or chat_template in its configuration",
            )
        model = load_weights(parts.AutoModelForImageTextToText, folder, self.precision, _UNUSED)
        model, device = to_device(model, self._device)
        return model, processor, device


class QwenEmbedding(VLMEmbedding):
    """The image method `qwen-embedding(model=FOLDER)`: VLMEmbedding with the instruction as system message."""

    name = "qwen-embedding"

    def __init__(
        self,
        model: str,
        instruction: str = REPRESENT,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 8,
        max_side: int = MAX_SIDE,
    ) -> None:
        super().__init__(model, instruction, device, precision, batch_size, max_side)

    def messages(self, image: Any, instruction: str) -> list[dict[str, Any]]:
        """The conversation at whose end the state is read."""
        return [
            {"role": "system", "content": [{"type": "text", "text": instruction}]},
            {"role": "user", "content": [{"type": "image", "image": image}]},
        ]


def same_shapes(prepared: Sequence[dict[str, Any]]) -> list[list[int]]:
    """Which inputs may share a batch: those whose tensors all have the same shapes and whose prompts are as long."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, inputs in enumerate(prepared):
        shapes = tuple(sorted((name, tuple(getattr(value, "shape", ()))) for name, value in inputs.items()))
        groups.setdefault(shapes, []).append(number)
    return list(groups.values())


def joined(batch: Sequence[dict[str, Any]], device: str) -> dict[str, Any]:
    """One batch of inputs of the same shapes, on the device."""
    import torch

    return {
        name: torch.cat([inputs[name] for inputs in batch]).to(device)
        for name, value in batch[0].items()
        if hasattr(value, "shape")
    }


def last_state(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """(n, k) the language model's last hidden state, after its final norm, at the last token of n unpadded prompts."""
    cast = {name: v.to(model.dtype) if v.is_floating_point() else v for name, v in inputs.items()}
    few = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    output = model(**cast, **few, output_hidden_states=True, use_cache=False, return_dict=True)
    state: torch.Tensor = output.hidden_states[-1][:, -1]
    return state
