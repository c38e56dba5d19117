"""Renderers by name: which options of `clay-eval render` each takes, and how it is loaded.

To add one, write a class in a file of its own and register it; an entry point in the group `clay_eval.renderers` makes it
known to the command line. This module is imported for the help of commands, so models wait until one is loaded.

>>> list(RENDERERS.registered)
['diffusion', 'procedural', 'endpoint']
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.registry import Registry

if TYPE_CHECKING:
    from .base import Renderer

EMBEDDED = "embedded"
DEFAULT_SIZE = 128
_LEARNED = frozenset({"model", "steps", "guidance"})
_ROUNDS = 4
"""An endpoint gets several rounds of requests at once, so that one slow answer holds up few others."""


class RendererKind(ABC):
    """A renderer under its name.

    options: those of `clay-eval render` that it takes beside `--size`, with underscores; model: the one that it takes where
    none is named; needs_model: what to name, if one must be named.
    """

    name: ClassVar[str]
    options: ClassVar[frozenset[str]] = frozenset()
    model: ClassVar[str | None] = None
    needs_model: ClassVar[str | None] = None

    @abstractmethod
    def load(self, given: Mapping[str, Any]) -> Renderer:
        """Return what draws; given: the options that were given, `size` (pixels) among them. Raises InputError."""

    def batch(self, given: Mapping[str, Any]) -> int:
        """How many samples are drawn at once where the user does not say."""
        return 8


RENDERERS: Registry[RendererKind] = Registry("renderer", "clay_eval.renderers")
"""Renderers by name."""


def register(kind: type[RendererKind]) -> type[RendererKind]:
    """Add a renderer to `RENDERERS`, as a decorator of its class; raises InputError for a name that is taken."""
    RENDERERS.register(kind.name, kind())
    return kind


def load_renderer(name: str, **given: Any) -> Renderer:
    """Return the renderer `name`, loaded with the options that were given.

    Raises InputError for an unknown name, options that it does not take, a model that must be named, and as it says itself.
    """
    if name not in RENDERERS:
        raise InputError(f"unknown renderer {name!r}", where="--renderer", expected=f"one of {[*RENDERERS]}")
    check_options(name, given)
    return RENDERERS[name].load(given)


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Raise InputError for options that mean nothing to the renderer `name`, or a model that is not named."""
    kind = RENDERERS[name]
    foreign = sorted(given.keys() - kind.options - {"size"})
    if foreign:
        others = [other.name for other in RENDERERS.values() if foreign[0] in other.options]
        raise InputError(
            f"the {name} renderer has no such option",
            where="--" + foreign[0].replace("_", "-"),
            hint=f"leave it out, or use --renderer {' or '.join(others)}" if others else "leave it out",
        )
    if kind.needs_model is not None and "model" not in given:
        raise InputError(f"the {name} renderer needs a model", where="--model", hint=kind.needs_model)


@register
class Diffusion(RendererKind):
    name, model = "diffusion", EMBEDDED
    options = _LEARNED | {
        *("revision", "dtype", "device", "offload", "compile", "batch_size", "trust_remote_code")
    }

    def load(self, given: Mapping[str, Any]) -> Renderer:
        from .diffusion import DiffusionOptions, load_diffusion
        from .embedded import load_embedded

        model = str(given.get("model", self.model))
        apart = ("batch_size", "model", "revision")
        options = DiffusionOptions(**{name: value for name, value in given.items() if name not in apart})
        return (
            load_embedded(options)
            if model == EMBEDDED
            else load_diffusion(model, options, given.get("revision"))
        )


@register
class Procedural(RendererKind):
    name = "procedural"

    def load(self, given: Mapping[str, Any]) -> Renderer:
        from .procedural import ProceduralRenderer

        return ProceduralRenderer(given.get("size", DEFAULT_SIZE))


@register
class Endpoint(RendererKind):
    name = "endpoint"
    options = _LEARNED | {"base_url", "extras", "concurrency", "timeout", "retries"}
    needs_model = "its name at the endpoint, such as --model Qwen/Qwen-Image"

    def load(self, given: Mapping[str, Any]) -> Renderer:
        from .endpoint import EndpointOptions, EndpointRenderer

        options = {name: value for name, value in given.items() if name != "model"}
        return EndpointRenderer(str(given["model"]), EndpointOptions(**options))

    def batch(self, given: Mapping[str, Any]) -> int:
        rounds: int = _ROUNDS * given.get("concurrency", _ROUNDS)
        return rounds
