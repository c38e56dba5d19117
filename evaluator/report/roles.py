"""What a method is in a comparison: a rival, a control, or one that is told more than the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..methods.support.protocol import CONTROL as CONTROL
from ..methods.support.protocol import NEEDS
from ..methods.support.protocol import PRIVILEGED as PRIVILEGED
from ..methods.support.protocol import RIVAL as RIVAL

RAW, CLAY = "raw", "clay"
ROLES: Mapping[str, str] = {
    RIVAL: "",
    CONTROL: "Controls: subspaces that are not the condition's",
    PRIVILEGED: "Privileged: told labels of images, so no rivals",
}
"""Role -> the heading of its rows in a table, in the order in which they stand."""

OURS_NOTE = "† this project's own method, not the paper's"
_METHODS = "clay_eval.evaluator.methods."
_BEFORE: Mapping[str, str] = {
    f"{_METHODS}controls:": CONTROL,
    f"{_METHODS}clay_spectrum:CLAYSpectrum": "ours",
    f"{_METHODS}clay_values:CLAYValues": "ours",
    f"{_METHODS}text_discriminant:TextDiscriminant": "ours",
    f"{_METHODS}text_mixture:TextMixture": "ours",
}
"""What the targets of reports that do not state `role` and `ours` begin with, and what that meant."""


def role(report: Mapping[str, Any], method: str) -> str:
    """RIVAL, CONTROL or PRIVILEGED, by what the report says of the method; what it does not list is a rival."""
    described = report["methods"].get(method, {})
    if described.get("privileged"):
        return PRIVILEGED
    return str(described.get("role") or (CONTROL if _before(described) == CONTROL else RIVAL))


def needs(report: Mapping[str, Any], method: str) -> str:
    """What a method is told, in the words of NEEDS; reports of before say it by what a method is given."""
    described = report["methods"].get(method, {})
    values = "values" if "text_values" in described.get("sees", ()) else "texts"
    return NEEDS[described.get("needs") or ("labels" if described.get("privileged") else values)]


def is_ours(report: Mapping[str, Any], method: str) -> bool:
    """Whether this project made the method up."""
    described = report["methods"].get(method, {})
    return bool(described.get("ours", _before(described) == "ours"))


def _before(described: Mapping[str, Any]) -> str | None:
    target = str(described.get("target", ""))
    return next((said for start, said in _BEFORE.items() if target.startswith(start)), None)


def method_title(report: Mapping[str, Any], method: str) -> str:
    """A method's title, or its name if it has none."""
    title: str = report["methods"].get(method, {}).get("title", "") or method
    return title


def primary(report: Mapping[str, Any]) -> str:
    """The measure that tables, comparisons and sentences speak of."""
    measure: str = report["settings"]["measures"][0]
    return measure
