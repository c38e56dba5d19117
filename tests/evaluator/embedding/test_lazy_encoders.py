"""Features of a real, tiny model: warm caches spare loading it, batches do not matter, records are checked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from clay_eval.evaluator.embedding import lazy as lazy_encoders
from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.evaluator.embedding.lazy import LazyEncoder, open_encoder
from clay_eval.evaluator.embedding.store import FeatureStore, embed
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.errors import InputError


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file as save_torch

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    save_torch(open_clip.model.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return folder


def own_pictures(folder: Path, count: int = 7) -> Path:
    folder.mkdir()
    rows = ["file,hue"]
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{'red' if i % 2 else 'blue'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_warm_caches_need_no_model(
    model_folder: Path, tmp_path: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(own_pictures(tmp_path / "pets"))
    encoder = open_encoder(str(model_folder), store, "cpu")
    assert embed(source, encoder, store).computed == 7
    images = store.load(source, encoder.identity)["pets"].matrix
    texts = store.text_features(["a red thing", "a blue thing"], encoder)

    def refuse(*args: object) -> Encoder:
        raise AssertionError("the model was loaded")

    with monkeypatch.context() as patch:
        patch.setattr(lazy_encoders, "load_encoder", refuse)
        warm = open_encoder(str(model_folder), store, "cpu")
        assert isinstance(warm, LazyEncoder)
        assert isinstance(warm, Encoder)
        assert warm.identity == encoder.identity
        assert embed(source, warm, store).reused == 7
        np.testing.assert_array_equal(store.load(source, warm.identity)["pets"].matrix, images)
        np.testing.assert_array_equal(store.text_features(["a red thing", "a blue thing"], warm), texts)
        with pytest.raises(AssertionError, match="was loaded"):
            store.text_features(["something else"], warm)
        with pytest.raises(AssertionError, match="was loaded"):
            open_encoder(str(model_folder), store, "cpu", "bf16")
    np.testing.assert_allclose(warm.encode_texts(["a red thing"]), texts[:1], atol=1e-5)


def test_batch_size_does_not_matter(model_folder: Path, tmp_path: Path) -> None:
    source = open_source(own_pictures(tmp_path / "pets", 23))
    matrices = []
    for batch_size in (1, 5, 64):
        store = FeatureStore(tmp_path / f"store-{batch_size}")
        encoder = load_encoder(str(model_folder), "cpu", batch_size=batch_size)
        embed(source, encoder, store, batch_size=batch_size)
        matrices.append(store.load(source, encoder.identity)["pets"].matrix)
    np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-5)
    np.testing.assert_allclose(matrices[0], matrices[2], atol=1e-5)


def test_an_encoder_that_changed_meanwhile(model_folder: Path, store: FeatureStore) -> None:
    encoder = open_encoder(str(model_folder), store, "cpu")
    moved = {**encoder.identity, "weights_sha256": "0" * 64}
    lazy = LazyEncoder(moved, lambda: encoder)
    with pytest.raises(InputError, match=r"another encoder[\s\S]*weights_sha256"):
        lazy.encode_texts(["a"])


def test_a_damaged_encoder_record_is_written_anew(model_folder: Path, store: FeatureStore) -> None:
    encoder = open_encoder(str(model_folder), store, "cpu")
    (path,) = store.folder.glob("*/encoder.json")
    whole = path.read_bytes()
    for damage in (whole[:-20], whole.replace(b'"dimension": 16', b'"dimension": 32'), b"", b"[]"):
        path.write_bytes(damage)
        assert not isinstance(open_encoder(str(model_folder), store, "cpu"), LazyEncoder)
        assert path.read_bytes() == whole
    assert open_encoder(str(model_folder), store, "cpu").identity == encoder.identity
