"""The states of several prompts about one picture, the part up to the picture's last token run once for all of them.

A causal language model keeps keys and values of what it has read. Where the picture stands before the instruction, those of
the picture are the same for all instructions: they are computed once, and each prompt adds its own tokens only.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...embedding.encoders.transformers_loading import fewest_logits

if TYPE_CHECKING:
    import torch

_CACHE_NAMES = ("cache", "past_key_values")
"""What the kept keys and values are called by a model, in the order of transformers' versions, latest first."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Several prompts about the same picture.

    length: tokens up to the picture's last one; rests: of each prompt, the tokens (S,) that follow.
    """

    length: int
    rests: Sequence[torch.Tensor]


def picture_end(tokens: torch.Tensor, picture: int | None) -> int | None:
    """Return how many of the `tokens` (T,) stand up to the last `picture` token, None where there is none or no more."""
    if picture is None:
        return None
    places = (tokens == picture).nonzero()
    end = int(places[-1]) + 1 if len(places) else len(tokens)
    return end if end < len(tokens) else None


def picture_token(model: Any) -> int | None:
    """Return the token that stands for a part of a picture, None where the model's configuration does not name it."""
    found = [getattr(model.config, name, None) for name in ("image_token_id", "image_token_index")]
    return next((token for token in found if isinstance(token, int)), None)


def last_states(model: Any, inputs: Mapping[str, Any], prompts: Prompts) -> torch.Tensor:
    """(n, C, k) the last hidden state at the last token of each of C prompts about n pictures.

    inputs: of n unpadded prompts about these pictures, of the same shapes, on the model's device and in its type.
    """
    import torch

    ids = inputs["input_ids"]
    prefix = {
        name: value[:, : prompts.length] if value.shape[:2] == ids.shape else value
        for name, value in inputs.items()
    }
    name = next(n for n in _CACHE_NAMES if n in inspect.signature(model.forward).parameters)
    few = fewest_logits(model)
    kept = model(**prefix, **few, use_cache=True, return_dict=True)[name]
    shift = _position_shift(model)
    states = []
    for rest in prompts.rests:
        tokens = rest.to(ids.device).expand(len(ids), -1)
        places = torch.arange(prompts.length, prompts.length + tokens.shape[1], device=ids.device)
        positions = places.expand(len(ids), -1)
        output = model(
            input_ids=tokens,
            position_ids=positions if shift is None else (positions + shift).expand(3, -1, -1),
            **{name: copy.deepcopy(kept)},
            **few,
            output_hidden_states=True,
            return_dict=True,
        )
        states.append(output.hidden_states[-1][:, -1])
    return torch.stack(states, dim=1)


def _position_shift(model: Any) -> torch.Tensor | None:
    """(n, 1) what the pictures just read add to the positions of later tokens, of models with positions in three axes.

    A picture of h x w tokens takes max(h, w) positions, so what follows stands before its number among the tokens.
    """
    shift = getattr(getattr(model, "model", model), "rope_deltas", None)
    if shift is None:
        shift = getattr(model, "rope_deltas", None)
    return None if shift is None else shift.reshape(-1, 1)
