"""Train the embedded diffusion pipeline: a text encoder and a denoiser on latents of procedural pictures.

    python data/training/pictures.py --out checkpoints/twins --count 40000 --part all --twins
    python data/training/train_denoiser.py --pool checkpoints/twins --work checkpoints/denoiser
    python data/training/train_denoiser.py --pool checkpoints/twins --work checkpoints/more --start data/embedded/pipeline

Stopped at any time, the same command continues from the last checkpoint. The autoencoder is the shipped pipeline's, which
train_autoencoder.py made; --start takes the other weights, too, from a pipeline. The objective is rectified flow (Liu et
al., arXiv:2209.03003): for a latent x, noise e and a time t in 0..1, the denoiser sees (1 - t) x + t e and predicts
e - x. A tenth of the prompts is emptied, for classifier-free guidance. What is kept is the running average of the weights.

Whether a thing faces left or right, or whether a person has long hair, is little of what there is to predict: it is
decided at the highest noise, or shows in a few pixels, and a model that ignores it loses one or two per cent. So
pictures come in twins that differ in such a value, with the same noise, time and phrasing. At high noise, where
nothing but the text tells twins apart, the error is taken apart into what two twins share and what they do not; the
latter counts TWIN_WEIGHT times, and its target is the mean difference of all twins that differ in the same way, where
the text says that it shows: all that a text can say of it, so that the optimum stays where it was and the gradient
loses most of its noise. At lower noise that would move the optimum: the noisy pictures of twins differ, each says
something of the other's error, and edges get hard and double. There it is the places in which twins differ that count
PLACE_WEIGHT times more, each twin for itself; and times gather where a head's place is known and its hair is not yet.
"""

from __future__ import annotations

import copy
import json
import logging
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captions import prompt
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor
from loop import learning_rate, load_checkpoint, options_of, save_checkpoint, set_learning_rate
from pictures import ENTITIES
from priming import prime
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from clay_eval.schemas.entity import EntitySpec, load_entity

VAE = Path(__file__).parents[1] / "embedded" / "pipeline" / "vae"
LENGTH = 48
EMPTY_SHARE = 0.1
AVERAGE = 0.999
TWIN_WEIGHT, PLACE_WEIGHT = 24.0, 16.0
HIGH_NOISE, HIGH_SHARE = 0.03, 0.25
"""Of the times, this share lies in the last 3 per cent, where the text alone says what is there."""
MIDDLE = 0.9
"""Location of the logit-normal of the other times: half of them lie over .71, where heads and faces are decided."""
TWIN_SHARES = {"viewpoint": 0.3, "appearance": 0.35, "skin": 0.25, "direction": 0.1}
"""Of the twins in a batch, how many differ in what."""
LAYOUT = {
    "viewpoint": ("subcategory", "framing"),
    "appearance": ("age", "action", "direction", "framing"),
    "skin": ("age", "action", "direction", "framing"),
    "direction": ("age", "action", "framing"),
}
"""What the text says of where a value shows in the picture."""
log = logging.getLogger("train")


class Model(torch.nn.Module):
    """The two networks that are trained together, and the running average of their weights."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=128,
                intermediate_size=512,
                projection_dim=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=LENGTH,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        )
        self.denoiser = UNet2DConditionModel(
            sample_size=16,
            in_channels=12,
            out_channels=12,
            block_out_channels=(64, 128),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=128,
            attention_head_dim=4,
            norm_num_groups=16,
            resnet_time_scale_shift="scale_shift",
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
        )
        self.denoiser.set_attn_processor(
            AttnProcessor()
        )  # faster than a fused kernel for so few pixels on a processor

    def forward(self, latents: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Noisy latents (B, 12, 16, 16), times (B,) in 0..1, tokens (B, LENGTH): the predicted e - x."""
        states = self.text(input_ids=tokens).last_hidden_state
        return self.denoiser(latents, times * 1000, encoder_hidden_states=states, return_dict=False)[0]


def make_tokenizer(entities: dict[str, EntitySpec], records: dict[str, list[Any]]) -> CLIPTokenizer:
    """CLIP's tokenizer with a vocabulary learnt from the captions."""
    rng = random.Random("tokenizer")
    texts = [
        prompt(spec, r["labels"], r["diversity"], rng)
        for e, spec in entities.items()
        for r in records[e][:4000]
    ]
    base = CLIPTokenizer(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[])
    tokenizer = base.train_new_from_iterator(texts, vocab_size=1024, show_progress=False)
    tokenizer.model_max_length = LENGTH
    return tokenizer


