"""Encoders of transformers, from tiny models of the real families: rows, identity, texts, and what is refused."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_towers import CLIP_CONTEXT, save_tower

from clay_eval.evaluator.embedding import lazy as lazy_encoders
from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder, slug
from clay_eval.evaluator.embedding.encoders.names import parse_name, request
from clay_eval.evaluator.embedding.encoders.transformers_encoder import FAMILIES, pooled
from clay_eval.evaluator.embedding.encoders.transformers_loading import readable
from clay_eval.evaluator.embedding.lazy import LazyEncoder, open_encoder
from clay_eval.evaluator.embedding.store import FeatureStore
from clay_eval.ray.embedding import EncoderRecipe
from clay_eval.schemas.errors import InputError, IntegrityError

TEXTS = ["a photo of a red shoe", "blue", "someone running"]
SIZES = [(32, 32), (50, 40), (3, 64), (8, 8), (1, 1), (100, 2), (1, 300)]


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, not to be altered."""
    root = tmp_path_factory.mktemp("towers")

    def get(family: str) -> Path:
        folder = root / family
        return folder if (folder / "config.json").exists() else save_tower(family, folder)

    return get


@pytest.fixture
def clip(towers: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny CLIP, to be altered."""
    return Path(shutil.copytree(towers("clip"), tmp_path / "clip"))


def load(folder: Path, **options: Any) -> Encoder:
    return load_encoder(f"transformers:{folder}", "cpu", **options)


def pictures(sizes: list[tuple[int, int]] = SIZES) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def unit(rows: Any) -> np.ndarray:
    wide = rows.detach().numpy().astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def token_ids(family: str, folder: Path, texts: list[str]) -> torch.Tensor:
    """What the model was trained to read, from the tokenizer's bare pieces."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text.lower()))
        if family == "clip":
            ids = [tokenizer.bos_token_id, *ids[: CLIP_CONTEXT - 2], tokenizer.eos_token_id]
            rows.append(ids + [tokenizer.pad_token_id] * (CLIP_CONTEXT - len(ids)))
        else:
            ids = [*ids[:63], tokenizer.eos_token_id]
            rows.append(ids + [tokenizer.pad_token_id] * (64 - len(ids)))
    return torch.tensor(rows)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_rows_and_scale_are_those_of_the_whole_model(family: str, towers: Callable[[str], Path]) -> None:
    from transformers import AutoModel

    folder = towers(family)
    encoder = load(folder)
    images = pictures([(16, 16)] * 3)  # of the model's own size: nothing is resized
    prepared = encoder.identity["preprocessing"]
    mean, deviation = np.array(prepared["image_mean"]), np.array(prepared["image_std"])
    pixels = np.stack([((np.asarray(i, float) / 255 - mean) / deviation).transpose(2, 0, 1) for i in images])
    model: Any = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        out = model(
            input_ids=token_ids(family, folder, TEXTS), pixel_values=torch.tensor(pixels, dtype=torch.float32)
        )
    rows, words = encoder.encode_images(images), encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(rows, unit(out.image_embeds), atol=1e-5)
    np.testing.assert_allclose(words, unit(out.text_embeds), atol=1e-5)
    bias = float(getattr(model, "logit_bias", torch.zeros(1)).detach())
    np.testing.assert_allclose(
        encoder.logit_scale * rows @ words.T + bias, out.logits_per_image.numpy(), rtol=1e-4, atol=1e-4
    )


def test_naflex_reads_every_shape_as_it_is(towers: Callable[[str], Path]) -> None:
    from transformers import AutoModel

    encoder = load(towers("siglip2"))
    image = pictures([(16, 16)])[0]
    patches = np.asarray(image, float).reshape(4, 4, 4, 4, 3).transpose(0, 2, 1, 3, 4).reshape(1, 16, 48)
    model: Any = AutoModel.from_pretrained(towers("siglip2"))
    with torch.no_grad():
        vision = model.vision_model(
            pixel_values=torch.tensor(patches / 127.5 - 1, dtype=torch.float32),
            pixel_attention_mask=torch.ones(1, 16, dtype=torch.int32),
            spatial_shapes=torch.tensor([[4, 4]]),
        ).pooler_output
        words = model.text_model(input_ids=token_ids("siglip2", towers("siglip2"), TEXTS)).pooler_output
    np.testing.assert_allclose(encoder.encode_images([image]), unit(vision), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), unit(words), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_contract_and_batch_mates(family: str, towers: Callable[[str], Path]) -> None:
    encoder, single = load(towers(family)), load(towers(family), batch_size=1)
    assert isinstance(encoder, Encoder)
    assert encoder.logit_scale == pytest.approx(np.exp(3.0))
    images = pictures()
    rows = encoder.encode_images(images)
    for got, n in ((rows, len(images)), (encoder.encode_texts(TEXTS), 3), (encoder.encode_texts([]), 0)):
        assert got.shape == (n, encoder.dimension)
        assert got.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(got.astype(np.float64), axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(single.encode_images(images), rows, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_images(images[::-1])[::-1], rows, atol=1e-5)
    words = encoder.encode_texts([*TEXTS, "a text much longer than the others are"])
    np.testing.assert_allclose(single.encode_texts(TEXTS), words[:3], atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert np.abs(words[0] - words[1]).max() > 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near(family: str, precision: str, towers: Callable[[str], Path]) -> None:
    low, full = load(towers(family), precision=precision), load(towers(family))
    assert slug(low.identity) != slug(full.identity)
    got = low.encode_images(pictures())
    assert got.dtype == np.float32
    assert (got * full.encode_images(pictures())).sum(axis=1).min() > 0.99
    assert (low.encode_texts(TEXTS) * full.encode_texts(TEXTS)).sum(axis=1).min() > 0.99


@pytest.mark.parametrize(("family", "length"), [("clip", CLIP_CONTEXT), ("siglip2", 64)])
def test_long_texts_are_cut_with_a_warning(
    family: str, length: int, towers: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = load(towers(family))
    fits = " ".join("x" * (length - 2)) if family == "clip" else "x" * (length - 1)
    with caplog.at_level(logging.WARNING):
        rows = encoder.encode_texts(["blue", fits])
        assert not caplog.records
        cut = encoder.encode_texts(["blue", fits + " yz"])
    assert f"1 of 2 texts are longer than the {length} tokens" in caplog.text
    np.testing.assert_allclose(cut, rows, atol=1e-6)


@pytest.mark.parametrize("family", ["siglip", "siglip2"])
def test_siglip_reads_lower_case(family: str, towers: Callable[[str], Path]) -> None:
    encoder = load(towers(family))
    assert encoder.identity["tokenizer"]["lower_case"] is True
    np.testing.assert_array_equal(encoder.encode_texts(["A Red Shoe"]), encoder.encode_texts(["a red shoe"]))


def test_identity_follows_weights_and_files_and_not_the_place(clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    first = load(clip)
    assert json.loads(json.dumps(first.identity)) == first.identity
    assert str(tmp_path) not in json.dumps(first.identity)
    assert (first.identity["library"], first.identity["name"]) == ("transformers", "clip")
    moved = Path(shutil.copytree(clip, tmp_path / "elsewhere" / "clip"))
    assert load(moved).identity == first.identity
    assert request(f"transformers:{moved}", "fp32") == request(f"transformers:{clip}", "fp32")

    weights = load_file(moved / "model.safetensors")
    weights["visual_projection.weight"][0, 0] += 1
    save_file(weights, moved / "model.safetensors", {"format": "pt"})
    changed = load(moved).identity
    assert {k for k in changed if changed[k] != first.identity[k]} == {"weights_sha256"}
    assert request(f"transformers:{moved}", "fp32") != request(f"transformers:{clip}", "fp32")

    prepared = json.loads((clip / "preprocessor_config.json").read_text())
    (clip / "preprocessor_config.json").write_text(json.dumps({**prepared, "image_mean": [0.1, 0.2, 0.3]}))
    changed = load(clip).identity
    assert {k for k in changed if changed[k] != first.identity[k]} == {"preprocessing"}


def test_the_store_knows_the_encoder_and_its_scale(
    clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"transformers:{clip}"
    encoder = open_encoder(name, store, "cpu")
    texts = store.text_features(TEXTS, encoder)
    monkeypatch.setattr(lazy_encoders, "load_encoder", lambda *_: pytest.fail("the model was loaded"))
    warm = open_encoder(name, store, "cpu")
    assert isinstance(warm, LazyEncoder)
    assert warm.logit_scale == encoder.logit_scale != 100
    np.testing.assert_array_equal(store.text_features(TEXTS, warm), texts)


def test_a_ray_worker_can_load_it(clip: Path) -> None:
    recipe = pickle.loads(pickle.dumps(EncoderRecipe(f"transformers:{clip}", "cpu")))  # noqa: S301
    assert recipe().identity == load(clip).identity


def test_thin_pictures_are_not_taken_for_colour_channels(towers: Callable[[str], Path]) -> None:
    assert readable(pictures([(5, 4)])[0]).size == (4, 5)
    assert readable(pictures([(3, 64)])[0]).size == (128, 6)
    assert readable(pictures([(1, 1)])[0]).size == (2, 2)
    wide = np.zeros((3, 64, 3), np.uint8)
    wide[:, :, 0] = 255
    encoder = load(towers("siglip"))
    thin, square = encoder.encode_images([Image.fromarray(wide), Image.new("RGB", (16, 16), "red")])
    np.testing.assert_allclose(thin, square, atol=1e-5)


def test_features_as_transformers_4_and_5_return_them() -> None:
    rows = torch.ones(2, 3)
    assert pooled(rows) is rows
    assert pooled(SimpleNamespace(last_hidden_state=torch.ones(2, 5, 3), pooler_output=rows)) is rows


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_pickled_weights_are_refused_and_never_read(clip: Path, tmp_path: Path) -> None:
    (clip / "model.safetensors").unlink()
    (clip / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(InputError, match=r"reading it may run code[\s\S]*pytorch_model\.bin"):
        load(clip)
    assert not (tmp_path / "exploded").exists()


def test_code_that_comes_with_a_model_is_not_run(clip: Path, tmp_path: Path) -> None:
    (clip / "own.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\nclass C: pass\n")
    config = json.loads((clip / "config.json").read_text())
    auto = {"auto_map": {"AutoConfig": "own.C", "AutoModel": "own.C"}}
    (clip / "config.json").write_text(json.dumps({**config, **auto, "model_type": "of-its-own"}))
    with pytest.raises(InputError, match="cannot be loaded"):
        load(clip)
    (clip / "config.json").write_text(json.dumps({**config, **auto}))
    assert load(clip).dimension == 24
    assert not (tmp_path / "ran").exists()


def _edit_config(**changes: Any) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def _without(name: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        weights = load_file(folder / "model.safetensors")
        del weights[name]
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return drop


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), "not a model of transformers"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
        (
            lambda folder: (folder / "tokenizer.json").write_text("{"),
            "tokenizer in this folder cannot be loaded",
        ),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "image processor in this folder"),
        (lambda folder: (folder / "config.json").write_text("{"), "configuration in this folder"),
        (_edit_config(model_type="bert"), r"not an encoder of pictures and texts[\s\S]*--features"),
        (_edit_config(projection_dim=8), "do not fit|cannot be loaded"),
        (_without("visual_projection.weight"), "random numbers"),
        (_without("logit_scale"), "random numbers"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    clip: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(clip)
    with pytest.raises(InputError, match=said):
        load(clip)


def test_cut_weights_are_damaged(clip: Path) -> None:
    file = clip / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="cut short"):
        load(clip)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "unknown encoder"),
        ("org/name@", "unknown encoder"),
        ("@main", "unknown encoder"),
        ("nowhere", "no such model"),
        ("a/b/c", "no such model"),
        ("../nowhere", "no such file or folder"),
    ],
)
def test_names_that_mean_nothing(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_encoder(f"transformers:{name}", "cpu")


def test_a_folder_of_open_clip_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"model of open_clip[\s\S]*--encoder /"):
        parse_name(f"transformers:{tmp_path}")


def test_from_the_hub_only_safe_files_are_fetched(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[Any] = []

    def fetch(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(clip)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    identity = load_encoder("transformers:someone/model@v2", "cpu").identity
    assert (identity["name"], identity["pretrained"]) == ("someone/model", "clip")
    assert asked[0][:2] == ("someone/model", "v2")
    assert not any(pattern.endswith((".bin", ".pt", ".py", "*")) for pattern in asked[0][2])
    other = request("transformers:someone/model", "fp32")
    assert request("transformers:someone/model@v2", "fp32") != other

    def offline(*_: Any, **__: Any) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network here")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(InputError, match=r"could not be fetched[\s\S]*no network here[\s\S]*--revision v2"):
        load_encoder("transformers:someone/model@v2", "cpu")
