"""clay-eval methods"""

from __future__ import annotations

from typing import Any

import typer

from .common import Json, emit

EPILOG = """
**Example**

    clay-eval methods

    clay-eval methods --json | python -m json.tool

Any of them is a --method of clay-eval evaluate: by name, or with parameters, as in 'clay(n_components=30, fusion=sum)'.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="methods", epilog=EPILOG)(methods)


def methods(json: Json = False) -> None:
    """List methods with their parameters, ways to join several conditions, and measures."""
    from clay_eval.evaluator.methods.catalogue import fusions, measures, methods
    from clay_eval.evaluator.methods.support.protocol import NEEDS

    record: dict[str, Any] = {"methods": methods(), "fusions": fusions(), "measures": measures()}
    lines = ["Methods, by what they are told (parameters with their defaults)"]
    for needs, told in NEEDS.items():
        lines += ["", f"{told[0].upper()}{told[1:]}"]
        for item in (item for item in record["methods"] if item["needs"] == needs):
            lines.append(f"  {item['name']:<22} {item['summary']}")
            if item["parameters"]:
                given = ", ".join(f"{name}={value}" for name, value in item["parameters"].items())
                lines.append(f"  {'':<22} ({given})")
    for title, part in (("Several conditions: fusion=", "fusions"), ("Measures", "measures")):
        lines += ["", title, *(f"  {item['name']:<22} {item['summary']}" for item in record[part])]
    emit(json, record, *lines)
