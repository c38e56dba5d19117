"""Options whose values a registry knows, those of other packages too."""

from __future__ import annotations

from typing import Any

import typer

from clay_eval.generator.render.kinds import RENDERERS


def renderer_option(help: str) -> Any:
    """The option --renderer."""
    known = f"<{'|'.join(RENDERERS.registered)}>"
    return typer.Option("--renderer", parser=_renderer_name, metavar=known, help=help)


def _renderer_name(name: str) -> str:
    if name in RENDERERS:
        return name
    raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, RENDERERS))}.")
