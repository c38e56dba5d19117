"""What can be asked for, as plain records: methods, fusions, measures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .fusion import FUSIONS
from .measures import FAMILIES
from .methods import method_names
from .methods.guard import plug_in_errors
from .methods.protocol import asked_names, is_privileged

_FUSIONS: Mapping[str, str] = {
    "stack": "the paper's: the texts of all conditions in one fit (default)",
    "qr": "an orthonormal basis of all subspaces",
    "sum": "the weighted mean of the similarities",
    "product": "the weighted geometric mean of the similarities, brought to [0, 1]",
    "min": "the smallest similarity",
    "rrf": "reciprocal rank fusion",
}


def methods() -> list[dict[str, Any]]:
    """Every method with a short name: name, target, summary, parameters with defaults, what it asks for, privileged.

    Classes are imported; one of another package that cannot be raises InputError with its name.
    """
    return [_method(name, target) for name, target in method_names().items()]


def fusions() -> list[dict[str, str]]:
    """Every way to join several conditions."""
    return [{"name": name, "summary": _FUSIONS[name]} for name in FUSIONS]


def measures() -> list[dict[str, str]]:
    """Every family of measures, by an example of its name."""
    return [{"name": family.example, "summary": family.description} for family in FAMILIES.values()]


def _method(name: str, target: str) -> dict[str, Any]:
    module, _, path = target.partition(":")
    with plug_in_errors(name, "when it was imported"):
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        parameters = inspect.signature(found).parameters.values()
        return {
            "name": name,
            "target": target,
            "summary": (inspect.getdoc(found) or "").partition("\n")[0],
            "parameters": {p.name: None if p.default is p.empty else p.default for p in parameters},
            "asks": list(asked_names(found)),
            "privileged": is_privileged(found),
        }
