from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clay_eval.evaluator.embedding.encoders import (
    Encoder,
    choose_device,
    load_encoder,
    normalise_rows,
    slug,
    weights_sha256,
)
from clay_eval.evaluator.embedding.encoders import names as encoder_names
from clay_eval.evaluator.embedding.encoders.names import parse_name, request, resolve_tag
from clay_eval.schemas.errors import InputError, IntegrityError

MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESS = {
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}
TEXTS = ["a red shoe", "a photo of someone running on a beach", "blue"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny randomly initialised open_clip model folder."""
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**MODEL)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": MODEL, "preprocess_cfg": PREPROCESS})
    )
    return folder


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder), "cpu", batch_size=4)


@pytest.fixture(scope="session")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(32, 32), (50, 40), (31, 64), (8, 8), (32, 32), (100, 20), (33, 33)]
    return [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


def copy(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_rows_are_those_of_open_clip_itself(
    folder: Path, encoder: Encoder, images: list[Image.Image]
) -> None:
    model = open_clip.model.CLIP(**MODEL)
    model.load_state_dict(load_file(folder / "open_clip_model.safetensors"))
    model.eval()
    pixels = []
    for image in images:
        small = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float64) / 255
        pixels.append(((small - PREPROCESS["mean"]) / PREPROCESS["std"]).transpose(2, 0, 1))
    with torch.no_grad():
        expected = model.encode_image(
            torch.tensor(np.array(pixels), dtype=torch.float32), normalize=True
        ).numpy()
        words = model.encode_text(open_clip.SimpleTokenizer(context_length=16)(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_images(images), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), words, atol=1e-5)


def test_contract(encoder: Encoder, images: list[Image.Image]) -> None:
    assert isinstance(encoder, Encoder)
    for rows, n in (
        (encoder.encode_images(images), 7),
        (encoder.encode_texts(TEXTS), 3),
        (encoder.encode_texts([]), 0),
    ):
        assert rows.shape == (n, encoder.dimension) == (n, 32)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows.astype(np.float64), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batch_mates_do_not_matter(
    folder: Path, encoder: Encoder, images: list[Image.Image], batch_size: int
) -> None:
    other = load_encoder(str(folder), "cpu", batch_size=batch_size)
    np.testing.assert_allclose(other.encode_images(images), encoder.encode_images(images), atol=1e-5)
    np.testing.assert_allclose(other.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-5)
    backwards = other.encode_images(images[::-1])[::-1]
    np.testing.assert_allclose(backwards, encoder.encode_images(images), atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near(
    folder: Path, encoder: Encoder, images: list[Image.Image], precision: str
) -> None:
    low = load_encoder(str(folder), "cpu", precision)
    assert low.identity["precision"] == precision
    assert slug(low.identity) != slug(encoder.identity)
    for got, expected in (
        (low.encode_images(images), encoder.encode_images(images)),
        (low.encode_texts(TEXTS), encoder.encode_texts(TEXTS)),
    ):
        assert got.dtype == np.float32
        assert (got * expected).sum(axis=1).min() > 0.999


def test_identity_is_json_without_paths(folder: Path, encoder: Encoder) -> None:
    identity = encoder.identity
    assert json.loads(json.dumps(identity)) == identity
    assert str(folder.parent) not in json.dumps(identity)
    assert identity["name"] == "tiny"
    assert identity["demonstration"] is False
    assert identity["preprocessing"]["mean"] == PREPROCESS["mean"]
    assert identity["preprocessing"]["resize_mode"] == "squash"
    assert identity["tokenizer"] == {"type": "SimpleTokenizer", "context_length": 16}


def test_identity_follows_weights_and_config(folder: Path, encoder: Encoder, tmp_path: Path) -> None:
    elsewhere = copy(folder, tmp_path / "elsewhere" / "tiny")
    assert load_encoder(f"local-dir:{elsewhere}", "cpu").identity == encoder.identity
    weights = load_file(elsewhere / "open_clip_model.safetensors")
    weights["ln_final.bias"][0] += 1e-6
    save_file(weights, elsewhere / "open_clip_model.safetensors")
    changed = load_encoder(str(elsewhere), "cpu").identity
    assert {key for key in changed if changed[key] != encoder.identity[key]} == {"weights_sha256"}

    same_weights = copy(folder, tmp_path / "other" / "tiny")
    model = {**MODEL, "text_cfg": {**MODEL["text_cfg"], "heads": 4}}
    (same_weights / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    changed = load_encoder(str(same_weights), "cpu").identity
    assert {key for key in changed if changed[key] != encoder.identity[key]} == {
        "architecture",
        "preprocessing",
    }


def test_weights_hash_is_the_documented_one() -> None:
    state = {"b": torch.tensor(2, dtype=torch.int64), "a": torch.tensor([[1.5, -2.0]])}
    expected = hashlib.sha256()
    expected.update(b"a\0torch.float32\0(1, 2)\0" + np.array([1.5, -2.0], "<f4").tobytes())
    expected.update(b"b\0torch.int64\0()\0" + np.array(2, "<i8").tobytes())
    assert weights_sha256(state) == expected.hexdigest()
    assert weights_sha256({"a": state["a"].T.contiguous().T, "b": state["b"]}) == expected.hexdigest()
    assert weights_sha256({"a": state["a"].bfloat16(), "b": state["b"]}) != expected.hexdigest()


def test_slug_is_safe_and_distinct() -> None:
    names = {
        slug({"name": name, "pretrained": "x/../y", "precision": "fp32"})
        for name in ("hf-hub:a/b", "..", "", "ViT-B-32", "vit b", "é" * 300)
    }
    assert len(names) == 6
    for name in names:
        assert name.isascii()
        assert "/" not in name
        assert not name.startswith(".")
        assert len(name) < 120


def test_long_texts_are_cut_with_a_warning(encoder: Encoder, caplog: pytest.LogCaptureFixture) -> None:
    fits = " ".join(["red"] * 14)
    with caplog.at_level(logging.WARNING):
        encoder.encode_texts([*TEXTS, fits])
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        encoder.encode_texts([*TEXTS, fits + " shoe"])
    assert "16 tokens" in caplog.text
    assert "red shoe" in caplog.text


def test_normalise_rows_keeps_what_is_wrong_visible() -> None:
    rows = normalise_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [1e-30, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(rows[0], [0.6, 0.8], atol=1e-7)
    assert np.isnan(rows[1]).all()
    assert np.isnan(rows[2]).any()
    np.testing.assert_allclose(rows[3], [1, 0])


def test_weights_in_a_file(folder: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", MODEL)
    loaded = load_encoder(f"Tiny-CLIP:{folder / 'open_clip_model.safetensors'}", "cpu")
    assert loaded.identity["name"] == "Tiny-CLIP"
    assert loaded.identity["pretrained"] == "file"
    assert loaded.identity["weights_sha256"] == encoder.identity["weights_sha256"]
    np.testing.assert_allclose(loaded.encode_texts(TEXTS), encoder.encode_texts(TEXTS), atol=1e-6)
    half = {**MODEL, "embed_dim": 16}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-CLIP", half)
    with pytest.raises(InputError, match=r"do not fit[\s\S]*size mismatch"):
        load_encoder(f"Tiny-CLIP:{folder / 'open_clip_model.safetensors'}", "cpu")


def test_weights_in_a_file_are_prepared_for_as_the_tags_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16-SigLIP", MODEL)
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: open_clip.SimpleTokenizer(context_length=16))
    loaded = load_encoder(f"ViT-B-16-SigLIP:{folder / 'open_clip_model.safetensors'}", "cpu")
    assert loaded.identity["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert loaded.identity["preprocessing"]["resize_mode"] == "squash"


def test_embedded_is_a_folder_like_any_other(
    folder: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_names, "embedded_folder", lambda: folder)
    loaded = load_encoder("embedded", "cpu")
    assert loaded.identity["name"] == loaded.identity["pretrained"] == "embedded"
    assert loaded.identity["demonstration"] is True
    assert loaded.identity["weights_sha256"] == encoder.identity["weights_sha256"]


def test_embedded_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_names, "embedded_folder", lambda: tmp_path)
    with pytest.raises(IntegrityError, match="install the package again"):
        parse_name("embedded")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-33", r"unknown encoder[\s\S]*did you mean .*ViT-B-32"),
        ("vit-b/32:laion2b_s34b_b79k", r"unknown encoder[\s\S]*did you mean .*ViT-B-32"),
        ("ViT-B-32", r"needs weights[\s\S]*laion2b_s34b_b79k"),
        ("ViT-B-32:", r"needs weights"),
        ("ViT-B-32:laion3b", r"no pretrained tag 'laion3b'[\s\S]*laion2b_s34b_b79k"),
        ("ViT-B-32:openai", r"QuickGELU[\s\S]*ViT-B-32-quickgelu:openai"),
        ("ViT-B-32:missing/weights.safetensors", "no such file of weights"),
        ("./none.safetensors", "no such file or folder"),
        ("transformers:./none", "no such file or folder"),
        ("hf-hub:", "unknown encoder"),
        ("", "unknown encoder"),
        ("no/such/folder", "unknown encoder"),
    ],
)
def test_names_that_mean_nothing(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_tag(parse_name(name))


def test_tags_are_spelt_as_open_clip_does() -> None:
    resolved = resolve_tag(parse_name("ViT-B/32:LAION2B-s34b-b79k"))
    assert (resolved.model, resolved.weights, resolved.pretrained) == ("ViT-B-32", *["laion2b_s34b_b79k"] * 2)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".pth", ".npz", ".PT", ".pkl"])
def test_only_safetensors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match="must be safetensors"):
        parse_name(f"ViT-B-32:{path}")


def test_folders_that_open_clip_would_unpickle_from(folder: Path, tmp_path: Path) -> None:
    target = copy(folder, tmp_path / "a")
    (target / "open_clip_model.safetensors").rename(target / "mine.safetensors")
    assert parse_name(str(target)).files[1].name == "mine.safetensors"
    (target / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"mine\.safetensors.*pytorch_model\.bin"):
        parse_name(str(target))
    (target / "mine.safetensors").unlink()
    with pytest.raises(InputError, match=r"no weights that are safe[\s\S]*convert"):
        parse_name(str(target))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not an open_clip config"),
        ('{"model_cfg": {"embed_dim": 8}}', "cannot load"),
    ],
)
def test_broken_configs(folder: Path, tmp_path: Path, config: str, message: str) -> None:
    target = copy(folder, tmp_path / "a")
    (target / "open_clip_config.json").write_text(config)
    with pytest.raises(InputError, match=message):
        load_encoder(str(target), "cpu")


def test_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"open_clip_config\.json"):
        parse_name(str(tmp_path))


def test_cut_weights(folder: Path, tmp_path: Path) -> None:
    target = copy(folder, tmp_path / "a")
    weights = target / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="weights are damaged"):
        load_encoder(str(target), "cpu")


def test_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **kwargs: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", offline)
    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", offline)
    with pytest.raises(InputError, match=r"no route to host[\s\S]*download[\s\S]*ViT-B-32:FILE"):
        load_encoder("ViT-B-32:laion2b_s34b_b79k", "cpu")
    with pytest.raises(InputError, match=r"no route to host[\s\S]*download the repository org/model "):
        load_encoder("hf-hub:org/model", "cpu")


def test_options(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(InputError, match="no cuda device"):
        choose_device("cuda:1")
    with pytest.raises(InputError, match="unknown device"):
        choose_device("tpu")
    with pytest.raises(InputError, match="unknown precision"):
        load_encoder(str(folder), precision="int8")
    with pytest.raises(InputError, match="at least one"):
        load_encoder(str(folder), batch_size=0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"
    assert choose_device("cuda:1") == "cuda:1"


def test_request_follows_the_files(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = copy(folder, tmp_path / "tiny")
    assert request(str(target), "fp32") == request(str(folder), "fp32")
    assert request(str(target), "fp32") != request(str(target), "bf16")
    with (target / "open_clip_model.safetensors").open("ab") as stream:
        stream.write(b"x")
    assert request(str(target), "fp32") != request(str(folder), "fp32")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert request("ViT-B/32:Laion2b-S34b-b79k", "fp32") == request("ViT-B-32:laion2b_s34b_b79k", "fp32")
