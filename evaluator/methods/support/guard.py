"""Faults in methods that come from outside, told as such: whose they are, and where in their code they arose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from traceback import extract_tb
from typing import Any

from clay_eval.schemas.errors import ClayEvalError, InputError

from .protocol import FeatureMethod

_STEPS = ("fit", "transform", "transform_queries")


@contextmanager
def plug_in_errors(name: str, doing: str) -> Iterator[None]:
    """Turn whatever foreign code raises while `doing` something into an InputError with its file and line."""
    try:
        yield
    except ClayEvalError:
        raise
    except Exception as error:
        last = extract_tb(error.__traceback__)[-1]
        raise InputError(
            f"the method {name!r} failed {doing}",
            where=f"{last.filename} line {last.lineno}, in {last.name}",
            found=f"{type(error).__name__}: {error}",
            hint="this is a fault of the method: tell its author, or mend it",
        ) from error


def guarded(name: str, factory: Callable[[], FeatureMethod]) -> Callable[[], FeatureMethod]:
    """`factory` with `plug_in_errors` around the constructor and the steps of what it makes.

    The steps keep their signatures, by which `fit` asks for what it needs.
    """

    def make() -> FeatureMethod:
        with plug_in_errors(name, "when it was made"):
            method = factory()
        for step in _STEPS:
            if hasattr(method, step):
                with suppress(AttributeError):  # a class with __slots__ stays as it is
                    setattr(method, step, _guarded_step(name, step, getattr(method, step)))
        return method

    return make


def _guarded_step(name: str, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def run(*arguments: Any, **asked: Any) -> Any:
        with plug_in_errors(name, f"in {step}"):
            return call(*arguments, **asked)

    return run
