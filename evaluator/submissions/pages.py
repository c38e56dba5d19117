"""The leaderboard as one page that sorts, without a server or network, and as Markdown.

What strangers wrote reaches the page as escaped text only; its policy lets nothing run but its own script (by hash), and
nothing be fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clay_eval.schemas.escaping import markdown
from clay_eval.schemas.pages import environment, only_script, policy, template, tidied

from ..retrieval.split_kinds import SPLITS
from ..scoring.measures import measure_title
from .gathering import COMPUTED

_ABSENT = "–"
_REPORT = "clay_eval.evaluator.report"
"""Its style sheet is the leaderboard's, too."""


def render_html(board: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document; the same board gives the same bytes."""
    script = template(__package__, "leaderboard.js")
    return (
        environment(__package__)
        .get_template("leaderboard.html")
        .render(
            style=f"{template(_REPORT, 'report.css')}\n{template(__package__, 'leaderboard.css')}",
            script=script,
            policy=policy(only_script(script), "base-uri 'none'", "form-action 'none'"),
            **_context(board),
        )
    )


def render_markdown(board: Mapping[str, Any]) -> str:
    """The same tables as Markdown with pipe tables."""
    return tidied(environment(__package__, markdown).get_template("leaderboard.md").render(_context(board)))


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
    how = "over" if "interval" in settings else f"{settings['bootstrap_draws']:,} draws of"
    parts.append(f"{100 * settings['confidence']:g} % intervals, {how} {what}")
    return "; ".join(parts)


def percent(value: float | None) -> str:
    """A share in percent with one decimal, or a dash."""
    return _ABSENT if value is None else f"{100 * value:.1f}"


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
