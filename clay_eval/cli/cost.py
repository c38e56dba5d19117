"""clay-eval cost"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.schemas.errors import InputError
from clay_eval.stages.inputs import Inputs

from .common import Json, Out
from .experiments import MethodOption, Replace, conduct, only_texts, show
from .options import grouped
from .scoring import DataOptions, TextOptions, VectorOptions, WriteTexts, inputs_of

if TYPE_CHECKING:
    from clay_eval.evaluator.experiments.cost import CostSettings, Encode, EncodeEach
    from clay_eval.evaluator.retrieval.study import Study

MOST_PIXELS = 1_000_000_000

EPILOG = """
**Examples**

    clay-eval cost --out runs/first

    clay-eval cost --out runs/first --method raw --method clay --conditions 1 --conditions 10 --conditions 100

The processor is part of what identifies the results: on another machine, measure again with --replace.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="cost", epilog=EPILOG)(grouped(cost))


@dataclass(frozen=True)
class CostOptions:
    """What is timed, and how often."""

    method: MethodOption = None
    conditions: Annotated[
        list[int] | None,
        typer.Option(
            "--conditions", min=1, help="Numbers of conditions; may be repeated. Default: 1, 2, 4, ..., 64."
        ),
    ] = None
    images: Annotated[int, typer.Option("--images", min=2, help="Pictures of the database.")] = 100
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Measurements after a warm-up.")] = 7
    budget: Annotated[
        float,
        typer.Option("--budget", min=0, help="Seconds for encoding again, for each number of conditions."),
    ] = 30.0

    def settings(self) -> CostSettings:
        """The settings of the measurement."""
        from clay_eval.evaluator.experiments.cost import CostSettings

        default = CostSettings()
        return CostSettings(
            methods=tuple(self.method or default.methods),
            counts=tuple(self.conditions or default.counts),
            images=self.images,
            repeats=self.repeats,
            budget=self.budget,
        )


def cost(
    *,
    out: Out,
    data: DataOptions,
    vectors: VectorOptions,
    texts: TextOptions,
    options: CostOptions,
    write_texts: WriteTexts = None,
    replace: Replace = False,
    json: Json = False,
) -> None:
    """Time conditional similarity against the number of conditions, beside encoding again for each."""
    from clay_eval.evaluator.embedding.encoders.devices import choose_device
    from clay_eval.evaluator.experiments.cost import find_costs, machine
    from clay_eval.evaluator.experiments.cost_findings import cost_findings
    from clay_eval.evaluator.report.findings import Findings

    settings = options.settings()
    inputs = inputs_of(out, data, vectors, texts.texts)
    needs = settings.needs()
    if only_texts(json, inputs, needs, texts.template, write_texts):
        return
    here = {**machine(), "device": choose_device(inputs.device), "batch_size": inputs.batch_size}

    def find(found: Sequence[Study], advance: Callable[[int], None]) -> Findings:
        encode, again, together = _encoders(inputs, found[0], settings)
        costs, notes = find_costs(found[0], settings, encode, advance, again, together)
        return cost_findings(costs, here, notes)

    record = conduct(
        inputs, "cost", settings.record(here), find, needs=needs, template=texts.template, replace=replace
    )
    show(json, inputs, record, "marginal")


def _check_pixels(decoded: int) -> None:
    if decoded > MOST_PIXELS:
        raise InputError(
            "these pictures are too large to lie decoded in memory",
            where="--images",
            expected=f"at most {MOST_PIXELS} pixels in all",
            found="more",
            hint="measure with fewer images, or with smaller copies of them",
        )


def _encoders(
    inputs: Inputs, study: Study, settings: CostSettings
) -> tuple[Encode | None, dict[str, Encode], dict[str, EncodeEach]]:
    """What encodes the study's pictures, decoded beforehand: the encoder, None where vectors come from files, the image
    methods by their names, and those of them that encode for several conditions at once."""
    from clay_eval.evaluator.embedding.encoders import load_encoder
    from clay_eval.evaluator.methods.images.registry import load_image_method
    from clay_eval.evaluator.pictures.labelled import pictures
    from clay_eval.schemas.decoding import decode_image

    kept: dict[int, Any] = {}

    def images(rows: Sequence[int]) -> list[Any]:
        if missing := [row for row in rows if row not in kept]:
            names = [study.labelled.keys[row] for row in missing]
            found = pictures(inputs.source, study.entity, names)
            for row, name in zip(missing, names, strict=True):
                kept[row] = decode_image(found[name], name)
                _check_pixels(sum(picture.width * picture.height for picture in kept.values()))
        return [kept[row] for row in rows]

    def again(method: Any) -> Encode:
        return lambda rows, condition: method.encode(images(rows), [condition])

    def at_once(method: Any) -> EncodeEach:
        return lambda rows, conditions: method.encode_each(images(rows), [[name] for name in conditions])

    methods = {
        str(spec): load_image_method(spec.name, runtime=inputs.runtime, **spec.parameters)
        for spec in settings.image_methods()
    }
    anew = {name: again(method) for name, method in methods.items()}
    together = {
        name: at_once(method)
        for name, method in methods.items()
        if callable(getattr(method, "encode_each", None))
    }
    if inputs.features is not None:
        return None, anew, together
    encoder = load_encoder(inputs.encoder, inputs.device, inputs.precision, inputs.batch_size)
    return lambda rows, _: encoder.encode_images(images(rows)), anew, together
