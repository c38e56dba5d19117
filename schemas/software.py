"""Versions of what an artefact was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions(*packages: str) -> dict[str, str]:
    """Versions of clay-eval, Python and the named distributions; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in ("clay-eval", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))
