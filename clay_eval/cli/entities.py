"""clay-eval entities"""

from __future__ import annotations

from typing import Any

import typer

from .common import Json, emit

EPILOG = """
**Example**

    clay-eval entities
    clay-eval entities --json | python -m json.tool
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="entities", epilog=EPILOG)(entities)


def entities(json: Json = False) -> None:
    """List the entity specs that come with the package."""
    from clay_eval.generator.plan.combinations import Plan
    from clay_eval.schemas.entity import load_entity, shipped_entities

    rows: dict[str, dict[str, Any]] = {}
    for name in shipped_entities():
        plan = Plan(load_entity(name))
        rows[name] = {
            "title": plan.spec.title,
            "attributes": {a.name: len(a.values) for a in plan.spec.attributes},
            "combinations": len(plan.numbers),
            "images": len(plan),
        }
    lines = [
        f"{name:<14} {row['images']:>6} images, {row['combinations']} combinations of "
        + " x ".join(f"{n} ({c})" for n, c in row["attributes"].items())
        for name, row in rows.items()
    ]
    emit(json, rows, *lines)
