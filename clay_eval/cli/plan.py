"""clay-eval plan"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .common import Json, Out, RunFolder, Seed, emit, progress_bar

EPILOG = """
**Example**

    clay-eval plan demo-object demo-human --count 400 --out runs/first

    clay-eval plan my_entity.json --texts my_texts.json --seed 7 --out runs/mine

Writes plan/plan.jsonl (a sample a line), plan/coverage.md, and copies of the specs and condition texts. A finished plan of
the same settings is left alone; other settings are refused (exit code 3).
"""

Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        help="Samples an entity. Default: the spec's images_per_combination for every combination.",
    ),
]
Texts = Annotated[
    list[Path] | None,
    typer.Option(
        "--texts",
        help="Condition texts (JSON) of one of the entities; may be repeated. Default: the shipped ones.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="plan", epilog=EPILOG)(plan)


def plan(
    entity: Annotated[
        list[str], typer.Argument(help="Names of shipped entities, or paths of entity specs (JSON).")
    ],
    out: Out,
    count: Count = None,
    seed: Seed = 0,
    texts: Texts = None,
    json: Json = False,
) -> None:
    """Plan which pictures to make: every combination of attribute values less the exclusions."""
    record = make_plan(RunFolder(out), entity, count, seed, texts or [])
    emit(
        json,
        record,
        *(
            f"{name}: {facts['samples']} samples, {facts['combinations']} combinations ({facts['excluded']} excluded)"
            for name, facts in record["entities"].items()
        ),
        f"plan: {RunFolder(out).plan}",
    )


def make_plan(
    folder: RunFolder, entities: list[str], count: int | None, seed: int, texts: list[Path]
) -> dict[str, Any]:
    """Load specs and texts, and write the plan."""
    from clay_eval.evaluator.condition_texts import texts_from_files
    from clay_eval.generator.planning import PlanRequest, write_plan
    from clay_eval.schemas.entity import load_entity
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.texts import shipped_texts

    specs = [load_entity(name) for name in entities]
    given = texts_from_files(texts)
    if unknown := sorted(set(given) - {s.entity for s in specs}):
        raise InputError(
            "condition texts of an entity that is not planned",
            where="--texts",
            expected=f"texts of {[s.entity for s in specs]}",
            found=unknown,
        )
    request = PlanRequest(specs, [given.get(s.entity) or shipped_texts(s.entity) for s in specs], count, seed)
    with progress_bar("plan", None) as advance:
        return write_plan(request, folder.plan, advance)
