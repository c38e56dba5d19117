"""InstructBLIP's Q-Former as an image method: the mean of its output tokens, given an instruction that names the conditions.

    z = mean over the m query tokens of Q-Former(queries, instruction, vision(image))

(Dai et al., "InstructBLIP", NeurIPS 2023.) The Q-Former attends to instruction and picture together, so its tokens hold
what of the picture the instruction asks for. The language model behind it is neither loaded nor run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError

from ...embedding.encoders.rows import encode_rows
from ...embedding.encoders.transformers_loading import load_weights, read_part, to_device
from .models import MAX_SIDE, ModelOptions
from .protocol import instruction_for

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

INSTRUCTION = "What is the {aspect} of this image?"
_TOKENIZER = "qformer_tokenizer"


class InstructBLIP(ModelOptions):
    """The image method `instructblip(model=FOLDER)`; rows are of unit length, k is the Q-Former's width.

    Raises InputError for a model that is not an InstructBLIP, cannot be found, trusted or loaded, an instruction without
    {aspect}, and a device that is not there; IntegrityError for damaged weights.
    """

    name = "instructblip"

    def __init__(
        self,
        model: str,
        instruction: str = INSTRUCTION,
        device: str = "auto",
        precision: str = "fp32",
        batch_size: int = 16,
        max_side: int = MAX_SIDE,
    ) -> None:
        super().__init__(model, instruction, device, precision, batch_size, max_side)
        if self._config.model_type != "instructblip":
            raise InputError(
                "this model is not an InstructBLIP",
                where=self._found.path,
                expected="model_type instructblip",
                found=self._config.model_type,
            )
        if not (self._found.path / _TOKENIZER).is_dir():
            raise InputError(
                "the Q-Former's tokenizer is missing",
                where=self._found.path / _TOKENIZER,
                hint="fetch the whole model again",
            )

    @property
    def dimension(self) -> int:
        """Number of columns of the rows."""
        return int(self._config.qformer_config.hidden_size)

    def encode(self, images: Sequence[Image], conditions: Sequence[str]) -> NDArray[np.float32]:
        """(M, k) float32 unit rows for M RGB pictures."""
        towers, tokenizer, processor, device = self._loaded
        tokens = tokenizer(
            instruction_for(self.instruction, conditions),
            return_tensors="pt",
            truncation=True,
            max_length=512,
        ).to(device)

        def rows(batch: Sequence[Image]) -> torch.Tensor:
            pixels = processor(images=self._fitting(batch), return_tensors="pt")["pixel_values"]
            return query_tokens(
                towers, pixels.to(device, towers.dtype), tokens["input_ids"], tokens["attention_mask"]
            ).mean(dim=1)

        return encode_rows(rows, images, dimension=self.dimension, device=device, **self._options())

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any, str]:
        import transformers

        parts: Any = transformers
        folder = self._found.path
        tokenizer = read_part(parts.AutoTokenizer, folder / _TOKENIZER, "tokenizer")
        processor = read_part(parts.AutoImageProcessor, folder, "image processor")
        towers, device = to_device(load_weights(_towers(), folder, self.precision), self._device)
        return towers, tokenizer, processor, device


def query_tokens(towers: Any, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(n, m, k) float32 output tokens of the Q-Former for n pictures and one instruction (1, length)."""
    import torch

    count = len(pixels)
    seen = towers.vision_model(pixel_values=pixels).last_hidden_state
    queries = towers.query_tokens.to(seen.dtype).expand(count, -1, -1)
    ones = torch.ones(queries.shape[:2], dtype=mask.dtype, device=mask.device)
    output = towers.qformer(
        input_ids=ids.expand(count, -1),
        attention_mask=torch.cat([ones, mask.expand(count, -1)], dim=1),
        query_embeds=queries,
        encoder_hidden_states=seen,
        encoder_attention_mask=torch.ones(seen.shape[:2], dtype=mask.dtype, device=mask.device),
    )
    tokens: torch.Tensor = output.last_hidden_state[:, : queries.shape[1]].float()
    return tokens


def _towers() -> Any:
    """The class of vision model and Q-Former with InstructBLIP's own weight names; the rest of a checkpoint is skipped."""
    import torch
    from transformers.models.instructblip import modeling_instructblip as parts

    class Towers(parts.InstructBlipPreTrainedModel):  # type: ignore[no-untyped-call]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            width = config.qformer_config.hidden_size
            self.vision_model = parts.InstructBlipVisionModel(config.vision_config)
            self.query_tokens = torch.nn.Parameter(torch.zeros(1, config.num_query_tokens, width))
            self.qformer = parts.InstructBlipQFormerModel(config.qformer_config)
            self.post_init()  # type: ignore[no-untyped-call]

    return Towers
