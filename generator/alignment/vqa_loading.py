"""From a folder or a Hub name to a vision-language model of transformers that answers questions about pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from clay_eval.evaluator.embedding.encoders.devices import choose_device
from clay_eval.evaluator.embedding.encoders.transformers_loading import (
    check_folder,
    digests,
    find_folder,
    load_weights,
    read_part,
    to_device,
)
from clay_eval.schemas.errors import InputError

_LIBRARIES = ("transformers", "torch")
_DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


@dataclass(frozen=True)
class VisionLanguageModel:
    """A loaded model with its processor; `facts` says what it is: name, revision, digests, dtype."""

    model: Any
    processor: Any
    device: str
    facts: Mapping[str, Any]


def load_model(name: str, device: str = "auto") -> VisionLanguageModel:
    """Load an image-text-to-text model by folder or Hub name (`org/name[@revision]`): safetensors only, and no code that
    comes with it.

    Weights are bfloat16 on CUDA, float32 elsewhere. Raises InputError for what cannot be found, trusted or loaded,
    IntegrityError for damaged weights.
    """
    import transformers

    # Their annotations do not say what these return.
    parts: Any = transformers
    precision = "bf16" if choose_device(device).startswith("cuda") else "fp32"
    found = find_folder(name, f"--vqa {name}")
    check_folder(found.path)
    processor = read_part(parts.AutoProcessor, found.path, "processor")
    model = load_weights(parts.AutoModelForImageTextToText, found.path, precision)
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise InputError(
            "this model reads no pictures together with texts",
            where=found.path,
            expected="a processor for images and texts",
            found=type(processor).__name__,
        )
    facts = {
        "model": found.name,
        "revision": found.revision,
        "class": type(model).__name__,
        **digests(found.path),
        "dtype": _DTYPES[precision],
        "libraries": {package: version(package).partition("+")[0] for package in _LIBRARIES},
    }
    model, chosen = to_device(model, device)
    return VisionLanguageModel(model, processor, chosen, facts)
