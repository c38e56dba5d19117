"""What reads pictures, at its real size: encoders, a vision-language model as judge and as image method, scoring."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import real_models as models
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from real_room import Crowded, Line, Room, SkippedError, host_free
from safetensors.torch import save_file
from transformers import SiglipImageProcessor

from clay_eval.evaluator.embedding.encoders import Encoder, OpenClipEncoder
from clay_eval.evaluator.embedding.encoders.devices import exact_convolutions
from clay_eval.evaluator.embedding.encoders.transformers_encoder import TransformersEncoder, pooled
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.methods.images.conditioned import embed_conditioned
from clay_eval.evaluator.methods.images.vlm_embedding import VLMEmbedding, joined, last_state
from clay_eval.evaluator.pictures.labelled import Labelled, Unit
from clay_eval.evaluator.scoring import retrieval_scores
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.generator.alignment.vqa import VQAJudge
from clay_eval.generator.alignment.vqa_loading import VisionLanguageModel
from clay_eval.generator.plan.combinations import Plan
from clay_eval.schemas.entity import load_entity

DIFFERENT = 8
"""Pictures that are made; more are these again under other keys."""
CONDITIONS = ["color"]
_WORK = 3.0
"""GiB beside the weights."""


def photographs(small: bool) -> list[bytes]:
    """JPEGs of 1024 x 1024 pixels, about as costly to decode as photographs: blurred colours with a little grain."""
    side = 64 if small else 1024
    draw = np.random.default_rng(0)
    made = []
    for _ in range(DIFFERENT):
        coarse = draw.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        grain = draw.normal(0, 6, (side, side, 1))
        pixels = np.clip(np.asarray(smooth, np.float64) + grain, 0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, format="JPEG", quality=92)
        made.append(stream.getvalue())
    return made


class Album:
    """Labelled pictures in memory, as one unit."""

    def __init__(self, count: int, files: Sequence[bytes]) -> None:
        self._files = files
        keys = tuple(f"{number:06}" for number in range(count))
        self._unit = Unit("album", f"{count} pictures", "album", keys)
        self.entities: Mapping[str, Labelled] = {"album": Labelled(keys, {"color": ["red"] * count})}
        self.fingerprint = self._unit.sha256

    def units(self) -> tuple[Unit, ...]:
        return (self._unit,)

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        return ((key, self._files[row % len(self._files)]) for row, key in enumerate(unit.keys))

    def start(self, count: int) -> Album:
        """The first `count` pictures as an album of their own."""
        return Album(count, self._files)

    def opened(self, count: int) -> list[Image.Image]:
        """The first `count` pictures, decoded; those that are the same are one object."""
        found = [Image.open(io.BytesIO(data)).convert("RGB") for data in self._files[:count]]
        return [found[row % len(found)] for row in range(count)]


class Idle:
    """An encoder that prepares pictures as another does, and then computes nothing: the stage without its model."""

    logit_scale = 1.0

    def __init__(self, encoder: Any) -> None:
        self.identity: Mapping[str, Any] = {**encoder.identity, "name": "idle"}
        self.dimension: int = encoder.dimension
        self.prepare = encoder.prepare
        self.encode_texts = encoder.encode_texts
        self.encode_images = encoder.encode_images

    def encode_prepared(self, prepared: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.eye(1, self.dimension, dtype=np.float32).repeat(len(prepared), axis=0)


ENCODERS: Mapping[str, tuple[int, int, float, float]] = {
    "vit-b-32": (256, 8, 10, 15),
    "vit-l-14": (128, 4, 15, 60),
    "so400m": (64, 2, 20, 150),
}
"""Of each encoder the batch on a GPU and on a CPU, and about how many seconds a line takes there."""


def encoder(room: Room, name: str) -> None:
    """An encoder in fp32 and bf16: the embedding stage beside forward passes over pixels that are on the device."""
    on_gpu, on_cpu, seconds, slowly = ENCODERS[name]
    batch = 4 if room.small else on_gpu if room.on_gpu else on_cpu
    album = Album(4 * batch if room.on_gpu else 2 * batch, photographs(room.small))
    for precision in ("fp32", "bf16"):
        room.step(
            f"{name}, {precision}, batch {batch}",
            seconds if room.on_gpu else slowly,
            partial(_encoder_line, room, name, precision, batch, album),
        )


def _encoder_line(room: Room, name: str, precision: str, batch: int, album: Album) -> Line:
    contrastive = name in models.OPEN_CLIP
    makes = models.encoder_towers(name, room.small, precision)
    room.require(models.parameters(makes), models.BYTES[precision], _WORK)
    model = models.build(makes["towers"], room.device, "fp32" if contrastive else precision)
    make = _open_clip_encoder if contrastive else _siglip_encoder
    encoder, forward = make(model, name, room, precision, batch)
    count = len(album.units()[0].keys)
    known = encoder.prepare(album.opened(min(count, DIFFERENT)))
    rows = [known[row % len(known)] for row in range(count)]
    pixels = [_on_device(rows[start : start + batch], room) for start in range(0, count, batch)]

    def bare() -> None:
        with torch.inference_mode(), exact_convolutions(room.device, precision):
            for part in pixels:
                forward(part)

    def stage(through: Any, pictures: Album) -> None:
        with tempfile.TemporaryDirectory() as folder:
            embed(pictures, through, FeatureStore(Path(folder)), batch)

    with torch.inference_mode():
        forward(pixels[0])
    room.clean()
    rounds = 2 if room.on_gpu else 1
    alone, read, whole = room.by_turns(
        rounds, bare, partial(stage, Idle(encoder), album), partial(stage, encoder, album)
    )
    peak = room.peak()
    tower = model.visual if contrastive else model.vision_model
    crowded = Crowded(tower, "pixel_values", 1, batch // 2)
    halved = _halved(crowded, partial(stage, encoder, album.start(batch)))
    note = f"{count / read:.1f} decoded and prepared without the model: {whole / max(alone, read):.2f} of the slower"
    return Line(count / whole, count / alone, peak, f"{note}; {halved}")


def _on_device(prepared: Sequence[Any], room: Room) -> torch.Tensor:
    """(n, 3, side, side) what an encoder prepared, in the type it prepares."""
    rows = [one["pixel_values"] if isinstance(one, dict) else one[None] for one in prepared]
    return torch.cat(rows).to(room.device)


def _open_clip_encoder(model: Any, name: str, room: Room, precision: str, batch: int) -> tuple[Encoder, Any]:
    config = PreprocessCfg(**model.visual.preprocess_cfg)
    tokens = open_clip.get_tokenizer(models.OPEN_CLIP[name])
    width = model.text_projection.shape[1]
    encoder = OpenClipEncoder(
        model,
        image_transform_v2(config, is_train=False),
        tokens,
        {**_identity(name, precision), "dimension": int(width), "tokenizer": {"context_length": 77}},
        room.device,
        batch,
    )
    dtype = models.DTYPES[precision]
    return encoder, lambda pixels: model.encode_image(pixels.to(dtype))


def _siglip_encoder(model: Any, name: str, room: Room, precision: str, batch: int) -> tuple[Encoder, Any]:
    vision = model.config.vision_config
    processor = SiglipImageProcessor(size={"height": vision.image_size, "width": vision.image_size})
    tokens = models.word_tokens(ending="<|endoftext|>")
    facts = {**_identity(name, precision), "dimension": vision.hidden_size}
    encoder = TransformersEncoder(model, processor, tokens, facts, room.device, batch)
    dtype = models.DTYPES[precision]
    return encoder, lambda pixels: pooled(model.get_image_features(pixel_values=pixels.to(dtype)))


def _identity(name: str, precision: str) -> dict[str, Any]:
    return {"library": "random weights", "name": name, "pretrained": "random", "precision": precision}


def _halved(crowded: Crowded, stage: Callable[[], object]) -> str:
    """What is said of a stage that goes on where its model is out of memory."""
    stage()
    crowded.leave()
    return f"out of memory is played: went on with {crowded.seen[-1]} at once"


def judge(room: Room) -> None:
    """Qwen2.5-VL-3B as judge: its verdicts beside forward passes over questions that are on the device."""
    for precision in ("bf16", "fp32"):
        room.step(f"judge, {precision}", 45, partial(_judge_line, room, precision))


def _judge_line(room: Room, precision: str) -> Line:
    model, processor = _qwen(room, precision)
    facts = {"model": "Qwen2.5-VL-3B, random", "dtype": precision}
    held = VQAJudge(VisionLanguageModel(model, processor, room.device, facts), diversity=not room.small)
    spec = load_entity("clay-object")
    held.prepare(spec)
    count = 2 if room.small else 8
    samples = list(Plan(spec, count=count, seed=1))[:count]
    images = Album(len(samples), photographs(room.small)).opened(len(samples))
    asked: list[Any] = []
    look = model.register_forward_pre_hook(lambda _m, _a, named: asked.append(named), with_kwargs=True)
    held.judge(samples[:1], images[:1])
    look.remove()
    questions = len(asked)

    def bare() -> None:
        with torch.inference_mode():
            for _ in samples:
                for named in asked:
                    model(**named).logits[0, -1].float().cpu()

    bare()
    room.clean()
    alone, whole = room.by_turns(1 if room.small else 2, bare, lambda: held.judge(samples, images))
    length = asked[0]["input_ids"].shape[1]
    note = f"pictures; {questions} questions each, {length} tokens"
    return Line(len(samples) / whole, len(samples) / alone, room.peak(), note)


class _InMemory(VLMEmbedding):
    """An image method on a model that is in memory already; `folder` has its configuration and processor only."""

    def __init__(self, folder: Path, parts: tuple[Any, Any, str], precision: str, batch: int) -> None:
        self._parts = parts
        super().__init__(str(folder), device=parts[2], precision=precision, batch_size=batch)

    @cached_property
    def _loaded(self) -> tuple[Any, Any, str]:
        return self._parts


def image_method(room: Room) -> None:
    """Qwen2.5-VL-3B as image method: the stage beside forward passes over prompts that are on the device."""
    batch = 2 if room.small else 8
    for precision in ("bf16", "fp32"):
        room.step(
            f"image method, {precision}, batch {batch}", 40, partial(_method_line, room, precision, batch)
        )


def _method_line(room: Room, precision: str, batch: int) -> Line:
    model, processor = _qwen(room, precision)
    count = 4 if room.small else 32
    album = Album(count, photographs(room.small))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        model.config.save_pretrained(folder)
        processor.save_pretrained(folder)
        save_file({"nothing": torch.zeros(1)}, folder / "model.safetensors")
        method = _InMemory(folder, (model, processor, room.device), precision, batch)
        inputs = joined([method._inputs(image, "color") for image in album.opened(batch)], room.device)

        def bare() -> None:
            with torch.inference_mode(), exact_convolutions(room.device, precision):
                for _ in range(count // batch):
                    last_state(model, inputs).float().cpu()

        def stage(pictures: Album) -> None:
            with tempfile.TemporaryDirectory() as store:
                embed_conditioned(pictures, method, CONDITIONS, FeatureStore(Path(store)), batch_size=batch)

        bare()
        room.clean()
        alone, whole = room.by_turns(1, bare, partial(stage, album))
        peak = room.peak()
        halved = _halved(Crowded(model, "input_ids", 1, batch // 2), partial(stage, album.start(batch)))
    tokens = inputs["input_ids"].shape[1]
    return Line(count / whole, count / alone, peak, f"pictures; {tokens} tokens each; {halved}")


def _qwen(room: Room, precision: str) -> tuple[Any, Any]:
    processor = models.qwen_processor(room.small)
    makes = models.qwen_models(room.small, processor.tokenizer)
    room.require(models.parameters(makes), models.BYTES[precision], 2 * _WORK)
    return models.build(makes["model"], room.device, precision), processor


def scoring(room: Room) -> None:
    """mAP against a million vectors of 512 dimensions: by NumPy, by torch on the CPU, and on the GPU if there is one."""
    images = 2000 if room.small else 1_000_000
    queries = 8 if room.small else 64 if room.on_gpu else 16
    world: dict[str, Any] = {}
    found: dict[str, tuple[np.ndarray[Any, Any], float]] = {}

    def made() -> str:
        needed = 3 * images * 512 * 4 / (1 << 30)
        if needed > min(host_free(), room.memory):
            raise SkippedError(f"needs about {needed:.1f} GiB")
        draw = np.random.default_rng(0)
        rows = draw.standard_normal((images + queries, 512), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        world["spaces"] = [(rows[:queries], rows[queries:])]
        world["codes"] = (draw.integers(0, 10, queries), draw.integers(0, 10, images))
        return f"{queries} queries, {images} vectors of 512 dimensions, float32, AP"

    def scored(backend: str) -> str:
        if not world:
            raise SkippedError("there are no vectors")
        measures = parse_measures(["AP"])
        rounds = []
        for _ in range(2 if backend.endswith("cuda") else 1):
            start = time.perf_counter()
            values = retrieval_scores(world["spaces"], *world["codes"], measures, backend=backend)
            rounds.append(time.perf_counter() - start)
        found[backend] = (values["AP"], min(rounds))
        text = f"{queries / min(rounds):8.2f} queries/s, peak {room.peak():.2f} GiB"
        if backend == "numpy" or "numpy" not in found:
            return text
        exact, seconds = found["numpy"]
        apart = np.max(np.abs(values["AP"] - exact) / np.abs(exact))
        return f"{text}; {seconds / min(rounds):.2f} times NumPy's speed, values at most {apart:.1e} apart (relative)"

    room.step("the vectors", 20, made)
    room.step("NumPy", 60, partial(scored, "numpy"))
    room.step("torch on the CPU", 90, partial(scored, "torch:cpu"))
    if room.on_gpu:
        room.step("torch on the GPU", 20, partial(scored, f"torch:{room.device}"))
    else:
        room.step("torch on the GPU", 0, _no_gpu)


def _no_gpu() -> str:
    raise SkippedError("there is no GPU")
