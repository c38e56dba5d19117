"""The embedded diffusion pipeline: a small model, trained on this project's own drawings, that comes with the package."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.model_folders import ModelFolder

from .diffusion import DiffusionOptions, DiffusionRenderer, open_diffusion
from .diffusion_loading import INDEX
from .procedural import ProceduralRenderer

EMBEDDED = "embedded"
STEPS = 12
GUIDANCE = 2.0


class EmbeddedRenderer(DiffusionRenderer):
    """Renders with the embedded pipeline, which knows what the drawing code can draw and nothing else."""

    def check(self, spec: EntitySpec) -> None:
        """Raise InputError for an entity with values that the pipeline never saw."""
        try:
            ProceduralRenderer(self.size).check(spec)
        except InputError as error:
            raise InputError(
                error.what.replace("the procedural renderer", "the embedded pipeline"),
                where=f"entity {spec.entity}",
                expected=error.expected,
                found=error.found,
                hint=error.hint,
            ) from error


def load_embedded(options: DiffusionOptions | None = None) -> EmbeddedRenderer:
    """Load the embedded pipeline; steps and guidance that are not given are the ones its model card was measured with.

    Raises IntegrityError if its files are missing or damaged.
    """
    options = options or DiffusionOptions()
    options = replace(
        options,
        steps=options.steps or STEPS,
        guidance=GUIDANCE if options.guidance is None else options.guidance,
    )
    folder = Path(str(resources.files("clay_eval.data.embedded") / "pipeline"))
    if not (folder / INDEX).is_file():
        raise IntegrityError(
            "the embedded diffusion pipeline is missing from this installation",
            where=folder,
            hint="install clay-eval again",
        )
    return open_diffusion(ModelFolder(folder, EMBEDDED), options, EmbeddedRenderer)
