"""Writes report.md, report.html and queries.html from a report's record and the files beside it.

The record may come from a stranger: it is checked against its schema, every value is escaped for the language of the
page, and pictures are read from the report's own folder, and plots from the run's experiments, only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas import pages
from clay_eval.schemas.escaping import markdown, visible
from clay_eval.schemas.files import remove_file, write_text
from clay_eval.schemas.validate import check

from ..scoring.measures import measure_title
from .beside import data_uris, pictured, read_neighbours
from .browse import QUERIES, render_queries
from .experiments import experiment_sections
from .protocol import protocol
from .roles import OURS_NOTE, ROLES, primary
from .sections import asked, entity_sections, method_sections
from .summary import comparison, headline, notices
from .tables import Table, factor, percent

if TYPE_CHECKING:
    from jinja2 import Environment

RULE = (
    "The queries are not picked by hand: of all queries of a condition, ordered by {method}'s {measure}, "
    "the one in the middle, the one a quarter of the way up, and the worst one are shown."
)
"""How the retrievals that a report shows were chosen."""
PAGES = ("report.html", "report.md", QUERIES)


def write_pages(report: dict[str, Any], folder: Path) -> None:
    """Write report.html and report.md to `folder`, and queries.html where its data is there, each whole or not at all.

    Thumbnails are read from `folder`/thumbnails; those missing there are shown as a placeholder. Experiments are those of
    the run that `folder` is the report of. The same report and files give the same bytes. Raises InputError if a record
    does not fit its schema, IntegrityError if the neighbours are not those of the report.
    """
    check(report, "report", folder / "report.json")
    found = report.get("neighbours")
    neighbours = None if found is None else read_neighbours(folder, found)
    if neighbours is None:
        remove_file(folder / QUERIES)
    else:
        write_text(folder / QUERIES, render_queries(report, neighbours, folder))
    shown = set(pictured(report["retrievals"]))
    images = data_uris({key: path for key, path in report["thumbnails"].items() if key in shown}, folder)
    experiments = experiment_sections(folder.parent)
    browsable = neighbours is not None
    write_text(folder / "report.html", render_html(report, images, experiments, browsable))
    paths = {key: report["thumbnails"][key] for key in images}
    write_text(folder / "report.md", render_markdown(report, paths, experiments, browsable))


def remove_pages(folder: Path) -> None:
    """Delete the pages in `folder`, which are of another record."""
    for name in PAGES:
        remove_file(folder / name)


def render_html(
    report: Mapping[str, Any],
    images: Mapping[str, str],
    experiments: Sequence[Mapping[str, Any]] = (),
    browsable: bool = False,
) -> str:
    """The page as one self-contained HTML document; `images`: key -> data URI; browsable: whether there is queries.html."""
    context = _context(report, images, experiments, browsable)
    return environment(visible).get_template("report.html").render(context)


def render_markdown(
    report: Mapping[str, Any],
    images: Mapping[str, str],
    experiments: Sequence[Mapping[str, Any]] = (),
    browsable: bool = False,
) -> str:
    """The same content as Markdown with pipe tables; `images`: key -> path relative to the file."""
    context = _context(report, images, experiments, browsable)
    return pages.tidied(environment(markdown).get_template("report.md").render(context))


def _context(
    report: Mapping[str, Any],
    images: Mapping[str, str],
    experiments: Sequence[Mapping[str, Any]],
    browsable: bool,
) -> dict[str, Any]:
    chosen_by = "CLAY" if any("clay" in r["methods"] for r in report["retrievals"]) else "the first method"
    first = primary(report)
    sentence = headline(report)
    claim, _, numbers = sentence.partition(": ")
    methods = method_sections(report)
    roles = Counter(method["role"] for method in methods)
    return {
        "report": report,
        "headline": sentence,
        "claim": claim,
        "numbers": numbers,
        "combined": comparison(report, several=True) if comparison(report, several=False) else None,
        "notices": notices(report),
        "entities": entity_sections(report, images),
        "methods": methods,
        "roles": [
            (f"{name}s" if name != "privileged" else name, roles[name]) for name in ROLES if roles[name]
        ],
        "protocol": protocol(report),
        "rule": RULE.format(method=chosen_by, measure="average precision" if first == "AP" else first),
        "identity": [
            (name, value) for name, value in report["inputs"]["encoder"].items() if name != "demonstration"
        ],
        "experiments": experiments,
        "unpictured": report["inputs"]["data"].get("kind") == "labels",
        "queries": QUERIES if browsable else "",
        "primary": first,
        "measure": measure_title(first),
        "confidence": f"{100 * report['settings']['confidence']:g}",
        "ours_note": f"{OURS_NOTE}.",
        "legend": lambda table: legend(report, table),
        "asked": asked,
        "percent": percent,
        "factor": factor,
    }


def legend(report: Mapping[str, Any], table: Table) -> str:
    """The signs of a table in words; nothing where it has none."""
    settings, said = report["settings"], []
    compared = any(c["entity"] == table.entity and c["metric"] == table.metric for c in report["comparisons"])
    if compared and settings["reference"] is not None:
        whole = settings["resample"] == "combinations"
        items = "combinations of labels, each one observation" if whole else "queries"
        said.append(
            f"▲ significantly better, ▼ significantly worse than {settings['reference']} on the same {items} (p below "
            f"{settings['alpha']:g} after Holm's correction); no sign: no significant difference."
        )
    if table.seeds:
        said.append(f"± standard deviation between the means of {len(settings['seeds'])} seeds.")
    if table.ours:
        said.append(f"{OURS_NOTE}.")
    return " ".join(said)


def environment(finalize: Callable[[object], object]) -> Environment:
    """Jinja with our templates and filters; every value passes `finalize` and is escaped for HTML."""
    made = pages.environment(__package__, finalize)
    made.filters["compact"] = _compact
    made.filters["thousands"] = lambda number: f"{number:,}"
    made.filters["decimal"] = lambda number: "–" if number is None else f"{number:.3f}"
    made.filters["places"] = lambda number: f"{number:.2f}"
    return made


def _compact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
