"""Writes report.md and report.html from a report's record and the thumbnails beside it.

The record may come from a stranger: it is checked against its schema, every value is escaped for the language of the
page, and pictures are read from the report's own folder only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from clay_eval.schemas.files import write_text
from clay_eval.schemas.validate import check

from .retrievals import RULE
from .sections import asked, entity_sections, method_sections, protocol
from .summary import comparison, headline, notices
from .tables import factor, percent
from .thumbnails import data_uris

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]{}|#!~$^])")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def write_pages(report: dict[str, Any], folder: Path) -> None:
    """Write `folder`/report.html and `folder`/report.md, each whole or not at all.

    Thumbnails are read from `folder`/thumbnails; those missing there are shown as a placeholder. The same report and
    thumbnails give the same bytes. Raises InputError if the record does not fit the schema "report".
    """
    check(report, "report", folder / "report.json")
    images = data_uris(report["thumbnails"], folder)
    write_text(folder / "report.html", render_html(report, images))
    write_text(
        folder / "report.md", render_markdown(report, {key: report["thumbnails"][key] for key in images})
    )


def render_html(report: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """The page as one self-contained HTML document; `images`: key -> data URI."""
    return _environment(_visible).get_template("report.html").render(_context(report, images))


def render_markdown(report: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """The same content as Markdown with pipe tables; `images`: key -> path relative to the file."""
    text = _environment(markdown).get_template("report.md").render(_context(report, images))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def markdown(value: object) -> Markup:
    """`value` as text that Markdown shows as it is, on one line: no markup, no link, no table bar survives."""
    if isinstance(value, Markup):
        return value
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\1", _visible(value))
    entities = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(entities.replace("://", ":&#47;&#47;").replace("www.", "www&#46;"))  # noqa: S704


def _visible(value: object) -> str:
    """Text without control characters and without those that turn the direction of writing."""
    return value if isinstance(value, Markup) else _INVISIBLE.sub(" ", str(value))


def _context(report: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, Any]:
    chosen_by = "CLAY" if any("clay" in r["methods"] for r in report["retrievals"]) else "the first method"
    sentence = headline(report)
    claim, _, numbers = sentence.partition(": ")
    return {
        "report": report,
        "headline": sentence,
        "claim": claim,
        "numbers": numbers,
        "combined": comparison(report, several=True) if comparison(report, several=False) else None,
        "notices": notices(report),
        "entities": entity_sections(report, images),
        "methods": method_sections(report),
        "protocol": protocol(report),
        "rule": RULE.format(method=chosen_by),
        "identity": [
            (name, value) for name, value in report["inputs"]["encoder"].items() if name != "demonstration"
        ],
        "asked": asked,
        "percent": percent,
        "factor": factor,
    }


def _environment(finalize: Callable[[object], object]) -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["compact"] = _compact
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["decimal"] = lambda number: "–" if number is None else f"{number:.3f}"
    environment.filters["places"] = lambda number: f"{number:.2f}"
    return environment


def _template(name: str) -> str:
    return resources.files(f"{__package__}.templates").joinpath(name).read_text("utf-8")


def _compact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
