"""The door to image methods: built-in names, entry points of other packages, and `package.module:Class`.

An image method reads the pictures again for every set of conditions; `conditioned` embeds with it, shard by shard.

>>> method = load_image_method("instructblip", model="models/instructblip-flan-t5-xl", device="cuda")     # doctest: +SKIP
"""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

from ..support.importing import import_target
from .protocol import ImageMethod

__all__ = [
    "ENTRY_POINTS",
    "IMAGE_METHODS",
    "ImageMethod",
    "image_method_names",
    "is_image_method",
    "load_image_method",
]

ENTRY_POINTS = "clay_eval.image_methods"
IMAGE_METHODS = {
    "instructblip": "clay_eval.evaluator.methods.images.instructblip:InstructBLIP",
    "vlm-embedding": "clay_eval.evaluator.methods.images.vlm_embedding:VLMEmbedding",
    "dior": "clay_eval.evaluator.methods.images.vlm_embedding:DIOR",
    "qwen-embedding": "clay_eval.evaluator.methods.images.vlm_embedding:QwenEmbedding",
}
_RUNTIME = ("device", "precision", "batch_size")


def image_method_names() -> dict[str, str]:
    """Every image method with a short name, built in or from an entry point, with its `package.module:Class`."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)} | IMAGE_METHODS


def is_image_method(kind: object) -> bool:
    """Whether a class, or an instance, encodes pictures for conditions, and is no feature method."""
    return callable(getattr(kind, "encode", None)) and not callable(getattr(kind, "transform", None))


def load_image_method(name: str, *, runtime: dict[str, Any] | None = None, **options: Any) -> ImageMethod:
    """Make the image method that `name`, a short name or `package.module:Class`, stands for, with `options`.

    runtime: device, precision and batch_size, for those constructors that take them; options of the same name win.

    Raises InputError for an unknown name (with the nearest one), a class that cannot be imported or is no image method,
    and options that its constructor does not take, beside what the constructor itself raises.
    """
    target = name if ":" in name else IMAGE_METHODS.get(name) or image_method_names().get(name)
    if target is None:
        raise InputError(
            f"unknown image method {name!r}",
            where="method",
            expected=f"one of {sorted(image_method_names())}, or package.module:Class",
            hint=did_you_mean(nearest(name, image_method_names())),
        )
    kind = _import(target)
    signature = inspect.signature(kind)
    taken = {key: value for key, value in (runtime or {}).items() if key in _RUNTIME}
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        taken = {key: value for key, value in taken.items() if key in signature.parameters}
    try:
        signature.bind(**{**taken, **options})
    except TypeError as error:
        raise InputError(
            f"the image method {name!r} does not take these options",
            where="method options",
            expected=f"{name}{signature}",
            found=f"{options} ({error})",
        ) from error
    method = kind(**{**taken, **options})
    if not isinstance(method, ImageMethod):
        raise _shape_error(target, type(method).__name__)
    return method


def _import(target: str) -> Any:
    found = import_target(target)
    if not callable(found) or (isinstance(found, type) and not is_image_method(found)):
        raise _shape_error(target, getattr(found, "__name__", type(found).__name__))
    return found


def _shape_error(target: str, found: str) -> InputError:
    return InputError(
        f"{target!r} is not an image method",
        where="method",
        expected="a class with encode(images, conditions) and identity",
        found=found,
    )
