"""The diffusion renderer runs real diffusers code: tiny pipelines of five families, saved to folders and loaded back."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clay_eval.generator.render import diffusion
from clay_eval.generator.render.diffusion import DiffusionOptions, DiffusionRenderer, load_diffusion
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec

FAMILIES = {
    "sd": ("StableDiffusionPipeline", 50, 7.5, True),
    "sdxl": ("StableDiffusionXLPipeline", 50, 5.0, True),
    "sd3": ("StableDiffusion3Pipeline", 28, 7.0, True),
    "flux": ("FluxPipeline", 28, 3.5, False),
    "pixart": ("PixArtSigmaPipeline", 20, 4.5, True),
}
OPTIONS = DiffusionOptions(size=32, steps=1, device="cpu")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def renderer(folders: Callable[[str], Path]) -> DiffusionRenderer:
    return load_diffusion(str(folders("sd")), OPTIONS)


def sample(number: int, seed: int, prompt: str = "a mug", negative: str = "blurry") -> SampleSpec:
    return SampleSpec(f"e-{number}", "e", 0, number, {"color": "red"}, {}, prompt, negative, seed)


def pixels(image: Image.Image) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(image).astype(np.int64)


def apart(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of two pictures, in levels of 255."""
    return int(np.abs(pixels(one) - pixels(other)).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(folders: Callable[[str], Path], family: str, capfd: pytest.CaptureFixture[str]) -> None:
    folder = folders(family)
    capfd.readouterr()
    made = load_diffusion(str(folder), OPTIONS)
    images = made.render([sample(0, 1), sample(1, 2), sample(2, 1, "a hat")])
    assert [(i.mode, i.size) for i in images] == [("RGB", (32, 32))] * 3
    assert apart(images[0], images[1]) > 40, "the seed decides"
    assert apart(images[0], images[2]) > 0, "the prompt decides"
    assert pixels(images[0]).std() > 5
    mates = made.render([sample(7, 77), sample(0, 1), sample(8, 88)])
    assert apart(images[0], mates[1]) <= 2, "batch mates do not"
    pipeline, _, guidance, negative = FAMILIES[family]
    assert made.identity["pipeline"] == pipeline
    assert made.identity["guidance"] == guidance
    assert made.identity["negative_prompt"] is negative
    assert capfd.readouterr().err == "", "no progress bars"


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_the_pipelines_own_and_recorded(folders: Callable[[str], Path], family: str) -> None:
    identity = load_diffusion(str(folders(family)), DiffusionOptions(device="cpu")).identity
    _, steps, guidance, _ = FAMILIES[family]
    assert (identity["steps"], identity["guidance"]) == (steps, guidance)
    assert identity["size"] == {"flux": 256, "pixart": 64}.get(family, 32)


def test_pictures_are_what_diffusers_itself_makes(folders: Callable[[str], Path]) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folders("sd"), use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        prompt="a mug",
        negative_prompt="blurry",
        height=32,
        width=32,
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(11),
    ).images[0]
    options = DiffusionOptions(size=32, steps=2, guidance=3.0, device="cpu")
    made = load_diffusion(str(folders("sd")), options)
    assert apart(made.render([sample(0, 11)])[0], expected) <= 1
    assert apart(made.render([sample(0, 11, negative="a hat")])[0], expected) > 0, "negative prompts are used"
    options = DiffusionOptions(size=32, steps=2, guidance=1.0, device="cpu")
    unguided = load_diffusion(str(folders("sd")), options)
    assert unguided.identity["negative_prompt"] is False
    one, other = (unguided.render([sample(0, 11, negative=text)])[0] for text in ("blurry", "a hat"))
    assert apart(one, other) == 0


