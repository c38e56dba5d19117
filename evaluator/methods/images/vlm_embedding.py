"""Instruction-following embedders: the last hidden state of a vision-language model at the last token of its prompt.

vlm-embedding: any image-text-to-text model of transformers with a chat template, asked in the manner of E5-V (Jiang et
al., 2024): the user shows the picture and says "Describe this image in one word regarding {aspect}:"; the state from
which the model would say its word is the vector.

dior: the same as DIOR (WACV 2026) has it: the instruction ends with an opening quotation mark, and pictures have 700 pixels
on their longer side.

qwen-embedding: the form that Qwen3-VL-Embedding was trained in: the instruction as system message, the picture alone as
user's.

Pictures are prepared one by one, and only those whose inputs have the same shapes share a batch, so nothing is ever
padded: the last token is the last real one, positions in three axes are the model's own, a vector depends on its own
picture, and batch mates move it by float rounding at most.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.model_folders import first_line

from ...embedding.encoders.rows import encode_rows
from ...embedding.encoders.transformers_loading import fewest_logits, load_weights, read_part, to_device
from .models import MAX_SIDE, ModelOptions, shrunk
from .protocol import instruction_for
from .shared_prefix import Prompts, last_states, picture_end, picture_token

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

ONE_WORD = "Describe this image in one word regarding {aspect}:"
QUOTED_WORD = 'Describe this image in one word regarding {aspect}: "'
QUOTED_SIDE = 700
REPRESENT = "Represent this image with regard to its {aspect}."
_SAME = {"fp32": 1e-4}
"""How far a row may lie from the one of the whole prompt, by precision."""
_SAME_HALF = 3e-2
_UNUSED = ("lm_head.weight",)
_TRIED = (("color",), ("shape", "texture"))
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

    def encode_each(
        self, images: Sequence[Image], sets: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float32]]:
        """What `encode` gives for each of several sets of conditions, to float rounding.

        Each picture is read once for all of them, where it stands before the instruction and the model reads from left
        to right; that is tried out on a small picture.
        """
        several = len(sets) > 1 and len(images) > 0
        shared = self._at_once(images, sets) if several and self._shares else None
        if shared is not None:
            return [shared[:, i] for i in range(len(sets))]
        return [self.encode(images, conditions) for conditions in sets]

    def _at_once(self, images: Sequence[Image], sets: Sequence[Sequence[str]]) -> NDArray[np.float32] | None:
        """(M, C, k) rows of M pictures for C sets of conditions, None where the pictures are not before the instructions."""
        model, _, device = self._loaded
        instructions = [instruction_for(self.instruction, conditions) for conditions in sets]
        out = np.empty((len(images), len(sets), self.dimension), dtype=np.float32)
        for start in range(0, len(images), self.batch_size):
            fitting = self._fitting(images[start : start + self.batch_size])
            prepared = [self._inputs(image, instructions[0]) for image in fitting]
            for group in same_shapes(prepared):
                prompts = self._prompts(fitting[group[0]], prepared[group[0]], instructions)
                if prompts is None:
                    return None
                read = partial(_states, model, device, prompts)
                rows = encode_rows(
                    read,
                    [prepared[i] for i in group],
                    dimension=self.dimension,
                    device=device,
                    **self._options(),
                )
                out[[start + i for i in group]] = rows.reshape(len(group), len(sets), -1)
        return out

    @cached_property
    def _shares(self) -> bool:
        """Whether a small picture's rows come out the same either way."""
        from PIL import Image

        image = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
        whole = np.stack([self.encode([image], conditions) for conditions in _TRIED], axis=1)
        try:
            shared = self._at_once([image], _TRIED)
        except _FAULTS as error:
            log.info("%s: %s", self._found.name, first_line(error))
            shared = None
        same = shared is not None and np.abs(shared - whole).max() <= _SAME.get(self.precision, _SAME_HALF)
        if not same:
            log.info("%s: a picture is read again for every set of conditions", self._found.name)
        return bool(same)

    def _prompts(self, image: Image, inputs: dict[str, Any], instructions: Sequence[str]) -> Prompts | None:
        """The prompts of the `instructions`, `inputs` being the first's; None where the picture is not before them."""
        model, processor, _ = self._loaded
        token = picture_token(model)
        end = picture_end(inputs["input_ids"][0], token)
        if end is None:
            return None
        heads, rests = [], []
        for instruction in instructions:
            text = processor.apply_chat_template(
                self.messages(image, instruction), add_generation_prompt=True, tokenize=False
            )
            found = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"][0]
            at = picture_end(found, token)
            if at is None:
                return None
            heads.append(found[:at].tolist())
            rests.append(found[at:])
        whole = inputs["input_ids"][0][end:]
        if any(head != heads[0] for head in heads) or whole.tolist() != rests[0].tolist():
            return None
        return Prompts(end, rests)

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


class DIOR(VLMEmbedding):
    """The image method `dior(model=FOLDER)`: VLMEmbedding with DIOR's prompt and size of pictures."""

    name = "dior"

    def __init__(
        self,
        model: str,
        instruction: str = QUOTED_WORD,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 8,
        max_side: int = QUOTED_SIDE,
    ) -> None:
        super().__init__(model, instruction, device, precision, batch_size, max_side)

    def shrink(self, image: Image) -> Image:
        """`image`, shrunk where it is too large; parts of pixels are cut off, as its authors do."""
        return shrunk(image, self.max_side, int)


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


def _states(model: Any, device: str, prompts: Prompts, batch: Sequence[dict[str, Any]]) -> torch.Tensor:
    """(n C, k) states of n pictures with C prompts each, picture by picture."""
    return last_states(model, cast_to(joined(batch, device), model.dtype), prompts).flatten(0, 1)


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
    options = {**fewest_logits(model), "output_hidden_states": True, "use_cache": False, "return_dict": True}
    output = model(**cast_to(inputs, model.dtype), **options)
    state: torch.Tensor = output.hidden_states[-1][:, -1]
    return state


def cast_to(inputs: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """`inputs`, their floating-point numbers in the type `dtype`."""
    return {name: v.to(dtype) if v.is_floating_point() else v for name, v in inputs.items()}
