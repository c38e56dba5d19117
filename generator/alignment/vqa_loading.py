"""From a folder or a Hub name to a vision-language model of transformers; what is refused before weights are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clay_eval.evaluator.encoders import choose_device
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256, fingerprint

CONFIG = "config.json"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TEXT_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_OTHER_WEIGHTS = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".gguf"})
_LOADING_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)
_LIBRARIES = ("transformers", "torch")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class VisionLanguageModel:
    """A loaded model with its processor; `facts` says what it is: name, revision, digests, dtype."""

    model: Any
    processor: Any
    device: str
    facts: Mapping[str, Any]


def load_model(name: str, device: str = "auto") -> VisionLanguageModel:
    """Load an image-text-to-text model by folder or Hub name: safetensors only, and no code that comes with it.

    Weights are bfloat16 on CUDA, float32 elsewhere. Raises InputError for what cannot be found, trusted or loaded,
    IntegrityError for damaged weights.
    """
    import torch
    import transformers

    # Their annotations do not say what these return.
    processors: Any = transformers.AutoProcessor
    models: Any = transformers.AutoModelForImageTextToText
    device = choose_device(device)
    dtype = "bfloat16" if device.startswith("cuda") else "float32"
    folder, revision = _find(name)
    _check_folder(folder)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with _loading_errors(folder), _quiet():
        processor = processors.from_pretrained(str(folder), **options)
        model, report = models.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise InputError(
            "this model reads no pictures together with texts",
            where=folder,
            expected="a processor for images and texts",
            found=type(processor).__name__,
        )
    for fault in ("missing_keys", "mismatched_keys"):
        if report.get(fault):
            raise InputError(
                "weights are missing or do not fit; the library would go on with random numbers",
                where=folder,
                found=", ".join(sorted(map(str, report[fault]))[:3]),
                hint="fetch the whole model again",
            )
    facts = {
        "model": name if revision else folder.resolve().name,
        "revision": revision,
        "class": type(model).__name__,
        **_digests(folder),
        "dtype": dtype,
        "libraries": {package: version(package).partition("+")[0] for package in _LIBRARIES},
    }
    try:
        model = model.eval().requires_grad_(False).to(device)
    except torch.OutOfMemoryError as error:
        raise InputError(
            "the device has too little memory for this model",
            where="--device",
            found=device,
            hint="--device cpu, or a smaller model",
        ) from error
    return VisionLanguageModel(model, processor, device, facts)


def _find(name: str) -> tuple[Path, str | None]:
    """The folder of a model and, for one of the Hub, its commit."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, None
    if not _HUB_NAME.fullmatch(name):
        raise InputError(
            "there is no such model",
            where=f"--vqa {name}",
            expected=f"a folder with {CONFIG}, or a Hub name such as Qwen/Qwen2-VL-2B-Instruct",
        )
    fetched = _fetch(name)
    return fetched, fetched.name


def _fetch(name: str) -> Path:
    import huggingface_hub
    from huggingface_hub import errors

    # The class of network faults depends on the HTTP client that this huggingface_hub uses.
    network: type[Exception] = getattr(errors, "HTTPError", OSError)
    try:
        with _quiet():
            patterns = [*_TEXT_FILES, "*.safetensors"]
            return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError, ValueError, network) as error:
        raise InputError(
            "this model could not be fetched, and is no folder",
            where=f"--vqa {name}",
            found=_first_line(error.__cause__ or error),
            hint=f"on a machine with network: hf download {name} --local-dir FOLDER; then --vqa FOLDER",
        ) from error


def _check_folder(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    if not (folder / CONFIG).is_file():
        raise InputError(
            "this folder is not a model of transformers", where=folder, expected=f"a file {CONFIG} in it"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        other = sorted(p.name for p in folder.iterdir() if p.suffix in _OTHER_WEIGHTS)
        raise InputError(
            "weights in a format that is not read, since reading it may run code"
            if other
            else "this model has no weights",
            where=folder,
            expected="safetensors",
            found=", ".join(other[:3]) or None,
            hint="take a revision with safetensors, or convert it: save_pretrained(folder)",
        )
    for path in weights:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                "weights are damaged or cut short",
                where=path,
                found=_first_line(error),
                hint="fetch the file again",
            ) from error


def _digests(folder: Path) -> dict[str, str]:
    """sha256 over names and bytes of the weights, and over the texts that configure model and processor."""
    weights = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        weights.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                weights.update(block)
    rest = {path.name: file_sha256(path) for pattern in _TEXT_FILES for path in folder.glob(pattern)}
    return {"weights_sha256": weights.hexdigest(), "configuration_sha256": fingerprint(rest)}


@contextmanager
def _loading_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except ClayEvalError:
        raise
    except ImportError as error:
        raise InputError(
            "this model needs a package that is not installed", where=folder, found=_first_line(error)
        ) from error
    except _LOADING_FAULTS as error:
        raise InputError(
            "this model cannot be loaded",
            where=folder,
            expected="a model that answers questions about pictures (image-text-to-text), without code of its own",
            found=f"{type(error).__name__}: {_first_line(error)}",
            hint="its files may not belong together, or transformers may be too old for it",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no remarks while loading (what matters is checked); as it was afterwards."""
    import transformers

    logging: Any = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