def tokens_of(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """(B, LENGTH) token numbers, as the pipeline makes them."""
    encoded = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    return encoded.input_ids


@torch.no_grad()
def latents_of(vae: AutoencoderTiny, pixels: np.ndarray) -> torch.Tensor:
    """(N, 12, 16, 16) float16 latents of (N, 64, 64, 3) uint8 pictures."""
    parts = []
    for start in range(0, len(pixels), 256):
        rows = torch.from_numpy(np.array(pixels[start : start + 256])).permute(0, 3, 1, 2)
        parts.append(vae.encode(rows.float().div(127.5).sub(1)).latents.half())
    return torch.cat(parts)


def load_latents(
    pools: list[Path], work: Path, vae: AutoencoderTiny
) -> tuple[dict[str, torch.Tensor], dict[str, list[Any]]]:
    """(latents, labels) by entity; latents are computed once and kept in `work`."""
    work.mkdir(parents=True, exist_ok=True)
    latents, records = {}, {}
    for entity in ENTITIES:
        path = work / f"{entity}.latents.pt"
        if not path.exists():
            rows = torch.cat([latents_of(vae, np.load(p / f"{entity}.npy", mmap_mode="r")) for p in pools])
            torch.save(rows, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
        latents[entity] = torch.load(path, weights_only=True)
        records[entity] = [r for p in pools for r in json.loads((p / f"{entity}.json").read_text())]
    return latents, records


def text_of(spec: EntitySpec, record: Any, rng: random.Random) -> str:
    """A prompt for a picture; for a tenth nothing, or the entity's negative prompt, from which guidance leads away."""
    if rng.random() < EMPTY_SHARE:
        return rng.choice(("", spec.negative_prompt))
    return prompt(spec, record["labels"], record["diversity"], rng)


def loss_of(
    error: torch.Tensor, twins: torch.Tensor, high: torch.Tensor, told: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss, own part (B / 2,)) of errors (B, C, H, W) of `twins` (B / 2, 2, C, H, W).

    high, told (B / 2,): whether the time is near 1, and whether the text tells the twins apart.
    """
    pairs = error.unflatten(0, (-1, 2))
    shared = (pairs[:, 0] + pairs[:, 1]).square().mean((1, 2, 3)) / 4
    own = (pairs[:, 0] - pairs[:, 1]).square().mean((1, 2, 3)) / 4
    apart = (twins[:, 0] - twins[:, 1]).square().mean(1)
    where = 1 + PLACE_WEIGHT * (apart > apart.mean((1, 2), keepdim=True)) * told[:, None, None]
    placed = (pairs.square().mean((1, 2)) * where).mean((1, 2))
    return torch.where(high, shared + torch.where(told, TWIN_WEIGHT, 1.0) * own, placed).mean(), own


def differing(one: Any, other: Any) -> str:
    """The diversity attribute in which two twins differ."""
    return next(n for n, value in one["diversity"].items() if other["diversity"][n] != value)


def mean_differences(
    latents: dict[str, torch.Tensor], records: dict[str, list[Any]]
) -> dict[str, torch.Tensor]:
    """Entity -> (N / 2, 12, 16, 16) float16: of each two twins, the mean difference of all that differ in the same way.

    The same way: in the same two values, with the same LAYOUT. In pure noise this is all that can be known of the
    difference of two twins.
    """
    found = {}
    for entity, rows in latents.items():
        of = records[entity]
        groups: dict[tuple[str, ...], list[int]] = {}
        for i in range(0, len(of), 2):
            name = differing(of[i], of[i + 1])
            said = {**of[i]["labels"], **of[i]["diversity"]}
            layout = tuple(said[n] for n in LAYOUT[name])
            groups.setdefault((name, said[name], of[i + 1]["diversity"][name], *layout), []).append(i // 2)
        means = torch.empty_like(rows[::2])
        for members in groups.values():
            places = 2 * torch.tensor(members)
            means[places // 2] = (rows[places].float() - rows[places + 1].float()).mean(0).half()
        found[entity] = means
    return found


def times_of(count: int, generator: torch.Generator) -> torch.Tensor:
    """(count,) times in 0..1: HIGH_SHARE of them in the last HIGH_NOISE, the others from a logit-normal."""
    middle = (torch.randn(count, generator=generator) + MIDDLE).sigmoid()
    high = 1 - HIGH_NOISE * torch.rand(count, generator=generator)
    return torch.where(torch.rand(count, generator=generator) < HIGH_SHARE, high, middle)


def start_from(model: Model, folder: Path) -> None:
    """Fill `model` with a saved pipeline's weights."""
    model.text.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"))
    model.denoiser.load_state_dict(load_file(folder / "unet" / "diffusion_pytorch_model.safetensors"))


def save(folder: Path, model: Model, vae: AutoencoderTiny, tokenizer: CLIPTokenizer, scale: float) -> None:
    """Write the folder that diffusers loads, in float16."""
    vae.register_to_config(scaling_factor=scale)
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=1.0,
        solver_order=2,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text,
        tokenizer=tokenizer,
        unet=model.denoiser,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    copy.deepcopy(pipeline).to(torch.float16).save_pretrained(folder, safe_serialization=True)
    tokenizer.backend_tokenizer.model.save(
        str(folder / "tokenizer")
    )  # vocab.json, merges.txt: for older transformers
    config = folder / "vae" / "config.json"
    kept = {name: value for name, value in json.loads(config.read_text()).items() if name != "_name_or_path"}
    config.write_text(
        json.dumps(kept, indent=2, sort_keys=True) + "\n"
    )  # no path of the machine that trained it


def train(options: Any) -> None:
    """Run from the newest checkpoint to the end; leave a diffusers pipeline folder in `work`/pipeline."""
    torch.manual_seed(options.seed)
    entities = {e: load_entity(e) for e in ENTITIES}
    vae = AutoencoderTiny.from_pretrained(VAE).float().eval()
    latents, records = load_latents(options.pool, options.work, vae)
    tokenizer = (
        CLIPTokenizer.from_pretrained(options.start / "tokenizer")
        if options.start
        else make_tokenizer(entities, records)
    )
    scale = 1 / float(torch.cat([rows[:2000] for rows in latents.values()]).float().std())
    model = Model(len(tokenizer))
    if options.start:
        start_from(model, options.start)
        if not (options.work / "checkpoint.pt").exists():
            prime(model, tokenizer, tokens_of, entities, records)
        scale = json.loads((options.start / "vae" / "config.json").read_text())["scaling_factor"]
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
    )
    both = torch.nn.ModuleDict({"model": model, "average": average})
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.01, betas=(0.9, 0.99))
    first = load_checkpoint(options.work, both, optimizer)
    differences = mean_differences(latents, records)
    scenes: dict[str, list[tuple[str, int]]] = {name: [] for name in TWIN_SHARES}
    for entity, of in records.items():
        for i in range(0, len(of), 2):
            scenes[differing(of[i], of[i + 1])].append((entity, i // 2))
    log.info(
        "%.2f M weights, %d tokens, scale %.3f",
        sum(p.numel() for p in model.parameters()) / 1e6,
        len(tokenizer),
        scale,
    )
    model.train()
    forward = torch.compile(model)
    began, recent = time.perf_counter(), []
    for step in range(first, options.steps):
        rng = random.Random(f"{options.seed}|{step}")
        generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
        rows, texts, known = [], [], []
        for name in rng.choices(list(TWIN_SHARES), list(TWIN_SHARES.values()), k=options.batch // 2):
            (entity, scene), wording = rng.choice(scenes[name]), rng.getrandbits(53)
            known.append(differences[entity][scene])
            for n in (2 * scene, 2 * scene + 1):
                rows.append(latents[entity][n])
                texts.append(text_of(entities[entity], records[entity][n], random.Random(wording)))
        clean = torch.stack(rows).float() * scale
        noise = torch.randn((len(rows) // 2, *clean.shape[1:]), generator=generator).repeat_interleave(2, 0)
        times = times_of(len(rows) // 2, generator).repeat_interleave(2)
        spread = times[:, None, None, None]
        noisy = (1 - spread) * clean + spread * noise
        set_learning_rate(optimizer, learning_rate(step, options.steps, options.lr, warm_up=200))
        with torch.autocast("cpu", torch.bfloat16):
            predicted = forward(noisy, times, tokens_of(tokenizer, texts))
        told = torch.tensor([texts[i] != texts[i + 1] for i in range(0, len(texts), 2)])
        high = times[::2] > 1 - HIGH_NOISE
        twins, half = clean.unflatten(0, (-1, 2)), torch.stack(known).float() * scale / 2
        sided = torch.stack([twins.mean(1) + half, twins.mean(1) - half], dim=1)
        clean = torch.where(high[:, None, None, None, None], sided, twins).flatten(0, 1)
        loss, own = loss_of(predicted.float() - (noise - clean), twins, high, told)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        recent.append((loss.item(), *(own[told & kind].mean().item() for kind in (high, ~high))))
        if (step + 1) % 50 == 0:
            seconds = (time.perf_counter() - began) / (step + 1 - first)
            whole, highest, rest = np.nanmean(recent, axis=0)
            said = (step + 1, whole, highest, rest, seconds)
            log.info("step %d loss %.4f, twins %.5f at high noise, else %.5f; %.3f s a step", *said)
            recent = []
        if (step + 1) % 250 == 0 or step + 1 == options.steps:
            save_checkpoint(options.work, both, optimizer, step + 1)
            save(options.work / "pipeline", average.module, vae, tokenizer, scale)
    save(options.work / "pipeline", average.module, vae, tokenizer, scale)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options_of(__doc__, steps=12000, batch=48, lr=1e-3, start=True))


if __name__ == "__main__":
    main()
