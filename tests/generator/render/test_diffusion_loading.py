"""What is read of a diffusion model: folders and hub names, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from clay_eval.generator.render.diffusion import DiffusionOptions, load_diffusion
from clay_eval.generator.render.diffusion_loading import find_pipeline
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.samples import SampleSpec

OPTIONS = DiffusionOptions(size=32, steps=1, device="cpu")

SAMPLE = SampleSpec("a-c0-i0", "a", 0, 0, {"color": "red"}, {}, "a mug", "", 1)
pytestmark = pytest.mark.usefixtures("one_thread")


def write_index(folder: Path, **changes: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def damaged_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")


def index_without_class(folder: Path) -> None:
    write_index(folder, _class_name=None)


def unknown_class(folder: Path) -> None:
    write_index(folder, _class_name="PipelineOfTheYear3000")


def own_pipeline(folder: Path) -> None:
    write_index(folder, _class_name=["pipeline", "Mine"])
    (folder / "pipeline.py").write_text("raise SystemExit('this ran')")


def own_component(folder: Path) -> None:
    write_index(folder, unet=["mine", "Mine"])
    (folder / "unet" / "mine.py").write_text("raise SystemExit('this ran')")


def component_of_any_module(folder: Path) -> None:
    write_index(folder, scheduler=["subprocess", "Popen"])


def pickled(folder: Path) -> None:
    path = next((folder / "vae").glob("*.safetensors"))
    path.rename(path.with_name("diffusion_pytorch_model.bin"))


def no_weights(folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        path.unlink()


def lost_weights(folder: Path) -> None:
    next((folder / "vae").glob("*.safetensors")).unlink()


def cut_weights(folder: Path) -> None:
    path = next((folder / "unet").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-100])


def without_tensor(component: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = next((folder / component).glob("*.safetensors"))
        tensors = load_file(path)
        tensors.pop(sorted(tensors)[0])
        save_file(tensors, path, metadata={"format": "pt"})

    drop.__name__ = f"a_tensor_less_in_{component}"
    return drop


def other_shape(folder: Path) -> None:
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "cross_attention_dim": 24}))


def lost_tokenizer(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")


def lost_vocabulary(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_folder, "no such file or folder"),
        (no_index, "not a diffusers pipeline"),
        (damaged_index, "not a diffusers pipeline"),
        (index_without_class, "names no pipeline class"),
        (unknown_class, "has no pipeline PipelineOfTheYear3000"),
        (own_pipeline, "would run code"),
        (own_component, "would run code"),
        (component_of_any_module, "would run code"),
        (pickled, "may run code"),
        (no_weights, "no weights"),
        (lost_weights, "cannot be loaded"),
        (cut_weights, "damaged or cut"),
        (without_tensor("vae"), "weights are missing"),
        (without_tensor("unet"), "weights are missing"),
        (without_tensor("text_encoder"), "weights are missing"),
        (other_shape, "cannot be loaded"),
        (lost_tokenizer, "lacks its tokenizer"),
        (lost_vocabulary, "no vocabulary"),
    ],
)
def test_what_is_wrong_with_a_folder(sd: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(sd)
    with pytest.raises((InputError, IntegrityError), match=message) as caught:
        load_diffusion(str(sd), OPTIONS)
    assert str(sd) in str(caught.value.where)


@pytest.mark.parametrize("component", ["vae", "unet", "text_encoder"])
def test_tensors_that_nobody_needs_do_no_harm(sd: Path, component: str) -> None:
    from safetensors.torch import load_file, save_file

    path = next((sd / component).glob("*.safetensors"))
    save_file({**load_file(path), "text_model.embeddings.more": torch.ones(3)}, path, {"format": "pt"})
    assert load_diffusion(str(sd), OPTIONS).render([SAMPLE])[0].size == (32, 32)


def test_pipelines_that_make_no_pictures_from_texts(tmp_path: Path) -> None:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    unet = UNet2DModel(
        sample_size=8,
        block_out_channels=(8,),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(tmp_path / "ddpm")
    with pytest.raises(InputError, match="not a text-to-image pipeline") as caught:
        load_diffusion(str(tmp_path / "ddpm"), OPTIONS)
    assert caught.value.found == "DDPMPipeline"


def test_a_sibling_of_another_task_is_loaded_for_texts(sd: Path) -> None:
    write_index(sd, _class_name="StableDiffusionImg2ImgPipeline")
    assert load_diffusion(str(sd), OPTIONS).identity["pipeline"] == "StableDiffusionPipeline"


def test_trusted_code_runs(sd: Path) -> None:
    write_index(sd, _class_name=["pipeline", "Mine"])
    code = "from diffusers import StableDiffusionPipeline\nclass Mine(StableDiffusionPipeline): ...\n"
    (sd / "pipeline.py").write_text(code)
    made = load_diffusion(str(sd), DiffusionOptions(size=32, steps=1, device="cpu", trust_remote_code=True))
    assert made.identity["pipeline"] == "Mine"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, and an empty cache of the Hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_hub_model_that_cannot_be_fetched(offline: Path) -> None:
    with pytest.raises(InputError, match="could not be fetched") as caught:
        load_diffusion("some-org/some-model", OPTIONS, "v1")
    assert caught.value.where == "--model some-org/some-model --revision v1"
    assert "hf download some-org/some-model" in str(caught.value.hint)


def test_a_hub_model_from_the_cache(offline: Path, folders: Callable[[str], Path]) -> None:
    repository = offline / "models--some-org--some-model"
    shutil.copytree(folders("sd"), repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    identity = load_diffusion("some-org/some-model", OPTIONS).identity
    assert (identity["model"], identity["revision"]) == ("some-org/some-model", COMMIT)
    assert (
        identity["weights_sha256"] == load_diffusion(str(folders("sd")), OPTIONS).identity["weights_sha256"]
    )


def test_a_folder_has_no_revision(sd: Path) -> None:
    with pytest.raises(InputError, match="no revisions"):
        find_pipeline(str(sd), "main")


def test_damaged_header_of_weights(sd: Path) -> None:
    path = next((sd / "unet").glob("*.safetensors"))
    path.write_bytes(struct.pack("<Q", 1 << 40) + path.read_bytes()[8:])
    with pytest.raises(IntegrityError, match="damaged"):
        load_diffusion(str(sd), OPTIONS)
