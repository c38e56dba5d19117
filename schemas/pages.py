"""Pages from templates: one way to fill them in, one policy of what scripts may do, for all that is written to be read."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from importlib import resources
from typing import TYPE_CHECKING

from .escaping import visible

if TYPE_CHECKING:
    from jinja2 import Environment

PICTURES_BESIDE = "img-src 'self' file:"
"""The rule of a page that shows pictures which lie beside it."""


def template(package: str, name: str) -> str:
    """The text of a file in `package`'s templates."""
    return resources.files(f"{package}.templates").joinpath(name).read_text("utf-8")


def script_of(package: str, names: Iterable[str]) -> str:
    """The script of a page, of several files that share their names."""
    return "\n".join(template(package, name) for name in names)


def environment(package: str, finalize: Callable[[object], object] = visible) -> Environment:
    """Jinja with `package`'s templates: every value passes `finalize` and is escaped for HTML, a missing one is an error."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(lambda name: template(package, name)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def policy(*rules: str) -> str:
    """A Content-Security-Policy that lets styles of the page through, what `rules` name, and nothing else."""
    return "; ".join(("default-src 'none'", "style-src 'unsafe-inline'", *rules))


def only_script(script: str) -> str:
    """The rule that lets `script` run, known by its hash, and no other."""
    return f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def tidied(text: str) -> str:
    """Markdown without the runs of empty lines that templates leave."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
