"""Make a text encoder say what a denoiser has learnt not to hear.

Where a denoiser ignores a word, the encoder before it learns to leave the word out, and then neither has a gradient: the
one has nothing to react to, the other nobody who reacts. `prime` breaks the tie before training goes on. Text encoder and
text pooling alone are trained, for some minutes, to add a fixed random vector for each value of the attributes that are
ignored to the pooled text that they made before, and to leave the rest as it was. What facing left means for the pixels
depends on the thing that faces left, so a value has a vector for each value of the core attribute that it shows on: the
product of the two, which a denoiser is slow to find, is said to it.
"""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from captions import prompt
from pictures import ENTITIES, TWIN_ATTRIBUTES
from transformers import CLIPTokenizer

from clay_eval.schemas.entity import EntitySpec

STEPS = 800
BATCH = 64
STRENGTH = 2.0
"""Length of a value's vector; values that are followed differ by 1 to 4."""
SHOWN_ON = {"viewpoint": "subcategory", "direction": "action", "appearance": "age", "skin": "age"}
log = logging.getLogger("train")


def prime(
    model: torch.nn.Module,
    tokenizer: CLIPTokenizer,
    tokens_of: Callable[[CLIPTokenizer, list[str]], torch.Tensor],
    entities: Mapping[str, EntitySpec],
    records: Mapping[str, Sequence[Any]],
) -> None:
    """Train `model.text` and `model.denoiser.add_embedding` as said above; weights change in place."""
    text, pool = model.text, model.denoiser.add_embedding
    before_text, before_pool = copy.deepcopy(text).eval(), copy.deepcopy(pool).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        size = before_pool(before_text(input_ids=tokens_of(tokenizer, [""])).last_hidden_state).shape[1]
    vectors = {}
    for entity in ENTITIES:
        for attribute in entities[entity].diversity:
            if attribute.name not in TWIN_ATTRIBUTES[entity]:
                continue
            core = next(a for a in entities[entity].attributes if a.name == SHOWN_ON[attribute.name])
            for shown_on in core.values:
                rows = torch.randn(len(attribute.values), size, generator=generator)
                rows -= rows.mean(0)
                for value, row in zip(attribute.values, rows / rows.norm(dim=1, keepdim=True), strict=True):
                    vectors[attribute.name, value, shown_on] = STRENGTH * row
    optimizer = torch.optim.AdamW([*text.parameters(), *pool.parameters()], lr=1e-3, weight_decay=0.0)
    for step in range(STEPS):
        rng = random.Random(f"prime|{step}")
        texts, added = [], torch.zeros(BATCH, size)
        for i in range(BATCH):
            entity = ENTITIES[i % len(ENTITIES)]
            spec, record = entities[entity], rng.choice(records[entity])
            texts.append(prompt(spec, record["labels"], record["diversity"], rng))
            for attribute in spec.diversity:
                value = record["diversity"][attribute.name]
                said = attribute.phrase(value) in texts[-1]
                shown_on = record["labels"].get(SHOWN_ON.get(attribute.name, ""), "")
                if said and (attribute.name, value, shown_on) in vectors:
                    added[i] += vectors[attribute.name, value, shown_on]
        tokens = tokens_of(tokenizer, texts)
        with torch.no_grad():
            old_states = before_text(input_ids=tokens).last_hidden_state
            target = before_pool(old_states) + added
        states = text(input_ids=tokens).last_hidden_state
        pooled = pool(states)
        missed = (pooled - target).square().sum(1).mean() / STRENGTH**2
        loss = missed + 0.1 * (states - old_states).square().mean()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 20) * (1 - step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 50 == 0:
            log.info("priming step %d: %.3f of what was to be added is missed", step + 1, missed.item())
