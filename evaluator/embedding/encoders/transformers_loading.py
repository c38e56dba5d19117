"""From a folder or a Hub name to a model folder of transformers; what is refused before and after weights are read.

Weights are safetensors, and code that comes with a model is never run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.model_folders import (
    DTYPES,
    ModelFolder,
    check_whole,
    files_digests,
    first_line,
    hub_faults,
    local_folder,
    not_fetched,
    other_weights,
)
from clay_eval.schemas.proxies import proxy_fault
from clay_eval.schemas.reading import check_regular_below

from .devices import choose_device, is_out_of_memory

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG = "config.json"
TEXT_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_EXPECTED = f"a folder with {CONFIG}, or ORG/NAME[@REVISION] of the Hugging Face Hub"
_LOADING_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError)


def split_revision(name: str) -> tuple[str, str | None]:
    """("org/name", "revision") of "org/name@revision"; a folder whose name holds an @ stays whole."""
    if Path(name).expanduser().is_dir() or "@" not in name:
        return name, None
    base, _, revision = name.rpartition("@")
    return base, revision


def find_folder(name: str, where: str) -> ModelFolder:
    """The folder that `name`, a folder or `org/name[@revision]`, stands for; fetched from the Hub where it must be.

    where: the option that an error names. Raises InputError if there is no such model, or it cannot be fetched.
    """
    base, revision = split_revision(name)
    if (found := local_folder(base, where, _EXPECTED)) is not None:
        return found
    if revision == "":
        raise InputError("there is no such model", where=where, expected=_EXPECTED, found=repr(name))
    fetched = _fetch(base, revision, where)
    return ModelFolder(fetched, base, fetched.name)


def check_folder(folder: Path) -> None:
    """Raise unless `folder` holds a config and whole safetensors weights: InputError, IntegrityError for damage."""
    check_regular_below(folder)
    if not (folder / CONFIG).is_file():
        raise InputError(
            "this folder is not a model of transformers", where=folder, expected=f"a file {CONFIG} in it"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise other_weights(folder) or InputError(
            "this model has no weights",
            where=folder,
            expected="safetensors",
            hint="take a revision with safetensors, or convert it: save_pretrained(folder)",
        )
    check_whole(weights)


def load_weights(kind: Any, folder: Path, precision: str, unused: tuple[str, ...] = ()) -> Any:
    """`kind.from_pretrained(folder)` from safetensors, in evaluation mode on the CPU.

    unused: beginnings or ends of names of weights that may be missing, since they are not run. Raises InputError for weights
    that are missing or do not fit; the library would go on with random numbers.
    """
    import torch

    with loading_errors(folder), quiet():
        model, report = kind.from_pretrained(
            str(folder),
            use_safetensors=True,
            output_loading_info=True,
            local_files_only=True,
            trust_remote_code=False,
            **{_dtype_option(): getattr(torch, DTYPES[precision])},
        )
    for fault in ("missing_keys", "mismatched_keys", "error_msgs"):
        names = sorted(n for n in map(str, report.get(fault) or ()) if not n.endswith(unused or ("\0",)))
        if names:
            raise InputError(
                "weights are missing or do not fit; the library would go on with random numbers",
                where=folder,
                found=", ".join(names[:3]),
                hint="fetch the whole model again",
            )
    return model.eval().requires_grad_(False)


def read_part(kind: Any, folder: Path, what: str, **options: Any) -> Any:
    """`kind.from_pretrained(folder)` for a tokenizer, processor or config. what: how an error calls it."""
    with loading_errors(folder, what), quiet():
        return kind.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)


def _dtype_option() -> str:
    """How `from_pretrained` calls the number format: `torch_dtype` up to transformers 4.55."""
    major, minor = map(int, version("transformers").split(".")[:2])
    return "dtype" if (major, minor) >= (4, 56) else "torch_dtype"


def generation() -> str:
    """The major version of transformers: its image processors resize otherwise in each."""
    return version("transformers").partition(".")[0]


def readable(image: Image) -> Image:
    """`image`, doubled where a side has 1 or 3 pixels: image processors would take that side for the colour channels."""
    from PIL import Image as ImageModule

    if not {1, 3}.intersection(image.size):
        return image
    return image.resize((2 * image.width, 2 * image.height), ImageModule.Resampling.NEAREST)


def to_device(model: Any, device: str) -> tuple[Any, str]:
    """`model` on the device that `device` means, and its name; InputError where it does not fit into memory."""
    chosen = choose_device(device)
    try:
        return model.to(chosen), chosen
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            "the device has too little memory for this model",
            where="--device",
            found=chosen,
            hint="--device cpu, or a smaller model",
        ) from error


def fewest_logits(model: Any) -> dict[str, int]:
    """What keeps a language model from scoring words at every token, where it can be told so."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def model_files(folder: Path) -> tuple[Path, ...]:
    """The files that a model is read from: its weights, and what configures model, tokenizers and processor."""
    places = [*TEXT_FILES, *(f"*/{pattern}" for pattern in TEXT_FILES), "*.safetensors"]
    return tuple(sorted({path for place in places for path in folder.glob(place) if path.is_file()}))


def digests(folder: Path) -> dict[str, str]:
    """sha256 over names and bytes of the weights, and over the texts that configure model, tokenizers and processor.

    Files of the same size and time are not read twice in one process.
    """
    stats = [(path, path.stat()) for path in model_files(folder)]
    return dict(_digests(folder, tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)))


@cache
def _digests(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> tuple[tuple[str, str], ...]:
    paths = [path for path, _, _ in files]
    weights = [path for path in paths if path.suffix == ".safetensors"]
    return tuple(files_digests(folder, weights, [path for path in paths if path not in weights]).items())


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that is JSON and says nothing of paths or versions."""
    volatile = {
        "_name_or_path",
        "name_or_path",
        "transformers_version",
        "dtype",
        "torch_dtype",
        "architectures",
    }
    return {k: _plain(v) for k, v in record.items() if isinstance(k, str) and k not in volatile}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _fetch(name: str, revision: str | None, where: str) -> Path:
    import huggingface_hub

    patterns = [*TEXT_FILES, *(f"*/{pattern}" for pattern in TEXT_FILES), "*.safetensors"]
    faults: tuple[type[Exception], ...] = (*hub_faults(), ValueError, ImportError)
    try:
        with quiet():
            return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=patterns))
    except faults as error:
        if isinstance(error, (ValueError, ImportError)) and (fault := proxy_fault()):
            raise fault from error
        raise not_fetched(error, where, name, revision) from error


@contextmanager
def loading_errors(folder: Path, what: str = "model") -> Iterator[None]:
    """Turn what transformers raises for a folder it cannot load into an InputError."""
    from safetensors import SafetensorError

    try:
        yield
    except ClayEvalError:
        raise
    except ImportError as error:
        raise InputError(
            "this model needs a package that is not installed", where=folder, found=first_line(error)
        ) from error
    except (*_LOADING_FAULTS, SafetensorError) as error:
        raise InputError(
            f"the {what} in this folder cannot be loaded",
            where=folder,
            expected="files that belong together and need no code of their own",
            found=f"{type(error).__name__}: {first_line(error)}",
            hint="fetch the whole model again; or transformers may be too old for it",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
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
