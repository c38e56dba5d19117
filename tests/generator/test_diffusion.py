"""The diffusion renderer runs real diffusers code: tiny pipelines of five families, saved to folders and loaded back."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clay_eval.generator.render import diffusion
from clay_eval.generator.render.diffusion import DiffusionOptions, DiffusionRenderer, load_diffusion
from clay_eval.generator.render.diffusion_loading import find_pipeline
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.samples import SampleSpec

FAMILIES = {
    "sd": ("StableDiffusionPipeline", 50, 7.5, True),
    "sdxl": ("StableDiffusionXLPipeline", 50, 5.0, True),
    "sd3": ("StableDiffusion3Pipeline", 28, 7.0, True),
    "flux": ("FluxPipeline", 28, 3.5, False),
    "pixart": ("PixArtSigmaPipeline", 20, 4.5, True),
}
OPTIONS = DiffusionOptions(size=32, steps=1, device="cpu")


def load_helper() -> ModuleType:
    path = Path(__file__).parents[1] / "tiny_pipelines.py"
    spec = importlib.util.spec_from_file_location("tiny_pipelines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads cost tiny models far more than they bring, the more so where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny pipeline, written when it is first asked for. Not to be altered."""
    helper, root = load_helper(), tmp_path_factory.mktemp("pipelines")

    def get(family: str) -> Path:
        return root / family if (root / family).exists() else Path(helper.save(family, root / family))

    return get


@pytest.fixture
def sd(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny Stable Diffusion, to be altered."""
    return Path(shutil.copytree(folders("sd"), tmp_path / "sd"))


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


FULL = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
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
    small = Small(renderer._pipeline, 2, error)
    monkeypatch.setattr(renderer, "_pipeline", small)
    monkeypatch.setattr(renderer, "_most", None)
    with caplog.at_level(logging.WARNING):
        images = renderer.render(samples)
        assert small.asked == [7, 3, 1, 1, 1, 1, 1, 1, 1]
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
    monkeypatch.setattr(renderer, "_pipeline", Small(renderer._pipeline, 0, FULL[0]))
    monkeypatch.setattr(renderer, "_most", None)
    with pytest.raises(InputError, match="too little memory for one picture") as caught:
        renderer.render([sample(3, 1), sample(4, 1)])
    assert caught.value.where == "e-3"
    assert "--offload" in str(caught.value.hint)


def test_other_faults_of_a_pipeline_are_not_taken_for_it(
    renderer: DiffusionRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Small(renderer._pipeline, 0, RuntimeError("shapes cannot be multiplied"))
    monkeypatch.setattr(renderer, "_pipeline", small)
    with pytest.raises(RuntimeError, match="shapes"):
        renderer.render([sample(0, 1), sample(1, 1)])
    assert small.asked == [2]


def test_a_picture_of_nan_is_refused(folders: Callable[[str], Path]) -> None:
    made = load_diffusion(str(folders("sd")), OPTIONS)
    torch.nn.init.constant_(made._pipeline.vae.decoder.conv_out.bias, float("nan"))
    with pytest.raises(ClayEvalError, match="NaN") as caught:
        made.render([sample(0, 1)])
    assert "--dtype" in str(caught.value.hint)


def test_a_censored_picture_is_refused(renderer: DiffusionRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    def censoring(**arguments: Any) -> Any:
        black = [Image.new("RGB", (32, 32))] * 2
        return SimpleNamespace(images=black, nsfw_content_detected=[False, True])

    monkeypatch.setattr(renderer, "_pipeline", censoring)
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
        (no_folder, "no such model"),
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
    assert load_diffusion(str(sd), OPTIONS).render([sample(0, 1)])[0].size == (32, 32)


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


def test_damaged_header_of_weights(sd: Path) -> None:
    path = next((sd / "unet").glob("*.safetensors"))
    path.write_bytes(struct.pack("<Q", 1 << 40) + path.read_bytes()[8:])
    with pytest.raises(IntegrityError, match="damaged"):
        load_diffusion(str(sd), OPTIONS)
