"""What a user's name for an encoder means. Parsing needs no torch, so that cached features can be used without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Literal

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256
from clay_eval.schemas.reading import check_regular_below, is_path, refuse_missing
from clay_eval.schemas.validate import parse_json, read_text
from clay_eval.schemas.words import did_you_mean, nearest

EMBEDDED = "embedded"
CONFIG = "open_clip_config.json"
_PREFERRED = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_UNSAFE = (".bin", ".pth", ".pt", ".ckpt", ".npz", ".npy", ".pkl", ".pickle")
TRANSFORMERS = "transformers:"
LONGEST_NAME = 1000
_FORMS = (
    f"{EMBEDDED}, MODEL:TAG, MODEL:FILE.safetensors, a folder with {CONFIG}, hf-hub:ORG/REPOSITORY, "
    f"or {TRANSFORMERS}FOLDER_OR_NAME[@REVISION]"
)


@dataclass(frozen=True)
class EncoderName:
    """A parsed name.

    model, weights: what open_clip takes as model name and `pretrained`; of transformers, a folder or Hub name, and None.
    display, pretrained: what is recorded, free of absolute paths. files: the local files that the model is read from.
    """

    kind: Literal["folder", "file", "tag", "hub", "transformers"]
    model: str
    weights: str | None
    display: str
    pretrained: str
    files: tuple[Path, ...] = ()
    demonstration: bool = False


def parse_name(name: str) -> EncoderName:
    """Parse a name and check the local files it speaks of; whether a model or tag exists is left to `resolve_tag`.

    Raises InputError for a name of no known form, a missing file, or weights that are not safetensors; IntegrityError
    where the embedded weights are missing.
    """
    if name == EMBEDDED:
        return _embedded()
    if name.startswith("hf-hub:"):
        if not name.removeprefix("hf-hub:"):
            raise InputError("unknown encoder", where="--encoder", expected=_FORMS, found=repr(name))
        return EncoderName("hub", name, None, name, "hub")
    if name.startswith(TRANSFORMERS):
        return _of_transformers(name.removeprefix(TRANSFORMERS))
    refuse_missing(name.removeprefix("local-dir:"), f"--encoder {name}", _FORMS)
    if name.startswith("local-dir:") or (name and Path(name).is_dir()):
        return _folder(Path(name.removeprefix("local-dir:")))
    if is_path(name):
        raise InputError(
            "a file of weights does not say which model it is of",
            where=f"--encoder {name}",
            expected=_FORMS,
            hint=f"MODEL:{name}, such as ViT-B-32:{name}",
        )
    model, colon, pretrained = name.partition(":")
    model = model.replace("/", "-") if colon else model
    if not colon or not model or not pretrained:
        raise _without_weights(name.rstrip(":"))
    path = Path(pretrained)
    if path.suffix.lower() in (".safetensors", *_UNSAFE) or "/" in pretrained or path.is_file():
        _check_weights(path)
        return EncoderName("file", model, str(path), model, "file", (path,))
    return EncoderName("tag", model, pretrained, model, pretrained)


def resolve_tag(name: EncoderName) -> EncoderName:
    """Check model and tag against what open_clip knows, and spell the tag as open_clip does.

    Raises InputError with the nearest models or all tags; also where the tag was trained with QuickGELU and the model is
    the variant without it (open_clip only warns, and the features would be wrong).
    """
    if name.kind not in ("file", "tag"):
        return name
    import open_clip

    if name.model not in open_clip.list_models():
        raise _unknown_model(name.model)
    if name.kind == "file":
        return name
    tags = {_clean(tag): tag for tag in open_clip.list_pretrained_tags_by_model(name.model)}
    if _clean(name.pretrained) not in tags:
        raise InputError(
            f"open_clip has no pretrained tag {name.pretrained!r} for {name.model}",
            where="--encoder",
            expected=f"one of {sorted(tags.values())}",
            hint=f"for weights in a file: {name.model}:FILE.safetensors",
        )
    tag = tags[_clean(name.pretrained)]
    variant = f"{name.model}-quickgelu"
    wanted = bool(open_clip.get_pretrained_cfg(name.model, tag).get("quick_gelu", False))
    built = bool(open_clip.get_model_config(name.model).get("quick_gelu", False))
    if wanted and not built and variant in open_clip.list_models():
        raise InputError(
            f"the weights {tag!r} were trained with QuickGELU, which {name.model} does not use",
            where="--encoder",
            hint=f"use {variant}:{tag}",
        )
    return replace(name, weights=tag, pretrained=tag)


def request(name: str, precision: str) -> dict[str, Any]:
    """What decides which model `name` stands for, without loading it: hashes of local files, open_clip's version."""
    if len(name) > LONGEST_NAME:
        raise InputError(
            "an encoder's name is too long",
            where="--encoder",
            expected=f"at most {LONGEST_NAME} characters",
            found=len(name),
            hint="link the folder to a shorter path",
        )
    parsed = parse_name(name)
    library = "transformers" if parsed.kind == "transformers" else "open_clip"
    return {
        "name": parsed.display,
        "pretrained": _clean(parsed.pretrained),
        "precision": precision,
        "files": {path.name: file_sha256(path) for path in parsed.files},
        library: metadata.version({"open_clip": "open_clip_torch"}.get(library, library)),
    }


