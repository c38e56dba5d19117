"""Image and text encoders: a small protocol, and any open_clip model behind it.

A user names an encoder in one of these ways:

| name | what it is |
|---|---|
| `embedded` | the demonstration model that comes with the package |
| `ViT-B-32:laion2b_s34b_b79k` | an open_clip model and one of its pretrained tags (fetched once) |
| `ViT-B-32:weights/model.safetensors` | an open_clip model and weights in a file |
| `folder/` or `local-dir:folder` | a folder with open_clip_config.json and open_clip_model.safetensors |
| `hf-hub:org/repository` | an open_clip repository of the Hugging Face Hub |

>>> encoder = load_encoder("ViT-B-32:laion2b_s34b_b79k", device="cuda")            # doctest: +SKIP
>>> encoder.encode_texts(["a photo of a red shoe"]).shape                          # doctest: +SKIP
(1, 512)
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint

from .encoder_names import EncoderName, parse_name, resolve_tag

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps")
_THREADS = min(8, os.cpu_count() or 1)
_Item = TypeVar("_Item")


@runtime_checkable
class Encoder(Protocol):
    """Maps pictures and texts into one space.

    `identity` is JSON and changes whenever the features could change by more than rounding: it keys the feature store.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the features depend on."""
        ...

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        ...

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts."""
        ...


