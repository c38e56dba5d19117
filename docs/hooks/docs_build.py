"""What mkdocs runs while it builds: parts that come from the code are made, and formulas become MathML.

`<!-- make: NAME -->` on a line of its own is replaced by what `MAKERS[NAME]` returns. `<!-- run -->`, `<!-- run: CODE -->`,
`<!-- output -->`, `<!-- file: NAME -->` and `<!-- start: NAME -->` are for the tests (tests/docs), and are taken out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any

import docs_api
import docs_commands
import docs_contracts
import docs_tables

MAKERS: Mapping[str, Callable[[], str]] = {
    "api": docs_api.api,
    "stages": docs_api.stages,
    "askable": docs_tables.askable,
    "commands": docs_commands.commands,
    "contracts": docs_contracts.contracts,
    "datasets": docs_tables.datasets,
    "exit-codes": docs_tables.exit_codes,
    "fusions": docs_tables.fusions,
    "measures": docs_tables.measures,
    "methods": docs_tables.methods,
}
_MAKE = re.compile(r"^<!-- make: ([\w-]+) -->$", re.MULTILINE)
_MARKER = re.compile(r"^ *<!-- (?:run|output|file|start)(?:: [\w./-]+)? -->\n", re.MULTILINE)
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def expanded(markdown: str) -> str:
    """Markdown with its generated parts in place; raises KeyError for a part that nothing makes."""
    return _MAKE.sub(lambda found: MAKERS[found[1]](), markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with the source of a page."""
    return expanded(_MARKER.sub("", markdown))


def on_page_content(content: str, **_: Any) -> str:
    """Called by mkdocs with a page's HTML."""
    return _FORMULA.sub(_formula, content)


def _formula(found: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    block = found[1] == "div"
    formula = convert(html.unescape(found[3]).strip(), display="block" if block else "inline")
    return f'<div class="formula">{formula}</div>' if block else formula
