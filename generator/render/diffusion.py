"""Any diffusers text-to-image pipeline as a renderer.

>>> renderer = load_diffusion("black-forest-labs/FLUX.1-schnell", DiffusionOptions(steps=4, guidance=0.0))  # doctest: +SKIP
>>> renderer.render(samples)                                                                               # doctest: +SKIP
"""

from __future__ import annotations

import inspect
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from PIL import Image

from clay_eval.evaluator.embedding.encoders.devices import (
    choose_device,
    free_memory,
    in_turn,
    is_out_of_memory,
)
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.model_folders import DTYPES, ModelFolder
from clay_eval.schemas.samples import SampleSpec

from .base import NothingShownError
from .diffusion_loading import (
    check_folder,
    find_pipeline,
    folder_digests,
    has_accelerate,
    library_warnings,
    load_pipeline,
)

log = logging.getLogger(__name__)

OFFLOAD = ("none", "model", "sequential")
MAX_SIZE = 4096
_LIBRARIES = ("diffusers", "transformers", "torch")
_Renderer = TypeVar("_Renderer", bound="DiffusionRenderer")


@dataclass(frozen=True)
class DiffusionOptions:
    """How a pipeline is run; None leaves a value to the pipeline.

    size: width and height in pixels. steps: denoising steps. guidance: the scale that the pipeline calls guidance.
    dtype: "auto" (bf16 on CUDA, else fp32), "fp32", "bf16", "fp16". device: "auto", "cpu", "cuda", "cuda:1", "mps".
    offload: "none", or keep on the device the "model" at work, or its layers one by one ("sequential"); needs accelerate.
    compile: compile the denoiser with torch.compile.
    """

    size: int | None = None
    steps: int | None = None
    guidance: float | None = None
    dtype: str = "auto"
    device: str = "auto"
    offload: str = "none"
    compile: bool = False
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", *DTYPES):
            raise InputError(
                "unknown dtype", where="--dtype", expected=f"auto, {', '.join(DTYPES)}", found=self.dtype
            )
        if self.offload not in OFFLOAD:
            raise InputError(
                "unknown way to offload", where="--offload", expected=f"one of {OFFLOAD}", found=self.offload
            )
        if self.steps is not None and self.steps < 1:
            raise InputError(
                "a picture takes at least one step", where="--steps", expected=">= 1", found=self.steps
            )
        if self.size is not None and not 8 <= self.size <= MAX_SIZE:
            raise InputError(
                "picture size out of range", where="--size", expected=f"8 to {MAX_SIZE}", found=self.size
            )
        if self.guidance is not None and not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError(
                "guidance is a number from 0 up", where="--guidance", expected=">= 0", found=self.guidance
            )


def load_diffusion(
    model: str, options: DiffusionOptions | None = None, revision: str | None = None
) -> DiffusionRenderer:
    """Load a pipeline by folder or Hub name and put it on its device.

    Raises InputError for whatever cannot be found, trusted, loaded or placed; IntegrityError for damaged weights.
    """
    options = options or DiffusionOptions()
    choose_device(options.device)  # before anything is fetched
    source = find_pipeline(model, revision, options.trust_remote_code)
    return open_diffusion(source, options, DiffusionRenderer)


def open_diffusion(source: ModelFolder, options: DiffusionOptions, kind: type[_Renderer]) -> _Renderer:
    """Load the pipeline of a folder into a renderer of this `kind`, on its device; raises what `load_diffusion` does."""
    device = choose_device(options.device)
    check_offload(options.offload, device)
    dtype = options.dtype
    if dtype == "auto":
        dtype = "bf16" if device.startswith("cuda") else "fp32"
    index = check_folder(source.path, options.trust_remote_code)
    facts = {"model": source.name, "revision": source.revision, **folder_digests(source.path, index)}
    pipeline = load_pipeline(source.path, index, dtype, options.trust_remote_code)
    renderer = kind(pipeline, options, {**facts, "dtype": dtype})
    place(pipeline, device, options)
    return renderer


