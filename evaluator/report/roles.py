"""What a method is in a comparison: a rival, a control, or one that is told more than the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..methods.support.protocol import NEEDS

RAW, CLAY = "raw", "clay"
RIVAL, CONTROL, PRIVILEGED = "rival", "control", "privileged"
ROLES: Mapping[str, str] = {
    RIVAL: "",
    CONTROL: "Controls: subspaces that are not the condition's",
    PRIVILEGED: "Privileged: told labels of images, so no rivals",
}
"""Role -> the heading of its rows in a table, in the order in which they stand."""

OURS_NOTE = "† this project's own method, not the paper's"
_CONTROLS = "clay_eval.evaluator.methods.controls:"
_OURS = frozenset(
    f"clay_eval.evaluator.methods.{place}"
    for place in (
        "clay_spectrum:CLAYSpectrum",
        "clay_values:CLAYValues",
        "text_discriminant:TextDiscriminant",
        "text_mixture:TextMixture",
    )
)


def role(report: Mapping[str, Any], method: str) -> str:
    """RIVAL, CONTROL or PRIVILEGED, by what the report says of the method; what it does not list is a rival."""
    described = report["methods"].get(method, {})
    return role_of(str(described.get("target", "")), bool(described.get("privileged")))


def role_of(target: str, privileged: bool) -> str:
    """RIVAL, CONTROL or PRIVILEGED; target: `package.module:Class`."""
    return PRIVILEGED if privileged else CONTROL if target.startswith(_CONTROLS) else RIVAL


def needs(report: Mapping[str, Any], method: str) -> str:
    """What a method is told, in the words of NEEDS; reports of before say it by what a method is given."""
    described = report["methods"].get(method, {})
    values = "values" if "text_values" in described.get("sees", ()) else "texts"
    return NEEDS[described.get("needs") or ("labels" if described.get("privileged") else values)]


def is_ours(report: Mapping[str, Any], method: str) -> bool:
    """Whether this project made the method up."""
    return report["methods"].get(method, {}).get("target") in _OURS


def method_title(report: Mapping[str, Any], method: str) -> str:
    """A method's title, or its name if it has none."""
    title: str = report["methods"].get(method, {}).get("title", "") or method
    return title


def primary(report: Mapping[str, Any]) -> str:
    """The measure that tables, comparisons and sentences speak of."""
    measure: str = report["settings"]["measures"][0]
    return measure