def embedded_folder() -> Path:
    """Where the embedded encoder's config and weights lie."""
    return Path(str(resources.files("clay_eval.data.embedded.encoder")))


def _of_transformers(name: str) -> EncoderName:
    from .transformers_loading import check_folder, model_files, split_revision

    base, revision = split_revision(name)
    if not base or revision == "":
        raise InputError(
            "unknown encoder", where="--encoder", expected=_FORMS, found=repr(TRANSFORMERS + name)
        )
    refuse_missing(base, f"--encoder {base}", "transformers:FOLDER_OR_NAME[@REVISION]")
    folder = Path(base).expanduser()
    if folder.is_dir():
        if (folder / CONFIG).is_file() and not (folder / "config.json").is_file():
            raise InputError(
                "this folder is a model of open_clip, not of transformers",
                where=folder,
                hint=f"--encoder {folder}",
            )
        check_folder(folder)
        files = tuple(path for path in model_files(folder) if path.parent == folder)
        return EncoderName("transformers", str(folder), None, folder.resolve().name, "folder", files)
    return EncoderName("transformers", name, None, base, revision or "hub")


def _embedded() -> EncoderName:
    folder = embedded_folder()
    try:
        parsed = _folder(folder)
    except InputError as error:
        raise IntegrityError(
            "the embedded encoder is not complete",
            where=folder,
            found=error.what,
            hint="install the package again",
        ) from error
    return replace(parsed, display=EMBEDDED, pretrained=EMBEDDED, demonstration=True)


def _folder(folder: Path) -> EncoderName:
    check_regular_below(folder)
    config = folder / CONFIG
    if not config.is_file():
        raise InputError("not an open_clip model folder", where=folder, expected=f"a file {CONFIG} in it")
    record = parse_json(read_text(config), config)
    if not isinstance(record, dict) or not isinstance(record.get("model_cfg"), dict):
        raise InputError("not an open_clip config", where=config, expected='an object under "model_cfg"')
    weights = _weights_in(folder)
    return EncoderName(
        "folder", f"local-dir:{folder}", None, folder.resolve().name, "folder", (config, weights)
    )


def _weights_in(folder: Path) -> Path:
    """The file open_clip will choose, if that is sure to be safetensors."""
    for name in _PREFERRED:
        if (folder / name).is_file():
            return folder / name
    safe = sorted(folder.glob("*.safetensors"))
    unsafe = sorted(path.name for path in folder.iterdir() if path.suffix in _UNSAFE)
    if not safe:
        raise InputError(
            "no weights that are safe to load",
            where=folder,
            expected=_PREFERRED[0],
            found=unsafe or "no weights",
            hint="convert the weights to safetensors" if unsafe else None,
        )
    if len(safe) > 1 or unsafe:
        raise InputError(
            "several weights, and none has the standard name",
            where=folder,
            expected=_PREFERRED[0],
            found=[path.name for path in safe] + unsafe,
        )
    return safe[0]


def _check_weights(path: Path) -> None:
    if not path.is_file():
        raise InputError("no such file of weights", where=path)
    if path.suffix != ".safetensors":
        raise InputError(
            "weights must be safetensors: other formats can run code when they are loaded",
            where=path,
            expected="a .safetensors file",
            hint="convert it with safetensors.torch.save_file",
        )


def _clean(tag: str) -> str:
    return tag.lower().replace("-", "_")


def _without_weights(name: str) -> InputError:
    import open_clip

    model = name.replace("/", "-")
    if model in open_clip.list_models():
        tags = open_clip.list_pretrained_tags_by_model(model)
        return InputError(
            f"{model} needs weights",
            where="--encoder",
            expected=f"{model}:TAG with one of {sorted(tags)}, or {model}:FILE.safetensors",
        )
    return _unknown_model(model, original=name)


def _unknown_model(model: str, original: str | None = None) -> InputError:
    import open_clip

    return InputError(
        f"unknown encoder {original or model!r}",
        where="--encoder",
        expected=_FORMS,
        hint=did_you_mean(nearest(model, open_clip.list_models(), most=5)) or "see open_clip.list_models()",
    )