class DiffusionRenderer:
    """Renders with a loaded pipeline.

    Each picture has a generator of its own on the CPU, seeded by its sample spec, so its noise does not depend on its
    batch mates, the batch size or the device. (Pixels do move a little with these: sums are rounded in another order.)

    Parameters
    ----------
    pipeline: a diffusers text-to-image pipeline.
    facts: what it is: model, revision, digests, dtype; they go into the identity as they are.
    """

    def __init__(self, pipeline: Any, options: DiffusionOptions, facts: Mapping[str, Any]) -> None:
        parameters = inspect.signature(type(pipeline).__call__).parameters
        self.pipeline = pipeline
        self._device = choose_device(options.device)
        self._most: int | None = None
        self._said: set[tuple[str, int]] = set()
        self.size = options.size or _native_size(pipeline)
        steps = options.steps or parameters["num_inference_steps"].default
        if not isinstance(steps, int):
            raise InputError(
                "this pipeline has no number of steps of its own", where="--steps", hint="say how many"
            )
        scale = _guidance_parameter(parameters)
        if scale is None and options.guidance is not None:
            raise InputError(
                "this pipeline takes no guidance", where="--guidance", found=type(pipeline).__name__
            )
        guidance = options.guidance
        if guidance is None and scale is not None:
            guidance = parameters[scale].default
        self._takes_negative = "negative_prompt" in parameters and _is_guided(parameters, scale, guidance)
        self._arguments: dict[str, Any] = {
            "height": self.size,
            "width": self.size,
            "num_inference_steps": steps,
            **({} if scale is None or guidance is None else {scale: guidance}),
            # Its effect would depend on which packages are installed.
            **({"clean_caption": False} if "clean_caption" in parameters else {}),
        }
        self.identity: dict[str, Any] = {
            "type": "diffusion",
            "pipeline": type(pipeline).__name__,
            **facts,
            "size": self.size,
            "steps": steps,
            "guidance": None if guidance is None else float(guidance),
            "negative_prompt": self._takes_negative,
            "scheduler": _scheduler_facts(pipeline),
            "generator": "cpu",
            "libraries": {name: version(name).partition("+")[0] for name in _LIBRARIES},
        }
        pipeline.set_progress_bar_config(disable=True)

    def check(self, spec: EntitySpec) -> None:
        """Whatever has a prompt can be asked for."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """One RGB picture a sample. A batch that does not fit into memory is halved, for good, with a warning.

        Raises InputError if not even one picture fits, or the pipeline refuses the request; ClayEvalError for a picture
        that came out as NaN, in another size, or blacked out by the pipeline's safety checker (NothingShownError).
        """
        images: list[Image.Image] = []
        while len(images) < len(samples):
            batch = samples[len(images) :][: self._most]
            made = self._try(batch)
            if made is not None:
                images += made
                continue
            # A call that was cut short leaves the offloaded model that was at work on the device.
            self.pipeline.maybe_free_model_hooks()
            free_memory()
            if len(batch) == 1:
                raise InputError(
                    "the device has too little memory for one picture",
                    where=batch[0].key,
                    found=f"{self.size} x {self.size} pixels in {self.identity.get('dtype')}",
                    hint="--offload model (or sequential), --dtype bf16, a smaller --size, or a smaller model",
                )
            self._most = len(batch) // 2
            log.warning(
                "out of memory with %d pictures at once; going on with %d (try --batch-size %d)",
                len(batch),
                self._most,
                self._most,
            )
        return images

    def _try(self, batch: Sequence[SampleSpec]) -> list[Image.Image] | None:
        """The batch's pictures, or None if memory did not suffice."""
        try:
            return self._call(batch)
        except RuntimeError as error:
            if is_out_of_memory(error):
                return None
            raise

    def arguments(self, batch: Sequence[SampleSpec]) -> dict[str, Any]:
        """What `pipeline` is called with for a batch."""
        import torch

        negative = {"negative_prompt": [s.negative_prompt for s in batch]} if self._takes_negative else {}
        return {
            **self._arguments,
            **negative,
            "prompt": [s.prompt for s in batch],
            "generator": [torch.Generator("cpu").manual_seed(s.seed) for s in batch],
        }

    def _call(self, batch: Sequence[SampleSpec]) -> list[Image.Image]:
        keys = f"{batch[0].key} to {batch[-1].key}" if len(batch) > 1 else batch[0].key
        with in_turn(self._device), library_warnings() as said, warnings.catch_warnings():
            warnings.filterwarnings("error", "invalid value encountered in cast", RuntimeWarning)
            try:
                output = self.pipeline(**self.arguments(batch))
            except RuntimeWarning as error:
                raise ClayEvalError(
                    "the pipeline computed NaN instead of a picture",
                    where=keys,
                    found=f"dtype {self.identity.get('dtype')}",
                    hint="another --dtype: bf16 or fp32",
                ) from error
            except InputError:
                raise
            except ValueError as error:
                raise InputError(
                    "the pipeline refuses this request",
                    where=keys,
                    found=str(error),
                    hint="--size, --steps or --guidance may not be what it can do",
                ) from error
        self._pass_on(said)
        return self._checked(batch, output)

    def _pass_on(self, said: Sequence[logging.LogRecord]) -> None:
        """Show each warning of the libraries once (that a prompt was cut, say), not once a batch."""
        for record in said:
            place = (record.pathname, record.lineno)
            if place not in self._said:
                self._said.add(place)
                log.warning("%s (said once): %s", record.name.partition(".")[0], record.getMessage().strip())

    def _checked(self, batch: Sequence[SampleSpec], output: Any) -> list[Image.Image]:
        flagged = getattr(output, "nsfw_content_detected", None) or []
        for sample, bad in zip(batch, flagged, strict=False):
            if bad:
                raise NothingShownError(
                    "the pipeline's safety checker blacked out this picture",
                    where=sample.key,
                    found=sample.prompt,
                    hint="change the prompt or the seed, or choose a model without a safety checker",
                )
        images = [image.convert("RGB") for image in output.images]
        for sample, image in zip(batch, images, strict=False):
            if image.size != (self.size, self.size):
                raise InputError(
                    "the pipeline makes pictures of another size",
                    where=sample.key,
                    expected=f"{self.size} x {self.size}",
                    found=f"{image.width} x {image.height}",
                    hint="use a --size that it can make",
                )
        return images


