"""The checks of an image method, on small drawn pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..methods.support.guard import plug_in_errors
from .tools import NAME, Finding, agreement, difference, finding, require, rows_finding

_CONDITIONS = ("colour",)
_FILLS = ((200, 40, 40), (40, 160, 60), (50, 70, 210), (230, 210, 60))


def check_image_method(factory: Callable[[], Any]) -> Iterator[Finding]:
    """Yield what is found about an image method; raises ClayEvalError for what keeps it from running."""
    with plug_in_errors(NAME, "when it was made"):
        method = factory()
    shaped = callable(getattr(method, "encode", None))
    yield finding("has encode", shaped, type(method).__name__, "add encode(images, conditions) -> (M, k)")
    require(shaped, "the other checks need encode")
    yield _identity(method)
    steps = ["encode"] + ["encode_queries"] * callable(getattr(method, "encode_queries", None))
    for step in steps:
        yield from _check_step(method, step)
    with plug_in_errors(NAME, "when it was made"):
        other = factory()
    gap = difference(_rows(method, "encode", pictures()), _rows(other, "encode", pictures()))
    yield agreement(
        "two instances agree", gap, "load the same weights, switch dropout off, seed what is drawn", 1e-3
    )


def pictures() -> list[Any]:
    """Six pictures (PIL, RGB) of three sizes: rectangles in four colours."""
    from PIL import Image, ImageDraw

    found = []
    for number in range(6):
        image = Image.new("RGB", (40 + 8 * (number % 3), 48), (number * 30,) * 3)
        ImageDraw.Draw(image).rectangle((6, 6, 20 + 2 * number, 30), fill=_FILLS[number % 4])
        found.append(image)
    return found


def _check_step(method: Any, step: str) -> Iterator[Finding]:
    images = pictures()
    before = [image.tobytes() for image in images]
    rows = _rows(method, step, images)
    held = rows_finding(f"rows of {step}", rows, len(images))
    yield held
    require(held.ok, f"the other checks need rows of the right shape from {step}")
    changed = [image.tobytes() for image in images] != before
    yield finding(
        f"{step} leaves its pictures alone",
        not changed,
        "changed" if changed else "unchanged",
        "work on image.copy()",
    )
    gap = difference(rows, _rows(method, step, pictures()))
    yield agreement(f"{step} repeats itself", gap, "switch dropout off, and seed what is drawn", 1e-3)
    parts = np.concatenate([_rows(method, step, pictures()[part]) for part in (slice(0, 1), slice(1, 6))])
    mend = "encode each picture by itself; batch statistics must not count"
    yield agreement(
        f"{step}: a row does not depend on its batch", difference(rows, parts) / _size(rows), mend, 1e-2
    )
    swapped = _rows(method, step, pictures()[::-1])[::-1]
    yield agreement(f"{step}: order of the pictures", difference(rows, swapped) / _size(rows), mend, 1e-2)
    apart = float(np.ptp(rows, axis=0).max())
    yield finding(
        f"{step} tells pictures apart", apart > 0, f"spread {apart:.2g}", "all rows are equal: see encode"
    )
    both = _rows(method, step, pictures(), ("colour", "shape"))
    yield rows_finding(f"rows of {step} for two conditions at once", both, len(images))


def _identity(method: Any) -> Finding:
    identity = getattr(method, "identity", None)
    plain = isinstance(identity, Mapping) and all(
        isinstance(key, str) and isinstance(value, str | int | float | bool)
        for key, value in identity.items()
    )
    mend = "give it `identity`, a mapping of names to str, int, float or bool: weights' hash, prompt, ..."
    return finding("has an identity", plain and bool(identity), repr(identity)[:200], mend)


def _rows(method: Any, step: str, images: list[Any], conditions: tuple[str, ...] = _CONDITIONS) -> Any:
    with plug_in_errors(NAME, f"in {step}"):
        return getattr(method, step)(images, conditions)


def _size(rows: Any) -> float:
    return float(np.abs(rows).max()) or 1.0
