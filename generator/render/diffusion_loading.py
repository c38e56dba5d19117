"""From a folder or a Hub name to a loaded diffusers pipeline: what is refused before a single weight is read, and why."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
from clay_eval.schemas.validate import parse_json, read_text

from .fetch_hints import fetch_hint

INDEX = "model_index.json"

_CONFIGURATION = frozenset({".json", ".txt", ".model", ".jinja", ".py"})
_VOCABULARIES = frozenset({"tokenizer.json", "vocab.json", "vocab.txt"})
_LIBRARIES = frozenset({"diffusers", "transformers"})
_NEEDED = ("prompt", "height", "width", "num_inference_steps", "generator")
_MOVING_OR_SOUNDING = frozenset(
    {"num_frames", "video_length", "audio_length_in_s", "audio_end_in_s", "frames"}
)
_LOADING_FAULTS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)
_MADE_UP = re.compile("newly initialized|were not initialized|MISSING")


def find_pipeline(model: str, revision: str | None = None, trust_remote_code: bool = False) -> ModelFolder:
    """A folder as it is; otherwise a repository of the Hub, fetched into its cache (safetensors only).

    Raises InputError for a name that is neither, a repository or revision that is not there or not open, and where there
    is no network and the cache does not hold it.
    """
    expected = f"a folder with {INDEX}, or a Hub name such as black-forest-labs/FLUX.1-schnell"
    if (found := local_folder(model, f"--model {model}", expected)) is not None:
        if revision is not None:
            raise InputError("a folder has no revisions", where="--revision", found=revision)
        return found
    fetched = Path(_fetch(model, revision, trust_remote_code))
    return ModelFolder(fetched, model, fetched.name)


def _fetch(model: str, revision: str | None, trust_remote_code: bool) -> str:
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"--model {model}" + (f" --revision {revision}" if revision else "")
    try:
        with _quiet(), library_warnings():
            return str(
                DiffusionPipeline.download(
                    model, revision=revision, use_safetensors=True, trust_remote_code=trust_remote_code
                )
            )
    except GatedRepoError as error:
        raise InputError(
            "the Hub gives this model to people only who accepted its terms",
            where=where,
            hint="accept them on the model's page, then log in with: hf auth login",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise InputError(
            "neither a folder nor a model or revision of the Hub", where=where, found=first_line(error)
        ) from error
    except hub_faults() as error:
        raise not_fetched(error, where, model, revision) from error
    except (ValueError, AttributeError, ImportError) as error:
        if fault := proxy_fault():
            raise fault from error
        raise InputError(
            "this model cannot be loaded",
            where=where,
            found=first_line(error),
            hint=fetch_hint(error),
        ) from error


def check_folder(folder: Path, trust_remote_code: bool = False) -> dict[str, Any]:
    """The content of model_index.json, once the folder has nothing in it that would run or be unpickled.

    Raises InputError for a folder that is no pipeline, that needs code of its own (unless that is trusted), or that has
    weights in another format than safetensors; IntegrityError for weights that are cut or damaged.
    """
    check_regular_below(folder)
    try:
        index = parse_json(read_text(folder / INDEX), folder / INDEX)
    except InputError as error:
        raise InputError(
            "this folder is not a diffusers pipeline",
            where=folder / INDEX,
            expected="a pipeline saved with save_pretrained",
            found=first_line(error),
        ) from error
    if not isinstance(index, dict) or not index.get("_class_name"):
        raise InputError("this file names no pipeline class", where=folder / INDEX, expected="_class_name")
    if not trust_remote_code and (foreign := _foreign_code(index)):
        raise InputError(
            "this pipeline would run code that comes with it",
            where=folder / INDEX,
            expected="classes of diffusers and transformers",
            found=foreign,
            hint="read that code, then say --trust-remote-code",
        )
    _check_components(folder, index)
    for place in _places(folder, index):
        if (fault := other_weights(place)) is not None:
            raise fault
    _check_weights(folder, index)
    return index


def _foreign_code(index: Mapping[str, Any]) -> str | None:
    from diffusers import pipelines

    if not isinstance(index["_class_name"], str):
        return str(index["_class_name"])
    for name, entry in index.items():
        if name.startswith("_") or not isinstance(entry, list) or not entry or entry[0] is None:
            continue
        if entry[0] not in _LIBRARIES and not hasattr(pipelines, str(entry[0])):
            return f"{name}: {entry}"
    return None


def _components(index: Mapping[str, Any]) -> dict[str, str]:
    """Component -> class name, of those that the pipeline has."""
    return {
        name: str(entry[1])
        for name, entry in index.items()
        if not name.startswith("_") and isinstance(entry, list) and len(entry) == 2 and entry[0] is not None
    }


def _places(folder: Path, index: Mapping[str, Any]) -> list[Path]:
    """The folders that components are read from: their own, or the pipeline's where it is laid out flat."""
    return sorted({folder / name if (folder / name).is_dir() else folder for name in _components(index)})