def _guidance_parameter(parameters: Mapping[str, inspect.Parameter]) -> str | None:
    """The name under which a pipeline takes its guidance; `true_cfg_scale` where that is what guides it by default."""
    true = parameters.get("true_cfg_scale")
    if true is not None and isinstance(true.default, int | float) and true.default > 1:
        return "true_cfg_scale"
    return "guidance_scale" if "guidance_scale" in parameters else None


def _is_guided(
    parameters: Mapping[str, inspect.Parameter], scale: str | None, guidance: float | None
) -> bool:
    """Whether a negative prompt has any effect: classifier-free guidance, with a scale above 1."""
    if scale != "true_cfg_scale" and "true_cfg_scale" in parameters:
        return False  # guidance_scale is an input of a distilled model here
    return guidance is not None and guidance > 1


def _native_size(pipeline: Any) -> int:
    """Width in pixels of the pictures that the pipeline was trained on; InputError where it does not say."""
    factor = getattr(pipeline, "vae_scale_factor", None)
    sample = getattr(pipeline, "default_sample_size", None)
    for name in ("transformer", "unet"):
        config = getattr(getattr(pipeline, name, None), "config", None)
        sample = sample or getattr(config, "sample_size", None)
    if not isinstance(sample, int) or not isinstance(factor, int):
        raise InputError(
            "this pipeline does not say which size it makes", where="--size", hint="say which size you want"
        )
    return sample * factor


def _scheduler_facts(pipeline: Any) -> dict[str, str] | None:
    scheduler = getattr(pipeline, "scheduler", None)
    if scheduler is None:
        return None
    config = {k: repr(v) for k, v in dict(scheduler.config).items() if not k.startswith("_")}
    return {"class": type(scheduler).__name__, "config": fingerprint(config)}


def check_offload(offload: str, device: str) -> None:
    """Raise InputError for a way to offload that this device, or what is installed, does not allow."""
    if offload == "none":
        return
    if device == "cpu":
        raise InputError(
            "offloading moves models off a GPU, and there is none in use",
            where="--offload",
            expected="none",
            found=offload,
        )
    if not has_accelerate():
        raise InputError(
            "offloading needs a package that is not installed",
            where="--offload",
            hint="pip install accelerate",
        )


def place(pipeline: Any, device: str, options: DiffusionOptions) -> None:
    """Put a pipeline on its device, offloaded and compiled as `options` say; InputError where it does not fit."""
    try:
        if options.offload == "model":
            pipeline.enable_model_cpu_offload(device=device)
        elif options.offload == "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        else:
            pipeline.to(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            "the device has too little memory for this pipeline",
            where="--device",
            found=device,
            hint="--offload model (or sequential), --dtype bf16, or a smaller model",
        ) from error
    if options.compile:
        for name in ("transformer", "unet"):
            if (denoiser := getattr(pipeline, name, None)) is not None:
                denoiser.compile()
