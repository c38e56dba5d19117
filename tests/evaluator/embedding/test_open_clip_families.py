"""Models of open_clip from the smallest to the largest: published names resolve, and the families load from folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_towers import siglip2_tokenizer

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.evaluator.embedding.encoders.names import parse_name, resolve_tag
from clay_eval.schemas.errors import InputError

TEXT = {"vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT: dict[str, Any] = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {**TEXT, "context_length": 8},
}
SIGLIP: dict[str, Any] = {
    "embed_dim": 16,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 16,
        "timm_model_name": "vit_base_patch16_siglip_224",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "linear",
    },
    "text_cfg": {
        **TEXT,
        "context_length": 64,
        "hf_tokenizer_name": "tokenizer/of-the-folder",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}


def small_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make timm's SigLIP tower of one narrow layer; what else open_clip does with it stays."""
    import timm

    whole = timm.create_model
    sizes = {"img_size": 16, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: whole(*a, **{**k, **sizes}))


def saved(folder: Path, config: dict[str, Any], scale: float) -> Path:
    folder.mkdir()
    torch.manual_seed(1)
    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    model = kind(**{key: value for key, value in config.items() if key != "custom_text"})
    with torch.no_grad():
        model.logit_scale.fill_(np.log(scale))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    prepared = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": prepared})
    )
    return folder


def check(encoder: Encoder, scale: float) -> None:
    assert encoder.logit_scale == pytest.approx(scale, rel=1e-6)
    images = [Image.new("RGB", (20, 30), color) for color in ("red", "blue")]
    rows, words = encoder.encode_images(images), encoder.encode_texts(["a red shoe", "blue"])
    assert rows.shape == words.shape == (2, 16)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4
    assert np.abs(words[0] - words[1]).max() > 1e-4


def test_a_vit_of_clip(tmp_path: Path) -> None:
    check(load_encoder(str(saved(tmp_path / "vit", VIT, 41.5)), "cpu"), 41.5)


def test_a_siglip_with_the_tokenizer_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_timm(monkeypatch)
    folder = saved(tmp_path / "siglip", SIGLIP, 117.3)
    siglip2_tokenizer().save_pretrained(folder)
    encoder = load_encoder(str(folder), "cpu")
    check(encoder, 117.3)
    assert encoder.identity["tokenizer"] == {"type": "HFTokenizer", "context_length": 64}


def test_scales_of_any_shape_are_read(tmp_path: Path) -> None:
    config = {**VIT, "nonscalar_logit_scale": True}
    assert load_encoder(str(saved(tmp_path / "vit", config, 7.0)), "cpu").logit_scale == pytest.approx(7)


def test_every_published_name_resolves_or_says_which_one_to_take() -> None:
    published = open_clip.list_pretrained()
    assert {"ViT-B-32", "ViT-L-14", "ViT-H-14", "ViT-bigG-14"} <= {model for model, _ in published}
    for model, tag in published:
        said = _said(f"{model}:{tag}")
        if said is not None:
            assert said == f"use {model}-quickgelu:{tag}"
            assert _said(said.removeprefix("use ")) is None


def _said(name: str) -> str | None:
    """The hint with which a name is refused, or None."""
    try:
        assert resolve_tag(parse_name(name)).weights == name.partition(":")[2]
    except InputError as error:
        return str(error.hint)
    return None
