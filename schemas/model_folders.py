"""Folders of models, of whichever library: where a name leads, that weights can be read safely, and what they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, IntegrityError
from .fingerprint import file_sha256, fingerprint
from .reading import open_regular, refuse_missing

DTYPES: Mapping[str, str] = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_OTHER_WEIGHTS = frozenset(
    {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".msgpack", ".h5", ".onnx", ".pb", ".npz", ".gguf"}
)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ModelFolder:
    """Where a model lies, and what is recorded of it: its name without paths, and its commit if it is from the Hub."""

    path: Path
    name: str
    revision: str | None = None


def local_folder(name: str, where: str, expected: str) -> ModelFolder | None:
    """The folder that `name` is; None for a name of the Hub. Raises InputError for what is neither."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return ModelFolder(folder, folder.resolve().name)
    refuse_missing(name, where, expected)
    if not _HUB_NAME.fullmatch(name):
        raise InputError("there is no such model", where=where, expected=expected, found=repr(name))
    return None


def hub_faults() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises where a model cannot be fetched; network faults are of its HTTP client's class."""
    from huggingface_hub import errors

    return errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError, getattr(errors, "HTTPError", OSError)


def not_fetched(error: Exception, where: str, name: str, revision: str | None) -> InputError:
    """The error for one of `hub_faults`."""
    asked = f"{name} --revision {revision}" if revision else name
    return InputError(
        "this model could not be fetched, and is no folder",
        where=where,
        found=first_line(error.__cause__ or error),
        hint=f"on a machine with network: hf download {asked} --local-dir FOLDER; then name FOLDER instead",
    )


def other_weights(folder: Path) -> InputError | None:
    """The error for a folder with weights of which none are safetensors."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    other = [name for name in names if Path(name).suffix in _OTHER_WEIGHTS]
    if not other or any(name.endswith(".safetensors") for name in names):
        return None
    return InputError(
        "weights in a format that is not read, since reading it may run code",
        where=folder,
        expected="safetensors",
        found=", ".join(other[:3]),
        hint="take a revision with safetensors, or convert it: save_pretrained(folder, safe_serialization=True)",
    )


def check_whole(weights: Iterable[Path]) -> None:
    """Raise IntegrityError for safetensors that are cut or damaged."""
    from safetensors import SafetensorError, safe_open

    for path in weights:
        try:
            with safe_open(path, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise IntegrityError(
                "weights are damaged or cut short",
                where=path,
                found=first_line(error),
                hint="fetch the file again",
            ) from error


def files_digests(folder: Path, weights: Iterable[Path], texts: Iterable[Path]) -> dict[str, str]:
    """sha256 over names, sizes and bytes of the weights, in their order, and over the texts that configure a model."""
    digest = hashlib.sha256()
    for path in weights:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with open_regular(path) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    rest = {path.relative_to(folder).as_posix(): file_sha256(path) for path in texts}
    return {"weights_sha256": digest.hexdigest(), "configuration_sha256": fingerprint(rest)}


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
