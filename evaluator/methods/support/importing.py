"""Classes by `package.module:Class`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from clay_eval.schemas.errors import InputError


def import_target(target: str) -> Any:
    """Return what `target`, `package.module:Class`, names; raises InputError where it cannot be imported."""
    module, _, path = target.partition(":")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except InputError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"the method {target!r} cannot be imported",
            where="method",
            expected="package.module:Class of an installed package",
            found=f"{type(error).__name__}: {error}",
            hint="install the package, or set PYTHONPATH to the folder it is in",
        ) from error
    return found
