"""queries.html: every query with what each method finds first, to sort, filter and compare; works from a plain file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clay_eval.schemas.escaping import embedded
from clay_eval.schemas.pages import PICTURES_BESIDE, environment, only_script, policy, script_of, template

from .beside import missing_sheets
from .roles import OURS_NOTE, is_ours, method_title, role

QUERIES = "queries.html"
_SCRIPTS = ("queries_data.js", "queries.js")


def render_queries(report: Mapping[str, Any], neighbours: Mapping[str, Any], folder: Path) -> str:
    """The page as one HTML document; its pictures are the sheets in `folder`/pictures.

    Its policy lets nothing run but its own script (by hash), and nothing be fetched but pictures beside it. Texts reach the
    page as data and become text nodes only.
    """
    script = script_of(__package__, _SCRIPTS)
    return (
        environment(__package__)
        .get_template("queries.html")
        .render(
            style=f"{template(__package__, 'report.css')}\n{template(__package__, 'queries.css')}",
            script=script,
            policy=policy(PICTURES_BESIDE, only_script(script)),
            title=report["title"],
            data=embedded(page_data(report, neighbours, folder)),
        )
    )


def page_data(report: Mapping[str, Any], neighbours: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the page's script works on: the neighbours, and how methods and entities are called."""
    names = {name for e in neighbours["entities"].values() for one in e["sets"] for name in one["methods"]}
    entities = {
        name: neighbours["entities"][name] for name in report["entities"] if name in neighbours["entities"]
    }
    order = [name for name in report["settings"]["methods"] if name in names]
    return {
        **neighbours,
        "entities": entities,
        "pictured": neighbours["sheets"] > 0 and missing_sheets(folder, neighbours["sheets"]) == 0,
        "titles": {name: entity["title"] or name for name, entity in report["entities"].items()},
        "reference": report["settings"]["reference"],
        "methods": [
            {
                "name": name,
                "title": method_title(report, name),
                "note": OURS_NOTE if is_ours(report, name) else "",
                "role": role(report, name),
            }
            for name in [*order, *sorted(names - set(order))]
        ],
        "seed": report["settings"]["seeds"][0],
        "per_query": report["per_query"]["file"],
    }
