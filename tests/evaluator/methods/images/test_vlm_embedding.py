"""Instruction-following embedders: the last state against the model run by hand, batches, and what is refused."""

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
from clay_eval.evaluator.methods.images import shared_prefix
from clay_eval.evaluator.methods.images.models import shrunk
from clay_eval.evaluator.methods.images.vlm_embedding import DIOR, QwenEmbedding, VLMEmbedding, same_shapes
from clay_eval.schemas.errors import InputError

SHARING = [(kind, family) for kind in (VLMEmbedding, DIOR) for family in ("llava", "qwen2_5", "qwen3")]
CASES = [*SHARING, (QwenEmbedding, "qwen3")]
QWEN = "<|vision_start|><|image_pad|><|vision_end|>"
MARK = {"llava": "<image>", "qwen2_5": QWEN, "qwen3": QWEN}
SETS = [["color"], ["shape", "texture"], ["color"], ["a_much_longer_name_of_a_condition"]]


@pytest.fixture
def folder(models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny LLaVA, to be altered."""
    return Path(shutil.copytree(models("llava"), tmp_path / "llava"))


def prompt(kind: type, family: str, aspect: str) -> str:
    if kind is QwenEmbedding:
        system = f"system: Represent this image with regard to its {aspect}.\n"
        return f"{system}user: {MARK[family]}\nassistant:"
    if kind is DIOR:
        return f'user: {MARK[family]}Describe this image in one word regarding {aspect}: "\nassistant:'
    return f"user: {MARK[family]}Describe this image in one word regarding {aspect}:\nassistant:"


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_rows_are_the_last_state_of_the_prompt_as_it_is_written(
    kind: Any, family: str, models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    loader: Any = AutoModelForImageTextToText
    reader: Any = AutoProcessor
    model, processor = loader.from_pretrained(models(family)), reader.from_pretrained(models(family))
    expected = []
    for image in images:
        text = prompt(kind, family, "color and category")
        inputs = processor(text=[text], images=[image], return_tensors="pt")
        with torch.no_grad():
            state = model.eval().model(**inputs).last_hidden_state[0, -1].double().numpy()
        expected.append(state / np.linalg.norm(state))
    method = kind(str(models(family)), device="cpu", batch_size=3)
    rows = method.encode(images, ["color", "category"])
    assert rows.dtype == np.float32
    assert rows.shape == (7, method.dimension)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


@pytest.mark.parametrize(("kind", "family"), CASES)
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batch_mates_do_not_matter(
    kind: Any, family: str, batch_size: int, models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    method = kind(str(models(family)), device="cpu", batch_size=batch_size)
    rows = method.encode(images, ["color"])
    single = np.concatenate([method.encode([image], ["color"]) for image in images])
    np.testing.assert_allclose(rows, single, atol=1e-5)
    np.testing.assert_allclose(method.encode(images[::-1], ["color"])[::-1], rows, atol=1e-5)


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_conditions_and_pictures_count(
    kind: Any, family: str, models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    method = kind(str(models(family)), device="cpu")
    color = method.encode(images, ["color"])
    assert np.abs(color - method.encode(images, ["shape"])).max() > 1e-3
    assert np.abs(color[0] - color[2]).max() > 1e-4
    assert method.encode([], ["color"]).shape == (0, method.dimension)
    with pytest.raises(InputError, match="no condition"):
        method.encode(images, [])


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_it_passes_the_check_for_authors(kind: Any, family: str, models: Callable[[str], Path]) -> None:
    findings = check_method(lambda: kind(str(models(family)), device="cpu"), image_method=True)
    assert findings
    assert [finding for finding in findings if not finding.ok] == []


@pytest.mark.parametrize(
    ("kind", "family", "batch_size"),
    [
        *((*case, 3) for case in CASES),
        *((kind, "qwen3", size) for kind in (VLMEmbedding, DIOR, QwenEmbedding) for size in (1, 64)),
    ],
)
def test_several_sets_at_once_are_each_set_alone(
    kind: Any, family: str, batch_size: int, models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    """Pictures of five sizes, so that batches are of several shapes."""
    method = kind(str(models(family)), device="cpu", batch_size=batch_size)
    together = method.encode_each(images, SETS)
    assert len(together) == len(SETS)
    for rows, conditions in zip(together, SETS, strict=True):
        assert rows.dtype == np.float32
        assert rows.shape == (7, method.dimension)
        np.testing.assert_allclose(rows, method.encode(images, conditions), atol=1e-6)
    assert np.abs(together[0] - together[3]).max() > 1e-3
    assert method.encode_each([], SETS)[1].shape == (0, method.dimension)
    assert method.encode_each(images, []) == []
    with pytest.raises(InputError, match="no condition"):
        method.encode_each(images, [["color"], []])


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_a_picture_is_read_once_for_all_sets_where_it_stands_first(
    kind: Any, family: str, models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    method = kind(str(models(family)), device="cpu")
    method.encode_each(images[:1], SETS)
    read = list[int]()
    model = method._loaded[0]
    model.register_forward_pre_hook(
        lambda _module, _args, given: read.append("pixel_values" in given), with_kwargs=True
    )
    method.encode_each(images[:1], SETS)
    assert read == ([True, False, False, False, False] if (kind, family) in SHARING else [True] * 4)


@pytest.mark.parametrize("family", ["qwen2_5", "qwen3"])
def test_where_sharing_moves_rows_nothing_is_shared(
    family: str,
    models: Callable[[str], Path],
    images: list[Image.Image],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Positions that count a picture's tokens one by one are not Qwen's: the small picture shows it."""
    monkeypatch.setattr(shared_prefix, "_position_shift", lambda _: None)
    method = DIOR(str(models(family)), device="cpu")
    assert not method._shares
    for rows, conditions in zip(method.encode_each(images, SETS), SETS, strict=True):
        np.testing.assert_array_equal(rows, method.encode(images, conditions))


def test_dior_is_a_preset(models: Callable[[str], Path], images: list[Image.Image]) -> None:
    folder = str(models("llava"))
    dior = DIOR(folder, device="cpu")
    quoted = 'Describe this image in one word regarding {aspect}: "'
    same = VLMEmbedding(folder, quoted, device="cpu", max_side=700)
    np.testing.assert_array_equal(dior.encode(images, ["color"]), same.encode(images, ["color"]))
    assert dior.identity == {**same.identity, "name": "dior"}
    # The longer side has 700 pixels, the other is cut down to whole ones.
    assert dior.shrink(Image.new("RGB", (1000, 999))).size == (700, 699)
    assert dior.shrink(Image.new("RGB", (1501, 1000))).size == (700, 466)
    assert dior.shrink(Image.new("RGB", (1000, 1501))).size == (466, 700)
    assert dior.shrink(Image.new("RGB", (700, 20))).size == (700, 20)
    assert dior.shrink(Image.new("RGB", (9000, 1))).size == (700, 1)


def test_pictures_of_several_shapes_share_batches_only_with_their_like() -> None:
    def inputs(*shape: int) -> dict[str, Any]:
        return {"pixel_values": torch.zeros(shape), "input_ids": torch.zeros(1, 4)}

    prepared = [inputs(4, 2), inputs(6, 2), inputs(4, 2), {**inputs(4, 2), "input_ids": torch.zeros(1, 5)}]
    assert same_shapes(prepared) == [[0, 2], [1], [3]]


def test_one_model_and_two_forms_are_two_identities(models: Callable[[str], Path]) -> None:
    plain, system = (kind(str(models("qwen3")), device="cpu") for kind in (VLMEmbedding, QwenEmbedding))
    differ = {key for key in plain.identity if plain.identity[key] != system.identity[key]}
    assert differ == {"name", "instruction"}
    assert all(isinstance(value, str | int | float | bool) for value in plain.identity.values())


def test_huge_pictures_are_shrunk_and_small_ones_left_alone(
    models: Callable[[str], Path], images: list[Image.Image]
) -> None:
    assert shrunk(images[1], 64) is images[1]
    assert shrunk(Image.new("RGB", (4000, 1000)), 100).size == (100, 25)
    assert shrunk(Image.new("RGB", (1, 9000)), 100).size == (1, 100)
    method = QwenEmbedding(str(models("qwen3")), device="cpu", max_side=32)
    huge = Image.effect_noise((3000, 1500), 80).convert("RGB")
    before = huge.tobytes()
    rows = method.encode([huge], ["color"])
    assert huge.tobytes() == before
    np.testing.assert_allclose(rows, method.encode([shrunk(huge, 32)], ["color"]), atol=1e-6)


def test_a_picture_that_the_processor_cannot_take(models: Callable[[str], Path]) -> None:
    method = VLMEmbedding(str(models("qwen3")), device="cpu")
    with pytest.raises(InputError, match=r"cannot take this picture[\s\S]*2000 x 2 pixels"):
        method.encode([Image.new("RGB", (1000, 1))], ["color"])


def test_a_head_that_is_not_run_may_be_missing(folder: Path, images: list[Image.Image]) -> None:
    from safetensors.torch import load_file, save_file

    rows = VLMEmbedding(str(folder), device="cpu").encode(images, ["color"])
    weights = load_file(folder / "model.safetensors")
    head = next(name for name in weights if name.endswith("lm_head.weight"))
    save_file({k: v for k, v in weights.items() if k != head}, folder / "model.safetensors", {"format": "pt"})
    np.testing.assert_array_equal(VLMEmbedding(str(folder), device="cpu").encode(images, ["color"]), rows)
    gone = next(name for name in weights if "q_proj" in name)
    save_file({k: v for k, v in weights.items() if k != gone}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="random numbers"):
        VLMEmbedding(str(folder), device="cpu").encode(images, ["color"])


def test_models_that_cannot_be_spoken_to(
    folder: Path, models: Callable[[str], Path], images: list[Image.Image], tmp_path: Path
) -> None:
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        VLMEmbedding(str(folder), device="cpu").encode(images, ["color"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(InputError):
        VLMEmbedding(str(folder), device="cpu").encode(images, ["color"])
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="may run code"):
        VLMEmbedding(str(folder), device="cpu")


def test_a_template_that_fails_is_told_as_such(folder: Path, images: list[Image.Image]) -> None:
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system here') }}")
    with pytest.raises(InputError, match="no system here"):
        VLMEmbedding(str(folder), device="cpu").encode(images, ["color"])
