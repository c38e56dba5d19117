"""What can be asked for, as plain records: methods, fusions, measures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ..scoring.measures import FAMILIES
from ..vectors.fusion import FUSIONS, fusion_of
from .images.registry import image_method_names, is_image_method
from .support.guard import plug_in_errors
from .support.importing import import_target
from .support.protocol import asked_names, is_privileged, needs_of
from .support.registry import method_names

_FUSIONS: Mapping[str, str] = {
    "stack": "the paper's: the texts of all conditions in one fit (default, but for posteriors)",
    "qr": "an orthonormal basis of all subspaces",
    "sum": "the weighted mean of the similarities",
    "product": "the weighted geometric mean of the similarities, brought to [0, 1] (posteriors' default)",
    "min": "the smallest similarity",
    "rrf": "reciprocal rank fusion",
}


def methods() -> list[dict[str, Any]]:
    """Every method with a short name: name, target, summary, parameters with defaults,
    kind ("image" embeds pictures anew for each set of conditions), what it asks for, privileged, needs (a name of
    `NEEDS`), fusion (how it joins conditions where the user does not say).

    Classes are imported; one of another package that cannot be raises InputError with its name.
    """
    return [_method(name, target) for name, target in (method_names() | image_method_names()).items()]


def fusions() -> list[dict[str, str]]:
    """Every way to join several conditions."""
    return [{"name": name, "summary": _FUSIONS[name]} for name in FUSIONS]


def measures() -> list[dict[str, str]]:
    """Every family of measures, by an example of its name."""
    return [{"name": family.example, "summary": family.description} for family in FAMILIES.values()]


def _method(name: str, target: str) -> dict[str, Any]:
    with plug_in_errors(name, "when it was imported"):
        found = import_target(target)
        parameters = inspect.signature(found).parameters.values()
        return {
            "name": name,
            "target": target,
            "summary": (inspect.getdoc(found) or "").partition("\n")[0],
            "parameters": {p.name: None if p.default is p.empty else p.default for p in parameters},
            "kind": "image" if is_image_method(found) else "feature",
            "asks": [] if is_image_method(found) else list(asked_names(found)),
            "privileged": not is_image_method(found) and is_privileged(found),
            "needs": "texts" if is_image_method(found) else needs_of(found),
            "fusion": fusion_of(found),
        }
