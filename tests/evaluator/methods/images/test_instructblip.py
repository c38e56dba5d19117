"""The Q-Former's mean tokens against InstructBLIP run whole, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clay_eval.evaluator.conformance.check import check_method
from clay_eval.evaluator.methods.images.instructblip import InstructBLIP
from clay_eval.schemas.errors import InputError, IntegrityError


@pytest.fixture
def folder(models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny InstructBLIP, to be altered."""
    return Path(shutil.copytree(models("instructblip"), tmp_path / "instructblip"))


def unit(rows: Any) -> np.ndarray:
    wide = rows.double().numpy()
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def test_rows_are_those_of_the_whole_model(models: Callable[[str], Path], images: list[Image.Image]) -> None:
    from transformers import InstructBlipForConditionalGeneration, InstructBlipProcessor

    folder = models("instructblip")
    whole: Any = InstructBlipForConditionalGeneration.from_pretrained(folder)
    processor: Any = InstructBlipProcessor.from_pretrained(folder)
    rows = []
    for image in images:
        inputs = processor(
            images=image, text="What is the color and sub category of this image?", return_tensors="pt"
        )
        with torch.no_grad():
            out = whole.eval()(**inputs)
        rows.append(out.qformer_outputs[0][:, :5].mean(dim=1))
    method = InstructBLIP(str(folder), device="cpu", batch_size=3)
    found = method.encode(images, ["color", "sub_category"])
    assert found.dtype == np.float32
    assert found.shape == (7, method.dimension) == (7, 24)
    np.testing.assert_allclose(found, unit(torch.cat(rows)), atol=1e-5)


def test_conditions_pictures_and_instructions_all_count(
    models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    method = InstructBLIP(str(models("instructblip")), device="cpu")
    color = method.encode(images, ["color"])
    assert np.abs(color - method.encode(images, ["shape"])).max() > 1e-3
    assert np.abs(color[0] - color[2]).max() > 1e-3
    other = InstructBLIP(str(models("instructblip")), instruction="Look at the {aspect}", device="cpu")
    assert np.abs(color - other.encode(images, ["color"])).max() > 1e-3
    assert {k for k, v in method.identity.items() if other.identity[k] != v} == {"instruction"}
    assert method.encode([], ["color"]).shape == (0, 24)


def test_batch_mates_do_not_matter(models: Callable[[str], Path], images: list[Image.Image]) -> None:
    method = InstructBLIP(str(models("instructblip")), device="cpu", batch_size=4)
    rows = method.encode(images, ["color"])
    single = np.concatenate([method.encode([image], ["color"]) for image in images])
    np.testing.assert_allclose(rows, single, atol=1e-5)
    np.testing.assert_allclose(method.encode(images[::-1], ["color"])[::-1], rows, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near(
    models: Callable[[str], Path], images: list[Image.Image], precision: str
) -> None:
    low = InstructBLIP(str(models("instructblip")), device="cpu", precision=precision)
    full = InstructBLIP(str(models("instructblip")), device="cpu")
    assert (low.encode(images, ["color"]) * full.encode(images, ["color"])).sum(axis=1).min() > 0.99
    assert low.identity != full.identity


def test_the_language_model_is_not_loaded(models: Callable[[str], Path], images: list[Image.Image]) -> None:
    method = InstructBLIP(str(models("instructblip")), device="cpu")
    method.encode(images[:1], ["color"])
    assert not any("language" in name for name in method._loaded[0].state_dict())


def test_it_passes_the_check_for_authors(models: Callable[[str], Path]) -> None:
    findings = check_method(
        lambda: InstructBLIP(str(models("instructblip")), device="cpu"), image_method=True
    )
    assert findings
    assert [finding for finding in findings if not finding.ok] == []


def test_the_identity_follows_weights_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    first = InstructBLIP(str(folder), device="cpu").identity
    assert str(tmp_path) not in json.dumps(first)
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "instructblip"))
    assert InstructBLIP(str(moved), device="cpu").identity == first
    weights = load_file(moved / "model.safetensors")
    save_file(
        {**weights, "query_tokens": weights["query_tokens"] + 1},
        moved / "model.safetensors",
        {"format": "pt"},
    )
    changed = InstructBLIP(str(moved), device="cpu").identity
    assert {key for key in first if first[key] != changed[key]} == {"weights_sha256"}


def test_nothing_is_loaded_before_it_is_needed(folder: Path) -> None:
    method = InstructBLIP(str(folder), device="cpu")
    (folder / "model.safetensors").unlink()
    assert method.dimension == 24
    with pytest.raises(InputError):
        method.encode([Image.new("RGB", (8, 8))], ["color"])


@pytest.mark.parametrize("gone", ["query_tokens", "qformer.embeddings.layernorm.weight"])
def test_missing_weights_are_not_made_up(folder: Path, gone: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights[gone]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"random numbers"):
        InstructBLIP(str(folder), device="cpu").encode([Image.new("RGB", (8, 8))], ["color"])


def test_folders_that_are_refused(folder: Path, models: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not an InstructBLIP[\s\S]*llava"):
        InstructBLIP(str(models("llava")), device="cpu")
    with pytest.raises(InputError, match=r"no such model[\s\S]*instructblip\(model=nowhere\)"):
        InstructBLIP("nowhere", device="cpu")
    with pytest.raises(InputError, match="not a model of transformers"):
        InstructBLIP(str(tmp_path), device="cpu")
    shutil.rmtree(folder / "qformer_tokenizer")
    with pytest.raises(InputError, match="tokenizer is missing"):
        InstructBLIP(str(folder), device="cpu")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match="cut short"):
        InstructBLIP(str(folder), device="cpu")
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="may run code"):
        InstructBLIP(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"instruction": "What is this?"}, r"where the conditions go"),
        ({"precision": "int8"}, "unknown precision"),
        ({"batch_size": 0}, "at least one"),
        ({"device": "tpu"}, "unknown device"),
        ({"max_side": 0}, "at least one pixel"),
    ],
)
def test_options_that_are_refused(models: Callable[[str], Path], options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        InstructBLIP(str(models("instructblip")), **{"device": "cpu", **options})