def test_identity(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = folders("sd")
    identity = load_diffusion(str(folder), OPTIONS).identity
    assert json.loads(json.dumps(identity)) == identity
    assert str(folder.parent) not in json.dumps(identity)
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors"), key=lambda p: p.relative_to(folder).as_posix()):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(data)}\0".encode() + data)
    assert identity["weights_sha256"] == digest.hexdigest()
    assert identity["model"] == "sd"
    assert identity["revision"] is None
    assert identity["dtype"] == "fp32"
    assert identity["scheduler"]["class"] == "DDIMScheduler"
    assert set(identity["libraries"]) == {"diffusers", "transformers", "torch"}

    copy = shutil.copytree(folder, tmp_path / "sd")
    same = load_diffusion(str(copy), DiffusionOptions(size=32, steps=1, device="cpu", compile=True))
    assert same.identity == identity, "neither the place nor how it is run"
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"beta_end": 0.02', '"beta_end": 0.03'))
    changed = load_diffusion(str(copy), OPTIONS).identity
    differing = {name for name in identity if identity[name] != changed[name]}
    assert differing == {"scheduler", "configuration_sha256"}
    weights = next((copy / "unet").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert load_diffusion(str(copy), OPTIONS).identity["weights_sha256"] != identity["weights_sha256"]


def test_bf16_is_recorded_and_drawn(folders: Callable[[str], Path]) -> None:
    made = load_diffusion(
        str(folders("flux")), DiffusionOptions(size=32, steps=1, dtype="bf16", device="cpu")
    )
    assert made.identity["dtype"] == "bf16"
    assert made.render([sample(0, 1)])[0].size == (32, 32)


class Small:
    """A pipeline on a device with room for `room` pictures."""

    def __init__(self, pipeline: Any, room: int, error: Exception) -> None:
        self.pipeline, self.room, self.error = pipeline, room, error
        self.asked: list[int] = []

    def __call__(self, **arguments: Any) -> Any:
        self.asked.append(len(arguments["prompt"]))
        if len(arguments["prompt"]) > self.room:
            raise self.error
        return self.pipeline(**arguments)

    def maybe_free_model_hooks(self) -> None:
        self.asked.append(0)


FULL = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", FULL)
def test_a_batch_that_does_not_fit_is_halved(
    renderer: DiffusionRenderer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    samples = [sample(i, 100 + i) for i in range(7)]
    expected = renderer.render(samples)
    small = Small(renderer.pipeline, 2, error)
    monkeypatch.setattr(renderer, "pipeline", small)
    monkeypatch.setattr(renderer, "_most", None)
    with caplog.at_level(logging.WARNING):
        images = renderer.render(samples)
        assert small.asked == [7, 0, 3, 0, 1, 1, 1, 1, 1, 1, 1], "offloaded models are put back each time"
        assert max(map(apart, images, expected)) <= 2
        small.asked.clear()
        renderer.render(samples[:2])
    assert small.asked == [1, 1], "it does not try again what did not fit"
    said = [r.getMessage() for r in caplog.records if "out of memory" in r.getMessage()]
    assert said == [
        "out of memory with 7 pictures at once; going on with 3 (try --batch-size 3)",
        "out of memory with 3 pictures at once; going on with 1 (try --batch-size 1)",
    ]


def test_one_picture_that_does_not_fit(renderer: DiffusionRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "pipeline", Small(renderer.pipeline, 0, FULL[0]))
    monkeypatch.setattr(renderer, "_most", None)
    with pytest.raises(InputError, match="too little memory for one picture") as caught:
        renderer.render([sample(3, 1), sample(4, 1)])
    assert caught.value.where == "e-3"
    assert "--offload" in str(caught.value.hint)


def test_other_faults_of_a_pipeline_are_not_taken_for_it(
    renderer: DiffusionRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Small(renderer.pipeline, 0, RuntimeError("shapes cannot be multiplied"))
    monkeypatch.setattr(renderer, "pipeline", small)
    with pytest.raises(RuntimeError, match="shapes"):
        renderer.render([sample(0, 1), sample(1, 1)])
    assert small.asked == [2]


def test_a_picture_of_nan_is_refused(folders: Callable[[str], Path]) -> None:
    made = load_diffusion(str(folders("sd")), OPTIONS)
    torch.nn.init.constant_(made.pipeline.vae.decoder.conv_out.bias, float("nan"))
    with pytest.raises(ClayEvalError, match="NaN") as caught:
        made.render([sample(0, 1)])
    assert "--dtype" in str(caught.value.hint)


def test_a_censored_picture_is_refused(renderer: DiffusionRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    def censoring(**arguments: Any) -> Any:
        black = [Image.new("RGB", (32, 32))] * 2
        return SimpleNamespace(images=black, nsfw_content_detected=[False, True])

    monkeypatch.setattr(renderer, "pipeline", censoring)
    with pytest.raises(ClayEvalError, match="safety checker") as caught:
        renderer.render([sample(0, 1), sample(1, 2)])
    assert caught.value.where == "e-1"


@pytest.mark.parametrize(
    ("family", "size", "message"),
    [("sd", 33, "refuses this request"), ("flux", 33, "another size")],
)
def test_a_size_that_the_pipeline_cannot_make(
    folders: Callable[[str], Path], family: str, size: int, message: str
) -> None:
    made = load_diffusion(str(folders(family)), DiffusionOptions(size=size, steps=1, device="cpu"))
    with pytest.raises(InputError, match=message) as caught:
        made.render([sample(0, 1)])
    assert "33" in f"{caught.value.expected} {caught.value.found}"


def test_a_cut_prompt_is_said_once(folders: Callable[[str], Path], caplog: pytest.LogCaptureFixture) -> None:
    made = load_diffusion(str(folders("sd")), OPTIONS)
    long = "a photo of a very long prompt"
    with caplog.at_level(logging.WARNING):
        for number in range(2):
            made.render([sample(number, 1, long)])
    cut = [r for r in caplog.records if "truncated" in r.getMessage()]
    assert [r.name for r in cut] == ["clay_eval.generator.render.diffusion"]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"dtype": "fp8"}, "--dtype"),
        ({"offload": "disk"}, "--offload"),
        ({"steps": 0}, "--steps"),
        ({"size": 4}, "--size"),
        ({"guidance": -1.0}, "--guidance"),
        ({"guidance": float("nan")}, "--guidance"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        DiffusionOptions(**options)
    assert caught.value.where == where


def test_offloading_needs_a_gpu_and_accelerate(sd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="off a GPU"):
        load_diffusion(str(sd), DiffusionOptions(device="cpu", offload="model"))
    monkeypatch.setattr(diffusion, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(diffusion, "has_accelerate", lambda: False)
    with pytest.raises(InputError, match="not installed") as caught:
        load_diffusion(str(sd), DiffusionOptions(offload="model"))
    assert caught.value.hint == "pip install accelerate"


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_asks_diffusers_for_it(sd: Path, monkeypatch: pytest.MonkeyPatch, offload: str) -> None:
    from diffusers import StableDiffusionPipeline

    asked: list[tuple[str, Any]] = []
    for name in ("model", "sequential"):

        def enable(self: Any, device: Any, name: str = name) -> None:
            asked.append((name, device))

        monkeypatch.setattr(StableDiffusionPipeline, f"enable_{name}_cpu_offload", enable)
    monkeypatch.setattr(diffusion, "choose_device", lambda device: "cuda")
    monkeypatch.setattr(diffusion, "has_accelerate", lambda: True)
    made = load_diffusion(str(sd), DiffusionOptions(offload=offload))
    assert asked == [(offload, "cuda")]
    assert made.identity["dtype"] == "bf16"
    assert "offload" not in made.identity


def test_compiling_compiles_the_denoiser(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compiled.append(type(self).__name__))
    for family in ("sd", "flux"):
        load_diffusion(str(folders(family)), DiffusionOptions(size=32, steps=1, device="cpu", compile=True))
    assert compiled == ["UNet2DConditionModel", "FluxTransformer2DModel"]


def test_any_object_that_is_called_like_a_pipeline_will_do() -> None:
    class Flat:
        """A trained pipeline of one's own."""

        def __call__(
            self,
            prompt: Sequence[str],
            height: int,
            width: int,
            num_inference_steps: int = 7,
            generator: Any = None,
        ) -> Any:
            colors = [int(torch.randint(256, (1,), generator=g)) for g in generator]
            return SimpleNamespace(images=[Image.new("L", (width, height), c) for c in colors])

        def set_progress_bar_config(self, **options: Any) -> None: ...

    made = DiffusionRenderer(Flat(), DiffusionOptions(size=16), {"model": "flat"})
    image = made.render([sample(0, 5)])[0]
    expected = int(torch.randint(256, (1,), generator=torch.Generator().manual_seed(5)))
    assert image.getpixel((0, 0)) == (expected,) * 3
    assert (made.identity["steps"], made.identity["guidance"]) == (7, None)
    assert made.identity["negative_prompt"] is False
    with pytest.raises(InputError, match="no guidance"):
        DiffusionRenderer(Flat(), DiffusionOptions(size=16, guidance=2.0), {})
    with pytest.raises(InputError, match="which size"):
        DiffusionRenderer(Flat(), DiffusionOptions(), {})