class OpenClipEncoder:
    """An open_clip model in evaluation mode; made by `load_encoder`.

    A row depends on its own picture or text only: batch mates and batch size move it by float rounding at most.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        preprocess: Callable[[Image], torch.Tensor],
        tokenizer: Callable[..., torch.Tensor],
        identity: dict[str, Any],
        device: str,
        batch_size: int,
    ) -> None:
        self.identity: Mapping[str, Any] = identity
        self.device = device
        self.batch_size = batch_size
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        return int(self.identity["dimension"])

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        import open_clip
        import torch

        dtype = open_clip.get_input_dtype(self.identity["precision"]) or torch.float32
        with ThreadPoolExecutor(_THREADS) as threads:

            def encode(batch: Sequence[Image]) -> torch.Tensor:
                pixels = torch.stack(list(threads.map(self._preprocess, batch)))
                return self._call("encode_image", pixels.to(self.device, dtype))

            return self._rows(encode, images)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts; a warning names the first text that is longer than the model reads."""
        self._warn_if_cut(texts)
        return self._rows(
            lambda batch: self._call("encode_text", self._tokenizer(list(batch)).to(self.device)), texts
        )

    def _call(self, method: str, batch: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = getattr(self._model, method)(batch)
        return features

    def _rows(
        self, encode: Callable[[Sequence[_Item]], torch.Tensor], items: Sequence[_Item]
    ) -> NDArray[np.float32]:
        import torch

        rows = [np.empty((0, self.dimension), dtype=np.float32)]
        with torch.inference_mode(), _exact_convolutions(self.device, self.identity["precision"]):
            for start in range(0, len(items), self.batch_size):
                with _memory_errors(self.batch_size):
                    features = encode(items[start : start + self.batch_size])
                rows.append(features.to("cpu", torch.float32).numpy())
        return normalise_rows(np.concatenate(rows))

    def _warn_if_cut(self, texts: Sequence[str]) -> None:
        length = self.identity["tokenizer"]["context_length"]
        padding = self._tokenizer([""], context_length=2 * length)[0, -1]
        for start in range(0, len(texts), self.batch_size):
            batch = list(texts[start : start + self.batch_size])
            over = (self._tokenizer(batch, context_length=2 * length)[:, length:] != padding).any(dim=1)
            if bool(over.any()):
                log.warning(
                    "%d of %d texts are longer than the %d tokens the encoder reads, and are cut; the first: %r",
                    int(over.sum()),
                    len(batch),
                    length,
                    batch[int(over.int().argmax())],
                )
                return


def normalise_rows(features: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(n, d) rows divided by their Euclidean norm, as float32; a zero row becomes NaN, and NaN stays."""
    wide = features.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        unit: NDArray[np.float32] = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _exact_convolutions(device: str, precision: str) -> AbstractContextManager[None]:
    """On NVIDIA cards cuDNN rounds float32 convolutions to TF32 by default; precision "fp32" means float32."""
    import torch

    if not device.startswith("cuda") or precision != "fp32":
        return nullcontext()
    exact: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return exact


@contextmanager
def _memory_errors(batch_size: int) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InputError(
            "the device has too little memory for one batch",
            found=f"batches of {batch_size}",
            hint="use a smaller --batch-size, or --device cpu",
        ) from error


def choose_device(device: str = "auto") -> str:
    """The torch device for "auto", "cpu", "cuda", "cuda:1" or "mps"; one that is not there raises InputError."""
    import torch

    kind = device.partition(":")[0]
    if kind not in DEVICES:
        raise InputError("unknown device", where="--device", expected=f"one of {DEVICES}", found=device)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if kind == "auto":
        return next(name for name, available in there.items() if available)
    if not there[kind]:
        present = [name for name, available in there.items() if available]
        raise InputError(
            f"this machine has no {kind} device that torch can use",
            where="--device",
            expected=f"auto, or one of {present}",
            found=device,
        )
    return device


def load_encoder(
    name: str, device: str = "auto", precision: str = "fp32", batch_size: int = 64
) -> OpenClipEncoder:
    """Load an encoder by any of the names above.

    Raises InputError for an unknown model or tag, weights that are not safetensors or do not fit, a device that is not
    there, or weights that cannot be fetched; IntegrityError for damaged weights.
    """
    import open_clip

    if precision not in PRECISIONS:
        raise InputError(
            "unknown precision", where="--precision", expected=f"one of {PRECISIONS}", found=precision
        )
    if batch_size < 1:
        raise InputError(
            "a batch holds at least one item", where="--batch-size", expected=">= 1", found=batch_size
        )
    chosen = resolve_tag(parse_name(name))
    device = choose_device(device)
    with _loading_errors(chosen):
        model, preprocess = open_clip.create_model_from_pretrained(
            chosen.model,
            chosen.weights,
            precision=precision,
            device=device,
            **_preprocessing_of_tags(chosen),
        )
        config = open_clip.get_model_config(chosen.model)
        tokenizer = open_clip.get_tokenizer(chosen.model)
    model.eval().requires_grad_(False)
    identity = {
        "library": "open_clip",
        "name": chosen.display,
        "pretrained": chosen.pretrained,
        "demonstration": chosen.demonstration,
        "architecture": fingerprint(config),
        "weights_sha256": weights_sha256(model.state_dict()),
        "dimension": int(config["embed_dim"]),
        "preprocessing": _preprocessing(model.visual.preprocess_cfg),
        "precision": precision,
        "tokenizer": {
            "type": type(tokenizer).__name__,
            "context_length": int(tokenizer.context_length),
        },
    }
    return OpenClipEncoder(model, preprocess, tokenizer, identity, device, batch_size)


def weights_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Hexadecimal sha256 over the names, dtypes, shapes and bytes of a state dict, in order of the names."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def slug(identity: Mapping[str, Any]) -> str:
    """A folder name for an encoder: readable, safe on any file system, and different for different identities."""
    parts = [str(identity.get(key) or "") for key in ("name", "pretrained", "precision")]
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(filter(None, parts))).strip("-.")[:80]
    return f"{readable or 'encoder'}-{fingerprint(dict(identity))[:12]}"


def _preprocessing(config: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")
    return {key: list(config[key]) if isinstance(config[key], (tuple, list)) else config[key] for key in keys}


def _preprocessing_of_tags(name: EncoderName) -> dict[str, Any]:
    """For weights in a file: how pictures are prepared for every pretrained tag of that model, if all tags agree.

    open_clip itself would take OpenAI's mean and deviation, which are wrong for SigLIP and others.
    """
    import open_clip

    if name.kind != "file":
        return {}
    keys = ("mean", "std", "interpolation", "resize_mode")
    tags = open_clip.list_pretrained_tags_by_model(name.model)
    found = [
        {key: value for key, value in open_clip.get_pretrained_cfg(name.model, tag).items() if key in keys}
        for tag in tags
    ]
    if found and any(other != found[0] for other in found):
        log.warning("pretrained tags of %s prepare pictures in different ways; using OpenAI's", name.model)
        return {}
    return {f"image_{key}": value for key, value in found[0].items()} if found else {}


@contextmanager
def _loading_errors(name: EncoderName) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise IntegrityError(
            "the encoder's weights are damaged", where=name.display, found=error, hint="get them again"
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, OSError, ImportError) as error:
        text = str(error)
        if "loading state_dict" in text:
            raise InputError(
                "the weights do not fit the model",
                where=f"{name.display}, weights: {name.pretrained}",
                found=text[:400],
                hint="name the model these weights were trained as",
            ) from error
        if name.kind in ("tag", "hub"):
            raise InputError(
                "cannot fetch or load the encoder",
                where=f"{name.display}, weights: {name.pretrained}",
                found=text[:400],
                hint=_fetch_hint(name),
            ) from error
        raise InputError(
            "open_clip cannot load this encoder", where=name.display, found=text[:400]
        ) from error


def _fetch_hint(name: EncoderName) -> str:
    import open_clip

    if name.kind == "hub":
        return (
            f"download the repository {name.model.removeprefix('hf-hub:')} of the Hugging Face Hub where there is a "
            "network, and name the folder instead; or use --encoder embedded"
        )
    config = open_clip.get_pretrained_cfg(name.model, name.pretrained)
    source = (
        f"huggingface.co/{config['hf_hub'].rstrip('/')}"
        if config.get("hf_hub")
        else config.get("url", "the weights")
    )
    return (
        f"download the .safetensors file of {source} where there is a network, and use "
        f"--encoder {name.model}:FILE; or use --encoder embedded"
    )
