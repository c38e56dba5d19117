"""Encoders of open_clip: any of its models, by name and tag, from a file or a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint

from .devices import choose_device
from .names import EncoderName, resolve_tag
from .rows import Batches, encode_rows, learnt_scale, warn_of_cut_texts, weights_sha256

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

_THREADS = min(8, os.cpu_count() or 1)


class OpenClipEncoder:
    """An open_clip model in evaluation mode; made by `load_open_clip`.

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
        self._batches = Batches(batch_size)
        self.logit_scale = learnt_scale(model)
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer

    @property
    def dimension(self) -> int:
        """Number of columns of the features."""
        return int(self.identity["dimension"])

    def encode_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n RGB pictures."""
        return self.encode_prepared(self.prepare(images))

    def prepare(self, images: Sequence[Image]) -> list[torch.Tensor]:
        """Pixels (3, side, side) of every picture."""
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(self._preprocess, images))

    def encode_prepared(self, prepared: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n pictures' pixels."""
        import open_clip
        import torch

        dtype = open_clip.get_input_dtype(self.identity["precision"]) or torch.float32
        return encode_rows(
            lambda batch: self._call("encode_image", torch.stack(list(batch)).to(self.device, dtype)),
            prepared,
            **self._options(),
        )

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for n texts; a warning names the first text that is longer than the model reads."""
        self._warn_if_cut(texts)
        return encode_rows(
            lambda batch: self._call("encode_text", self._tokenizer(list(batch)).to(self.device)),
            texts,
            **self._options(),
        )

    def _options(self) -> dict[str, Any]:
        return {
            "dimension": self.dimension,
            "batches": self._batches,
            "device": self.device,
            "precision": self.identity["precision"],
        }

    def _call(self, method: str, batch: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = getattr(self._model, method)(batch)
        return features

    def _warn_if_cut(self, texts: Sequence[str]) -> None:
        length = self.identity["tokenizer"]["context_length"]
        padding = self._tokenizer([""], context_length=2 * length)[0, -1]
        over: list[bool] = []
        for start in range(0, len(texts), self.batch_size):
            batch = list(texts[start : start + self.batch_size])
            longer = self._tokenizer(batch, context_length=2 * length)[:, length:] != padding
            over += longer.any(dim=1).tolist()
        warn_of_cut_texts(texts, over, length)


def load_open_clip(name: EncoderName, device: str, precision: str, batch_size: int) -> OpenClipEncoder:
    """Load what `name` means; raises as `load_encoder` does."""
    import open_clip

    chosen = resolve_tag(name)
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
            from clay_eval.schemas.proxies import proxy_fault

            if isinstance(error, (ValueError, ImportError)) and (fault := proxy_fault()):
                raise fault from error
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
