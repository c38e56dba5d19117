"""The leaderboard as one page that sorts, without a server or network, and as Markdown.

What strangers wrote reaches the page as escaped text only; its policy lets nothing run but its own script (by hash), and
nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from clay_eval.schemas.escaping import markdown, visible

from ..report.pages import template as report_template
from ..retrieval.split_kinds import SPLITS
from ..scoring.measures import measure_title
from .gathering import COMPUTED

_ABSENT = "–"


def render_html(board: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document; the same board gives the same bytes."""
    script = _template("leaderboard.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment(visible)
        .get_template("leaderboard.html")
        .render(
            style=f"{report_template('report.css')}\n{_template('leaderboard.css')}",
            script=script,
            policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
            "base-uri 'none'; form-action 'none'",
            **_context(board),
        )
    )


def render_markdown(board: Mapping[str, Any]) -> str:
    """The same tables as Markdown with pipe tables."""
    text = _environment(markdown).get_template("leaderboard.md").render(_context(board))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _context(board: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "board": board,
        "ranked": board["scores"] == COMPUTED,
        "tables": [_table(table) for table in board["tables"]],
        "percent": percent,
        "signs": {"better": "▲", "worse": "▼", "": ""},
        "alpha": f"{board['alpha']:g}",
        "draws": f"{board['randomisations']:,}",
    }


def _table(table: Mapping[str, Any]) -> dict[str, Any]:
    names = [row["method"]["name"] for row in table["rows"]]
    rows = [
        {**row, "title": title(row, names.count(row["method"]["name"]) > 1), "said": said(row["method"])}
        for row in table["rows"]
    ]
    first = [row["title"] for row in rows if row["rank"] == 1]
    return {
        **table,
        "rows": rows,
        "title": measure_title(table["measure"]),
        "how": protocol(table["settings"]),
        "leader": next((row["title"] for row in rows if row["rank"] == 1 and row["p"] is None), None),
        "level": first[1:],
        "several": table["combinations"] > 0,
    }


def title(row: Mapping[str, Any], twice: bool) -> str:
    """A method's name and version; its folder, too, where another method has that name."""
    method = row["method"]
    named = f"{method['name']} {method['version']}".strip()
    return f"{named} ({row['submission']})" if twice else named


def said(method: Mapping[str, Any]) -> dict[str, str]:
    """What a submission says of its method, in words."""
    seen = method["conditions_seen"]
    return {
        "training": method["training_data"] or "not said",
        "seen": "not said" if seen is None else ", ".join(seen) or "none",
        "told": "yes" if method["privileged"] else "no",
        "time": _ABSENT if method["seconds"] is None else duration(method["seconds"]),
        "hardware": method["hardware"] or "not said",
        "encoder": method["encoder"] or _ABSENT,
        "form": method["format"]
        if not method["depth"]
        else f"{method['format']}, the first {method['depth']:,}",
    }


def duration(seconds: float) -> str:
    """Seconds as one reads them.

    >>> duration(0.04), duration(12.31), duration(90), duration(7300)
    ('0.04 s', '12 s', '1.5 min', '2.0 h')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def protocol(settings: Mapping[str, Any]) -> str:
    """The settings of a table in words."""
    kind = SPLITS[settings["split"]]
    seeds = settings["seeds"]
    parts = [kind.short(f"{100 * (settings['query_share'] or 0):g} %")]
    if kind.drawn:
        parts.append(f"{'seed' if len(seeds) == 1 else 'means over the seeds'} {_listed(seeds)}")
    if settings["split_sha256"]:
        parts.append(f"split file {settings['split_sha256'][:12]}")
    parts.append(
        "equal scores count their expectation"
        if settings["ties"] == "expected"
        else "of equal scores the worst order counts"
    )
    what = "combinations of labels" if settings["resample"] == "combinations" else "queries"
    parts.append(
        f"{100 * settings['confidence']:g} % intervals, {settings['bootstrap_draws']:,} draws of {what}"
    )
    return "; ".join(parts)


def percent(value: float | None) -> str:
    """A share in percent with one decimal, or a dash."""
    return _ABSENT if value is None else f"{100 * value:.1f}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _environment(finalize: Callable[[object], object]) -> Environment:
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> str:
    return resources.files(f"{__package__}.templates").joinpath(name).read_text("utf-8")