def _check_components(folder: Path, index: Mapping[str, Any]) -> None:
    """Raise InputError for a component without files; the libraries would take default values for some."""
    flat = (folder / "config.json").is_file()
    for name, kind in _components(index).items():
        place = folder / name
        if not flat and not place.is_dir():
            raise InputError(
                f"this pipeline lacks its {name}", where=place, hint="fetch the whole model again"
            )
        inside = [p.name for p in (place if place.is_dir() else folder).iterdir()]
        if "Tokenizer" in kind and not any(
            n in _VOCABULARIES or n.endswith((".model", ".tiktoken")) for n in inside
        ):
            raise InputError(
                "a tokenizer has no vocabulary",
                where=place,
                expected=f"one of {', '.join(sorted(_VOCABULARIES))}, or a .model file",
                found=", ".join(sorted(inside)[:5]),
                hint="fetch the whole model again",
            )


def _check_weights(folder: Path, index: Mapping[str, Any]) -> None:
    files = [p for place in _places(folder, index) for p in place.glob("*.safetensors")]
    if not files:
        raise InputError("this pipeline has no weights", where=folder, expected="safetensors files")
    check_whole(files)


def folder_digests(folder: Path, index: Mapping[str, Any]) -> dict[str, str]:
    """sha256 over names and bytes of the components' weights, and over their configurations, in sorted order."""
    files = [p for place in _places(folder, index) for p in place.iterdir() if p.is_file()]
    files.sort(key=lambda path: path.relative_to(folder).as_posix())
    weights = [path for path in files if path.suffix == ".safetensors"]
    return files_digests(folder, weights, [p for p in [folder / INDEX, *files] if p.suffix in _CONFIGURATION])


def load_pipeline(folder: Path, index: Mapping[str, Any], dtype: str, trust_remote_code: bool = False) -> Any:
    """The pipeline of a folder that `check_folder` passed, on the CPU, in "fp32", "bf16" or "fp16".

    A folder of an image-to-image or inpainting pipeline is loaded as its family's text-to-image pipeline.
    Raises InputError for a pipeline that does not make pictures from texts, that this diffusers does not know, or whose
    weights do not fit its configuration.
    """
    import diffusers
    import torch

    name = index["_class_name"]
    if isinstance(name, str) and not hasattr(diffusers, name):
        raise InputError(
            f"diffusers {diffusers.__version__} has no pipeline {name}",
            where=folder / INDEX,
            hint="pip install --upgrade diffusers",
        )
    other_task = isinstance(name, str) and ("Img2Img" in name or "Inpaint" in name)
    loader: Any = diffusers.AutoPipelineForText2Image if other_task else diffusers.DiffusionPipeline
    with _loading_errors(folder), _quiet(), _all_weights_used(folder):
        pipeline = loader.from_pretrained(
            str(folder),
            torch_dtype=getattr(torch, DTYPES[dtype]),
            use_safetensors=True,
            low_cpu_mem_usage=has_accelerate(),
            local_files_only=True,
            **({"trust_remote_code": True} if trust_remote_code else {}),
        )
    check_task(pipeline, folder)
    return pipeline


def has_accelerate() -> bool:
    """Whether the package is installed that loads with less memory and offloads."""
    return find_spec("accelerate") is not None


def check_task(pipeline: Any, where: Path) -> None:
    """Raise InputError unless calling `pipeline` with texts alone gives pictures of a chosen size."""
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    parameters = inspect.signature(type(pipeline).__call__).parameters
    missing = [name for name in _NEEDED if name not in parameters]
    wanting = "image" in parameters and type(pipeline) not in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()
    if missing or wanting or not _MOVING_OR_SOUNDING.isdisjoint(parameters):
        raise InputError(
            "this is not a text-to-image pipeline",
            where=where,
            expected=f"a pipeline that is called with {', '.join(_NEEDED)} and makes pictures",
            found=type(pipeline).__name__,
        )


@contextmanager
def _loading_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except ClayEvalError:
        raise
    except ImportError as error:
        raise InputError(
            "this pipeline needs a package that is not installed", where=folder, found=first_line(error)
        ) from error
    except _LOADING_FAULTS as error:
        raise InputError(
            "this pipeline cannot be loaded",
            where=folder,
            found=f"{type(error).__name__}: {first_line(error)}",
            hint="its files may not belong together, or diffusers and transformers may be too old for it",
        ) from error


class _Kept(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def library_warnings() -> Iterator[list[logging.LogRecord]]:
    """Collect what diffusers and transformers would log as warnings, instead of showing it; as it was afterwards."""
    import diffusers
    import transformers

    # Their root loggers get their handlers when they are first asked for.
    diffusers.utils.logging.get_logger()
    transformers.utils.logging.get_logger()
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    records: list[logging.LogRecord] = []
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:] = [_Kept(records)]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    try:
        yield records
    finally:
        for logger, level, handlers, propagate in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
            logger.propagate = propagate


@contextmanager
def _all_weights_used(folder: Path) -> Iterator[None]:
    """Raise InputError if a component was filled with random numbers where weights were missing."""
    with library_warnings() as records:
        yield
    for text in (record.getMessage() for record in records):
        if _MADE_UP.search(text):
            raise InputError(
                "weights are missing; the libraries would go on with random numbers",
                where=folder,
                found=" ".join(text.split())[:300],
                hint="fetch the whole model again",
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no notes on deprecation while loading; as it was afterwards."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    bars = [
        (library, library.is_progress_bar_enabled()) for library in (diffusers_logging, transformers_logging)
    ]
    for library, _ in bars:
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for library, enabled in bars:
            if enabled:
                library.enable_progress_bar()
