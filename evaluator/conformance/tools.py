"""Findings about a method, and what they are made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..vectors.arrays import unit_rows

NAME = "checked"
"""What a method is called in the errors of `plug_in_errors`."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: its name, whether it holds, what was seen, and how to mend it ("" where it holds)."""

    name: str
    ok: bool
    seen: str
    mend: str = ""


def finding(name: str, ok: bool, seen: str, mend: str) -> Finding:
    """A finding that says how to mend only what does not hold."""
    return Finding(name, ok, seen, "" if ok else mend)


def agreement(name: str, gap: float, mend: str, tolerance: float = 1e-4) -> Finding:
    """A finding that two results agree: their largest difference is `tolerance` at most."""
    return finding(name, gap <= tolerance, f"largest difference {gap:.2g}", mend)


def rows_finding(name: str, rows: object, expected: int) -> Finding:
    """A finding that `rows` is an array of `expected` rows of finite real numbers."""
    if not isinstance(rows, np.ndarray):
        return Finding(name, False, f"a {type(rows).__name__}", "return a NumPy array (M, k)")
    seen = f"{rows.dtype} {rows.shape}"
    if rows.dtype.kind != "f":
        return Finding(name, False, seen, "return float32 or float64")
    if rows.ndim != 2 or not rows.shape[1]:
        return Finding(name, False, seen, "return two axes, (M, k) with k > 0")
    if len(rows) != expected:
        return Finding(name, False, seen, f"return one row an image: {expected} here")
    wrong = int(np.count_nonzero(~np.isfinite(rows).all(axis=1)))
    if wrong:
        mend = "return finite numbers: look for divisions by 0 and roots of what is negative"
        return Finding(name, False, f"{seen}, {wrong} rows with NaN or infinity", mend)
    return Finding(name, True, seen)


def require(ok: bool, what: str) -> None:
    """End the checks where those to come could not be made."""
    if not ok:
        raise InputError(what, hint="mend the findings before this one")


def difference(first: Any, second: Any) -> float:
    """The largest difference of two arrays; infinite where their shapes differ, or NaN is in them."""
    if np.shape(first) != np.shape(second):
        return float("inf")
    gap = float(np.max(np.abs(np.subtract(first, second, dtype=np.float64)), initial=0.0))
    return gap if np.isfinite(gap) else float("inf")


def similarity(method: object, queries: Any, database: Any) -> Any:
    """Similarities (Q, N): cosines, or inner products where the method says so."""
    if getattr(method, "similarity", "cosine") == "inner":
        return queries @ database.T
    return unit_rows(queries) @ unit_rows(database).T
