"""Which methods are scored on an axis of an ablation, and in which forms.

An axis that varies a parameter takes the methods that have it, each as it was asked for but for that parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..methods.support.protocol import Scalar
from ..methods.support.registry import default_of
from ..methods.support.specs import MethodSpec, parse_spec
from ..methods.support.tangent import ALIGNMENTS, MEANS

PARAMETERS: Mapping[str, str] = {
    "k": "n_components",
    "alignment": "alignment",
    "log-map": "log_map",
    "mean": "mean",
}
"""Axis -> the parameter of a method that it varies; the other axes vary what methods are given."""
SWITCHES: Mapping[str, Sequence[Scalar]] = {"alignment": ALIGNMENTS, "log-map": (True, False), "mean": MEANS}
"""Axis -> all values of its parameter."""
STUDIED = (
    "raw",
    "clay",
    "clay-spectrum(power=0.5)",
    "clay-spectrum(power=1.0)",
    "clay-values",
    "clay-values(power=0.5)",
    "text-discriminant",
    "ip-composer",
    "crl",
)
_OWN: Mapping[str, Sequence[str]] = {
    "k": ("raw", "clay", "clay-spectrum(power=0.5)", "ip-composer"),
    **dict.fromkeys(SWITCHES, ("clay",)),
    "database": ("clay", "clay(alignment=none)", "clay-spectrum(power=0.5)", "centred"),
}


def axis_methods(axis: str, methods: Sequence[str] | None) -> tuple[str, ...]:
    """Return the specs that are scored on `axis`, of `methods` or, where that is None, of the axis's own; each once.

    k: all, those without n_components as they are. alignment, log-map, mean: those that have the parameter, under its
    default and every other value. None where no method has what the axis varies.
    """
    asked = [parse_spec(spec) for spec in (_OWN.get(axis, STUDIED) if methods is None else methods)]
    if axis not in PARAMETERS:
        return _each_once(asked)
    bare = [without(spec, axis) for spec in asked]
    having = [spec for spec in bare if has(spec, axis)]
    if axis in SWITCHES:
        return _each_once(form for spec in having for form in _forms(spec, axis))
    return _each_once(bare) if having else ()


def left_out(axis: str, methods: Sequence[str]) -> str | None:
    """Return in words which of `methods` have nothing that `axis` varies, None where all have."""
    without_it = [spec for spec in map(parse_spec, methods) if axis in PARAMETERS and not has(spec, axis)]
    if not without_it:
        return None
    names = ", ".join(_each_once(without_it))
    return f"axis {axis}: {names} without {PARAMETERS[axis]}, so there is nothing to vary"


def has(spec: MethodSpec, axis: str) -> bool:
    """Whether the method takes the parameter that `axis` varies, with the values that the axis gives it."""
    known, default = default_of(spec.name, PARAMETERS[axis])
    return known and default in SWITCHES.get(axis, (default,))


def without(spec: MethodSpec, axis: str) -> MethodSpec:
    """`spec` with the parameter that `axis` varies at its default; as it is where the axis varies none."""
    left = {name: value for name, value in spec.parameters.items() if name != PARAMETERS.get(axis)}
    return replace(spec, parameters=left)


def with_value(spec: MethodSpec, axis: str, value: Scalar) -> MethodSpec:
    """`spec` with that value of the parameter that `axis` varies."""
    return replace(spec, parameters={**spec.parameters, PARAMETERS[axis]: value})


def _forms(spec: MethodSpec, axis: str) -> list[MethodSpec]:
    _, default = default_of(spec.name, PARAMETERS[axis])
    others = [value for value in SWITCHES[axis] if value != default]
    return [spec, *(with_value(spec, axis, value) for value in others)]


def _each_once(specs: Iterable[MethodSpec]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, specs)))
