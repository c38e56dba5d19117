"""What a method's author can run to see whether the method behaves: shapes, numbers, order, batches, labels, repeats.

>>> from clay_eval.evaluator.methods.clay import CLAY
>>> all(finding.ok for finding in check_method(CLAY))
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from clay_eval.schemas.errors import ClayEvalError

from .features import check_feature_method
from .images import check_image_method
from .tools import Finding

__all__ = ["Finding", "check_method"]


def check_method(factory: Callable[[], Any], *, image_method: bool = False) -> list[Finding]:
    """Return what was found about the methods that `factory` makes, unfitted: a class, or from `resolve_method`.

    Feature methods are fitted to small synthetic features, image methods encode small drawn pictures. Nothing is raised
    for a fault of the method. Where one keeps the method from running on, it is the last finding.
    """
    return list(
        _until_failure(check_image_method(factory) if image_method else check_feature_method(factory))
    )


def _until_failure(checks: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, and the method's first exception, with its file and line, as the last of them."""
    try:
        yield from checks
    except ClayEvalError as error:
        seen = "; ".join(filter(None, [error.what, error.found, error.where]))
        yield Finding("runs", False, seen, error.hint or error.expected or "mend the method")
