"""What each section of the pages shows, picked from the report's record; the templates only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..scoring.measures import measure_title
from .comparisons import best_rivals, build_forest
from .hard_negatives import CAPTION, TITLE, hard_tables
from .plots import Series, label_styles, scatter, shares, tracks
from .roles import CLAY, RAW, is_ours, method_title, needs, role
from .tables import build_table, percent

CHARTED = 5


def asked(conditions: Sequence[str]) -> str:
    """A set of conditions as a heading: "age + action"."""
    return " + ".join(conditions)


def entity_sections(report: Mapping[str, Any], images: Mapping[str, str]) -> list[dict[str, Any]]:
    """One section an entity, in the report's order. `images`: key -> data URI or path of what to show for it."""
    return [_entity(report, name, images) for name in report["entities"]]


def method_sections(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every method with its class, its parameters, what it is given and the range of components it ended up with."""
    sections = []
    for name, method in report["methods"].items():
        used = [n for f in method["fitted"] if (n := f.get("n_components")) is not None]
        span = "" if not used else str(used[0]) if min(used) == max(used) else f"{min(used)} to {max(used)}"
        parameters = {k: v for k, v in method["parameters"].items() if (k, v) != ("fusion", "stack")}
        sections.append(
            {
                "name": name,
                "title": method_title(report, name),
                "target": method["target"],
                "parameters": ", ".join(f"{key} = {value}" for key, value in parameters.items()),
                "sees": ", ".join(what.replace("_", " ") for what in method["sees"]),
                "needs": needs(report, name),
                "role": role(report, name),
                "ours": is_ours(report, name),
                "components": span,
            }
        )
    return sections


def charted(report: Mapping[str, Any]) -> list[str]:
    """The methods that charts show: raw, the reference, and the best other rivals, CHARTED in all, in the order asked."""
    first = [name for name in (RAW, report["settings"]["reference"] or CLAY) if name in report["methods"]]
    chosen = {*first, *best_rivals(report, first, CHARTED - len(first))}
    return [name for name in report["settings"]["methods"] if name in chosen]


def _chart(report: Mapping[str, Any], tables: Sequence[Any]) -> dict[str, Any]:
    """Series and lines of an entity's dot chart; raw is always the first series, CLAY or the reference the second."""
    names = charted(report)
    own = {RAW: 0, (report["settings"]["reference"] or CLAY): 1}
    free = iter([n for n in range(CHARTED) if n not in {own[name] for name in names if name in own}])
    styles = {name: own[name] if name in own else next(free) for name in names}
    series = [Series(name, method_title(report, name), styles[name]) for name in names]
    return {
        "series": series,
        "tracks": tracks(tables, series),
        "some": len(names) < len({row.method for table in tables if table for row in table.rows}),
    }


def _entity(report: Mapping[str, Any], name: str, images: Mapping[str, str]) -> dict[str, Any]:
    entity = report["entities"][name]
    tables = [build_table(report, name, several=several) for several in (False, True)]
    forests = [build_forest(report, name, several=several) for several in (False, True)]
    further = {
        measure: [build_table(report, name, several=several, metric=measure) for several in (False, True)]
        for measure in report["settings"]["measures"][1:]
    }
    shown = [r for r in report["retrievals"] if r["entity"] == name]
    hard = hard_tables(report, name)
    return {
        "name": name,
        "title": entity["title"] or name,
        "images": entity["images"],
        "queries": entity["queries"],
        "database": entity["database"],
        "attributes": {
            attribute: {"values": len(a["values"]), "parent": a["parent"], "shares": shares(a["values"])}
            for attribute, a in entity["attributes"].items()
        },
        "tables": [(title, table) for title, table in zip(_TABLE_TITLES, tables, strict=True) if table],
        "chart": _chart(report, tables),
        "forests": [(title, forest) for title, forest in zip(_TABLE_TITLES, forests, strict=True) if forest],
        "further": [
            {
                "title": measure_title(measure),
                "tables": [
                    (title, table) for title, table in zip(_TABLE_TITLES, found, strict=True) if table
                ],
            }
            for measure, found in further.items()
            if any(found)
        ],
        "hard": {"title": TITLE, "caption": CAPTION, "tables": hard} if hard else None,
        "failures": [f for f in report["failures"] if f["entity"] == name],
        "retrievals": _by_conditions([_retrieval(report, r, images) for r in shown]),
        "maps": _maps(report, name),
        "coverage": _coverage(entity),
    }


_TABLE_TITLES = ("One condition at a time", "Several conditions at once")


def _by_conditions(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(tuple(item["conditions"]), []).append(item)
    return [{"title": asked(c), "several": len(c) > 1, "items": group} for c, group in groups.items()]


def _retrieval(
    report: Mapping[str, Any], shown: Mapping[str, Any], images: Mapping[str, str]
) -> dict[str, Any]:
    conditions = shown["conditions"]

    def picture(item: Mapping[str, Any]) -> dict[str, Any]:
        labels = item["labels"]
        return {
            "key": item["key"],
            "image": images.get(item["key"]),
            "caption": ", ".join(labels.get(c, "?") for c in conditions),
            "labels": ", ".join(f"{name}: {value}" for name, value in labels.items()),
        }

    return {
        "conditions": conditions,
        "choice": shown["choice"],
        "group": shown.get("group"),
        "query": picture(shown["query"]),
        "ranked": [
            {
                "method": method,
                "title": method_title(report, method),
                "ap": percent(ranked["ap"]),
                "hits": sum(n["relevant"] for n in ranked["neighbours"]),
                "neighbours": [
                    {**picture(n), "relevant": n["relevant"], "score": f"{n['score']:.3f}"}
                    for n in ranked["neighbours"]
                ],
            }
            for method, ranked in shown["methods"].items()
        ],
    }


def _maps(report: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for drawn in report["maps"]:
        if drawn["entity"] == name and len(drawn["points"]) == len(drawn["labels"]):
            groups.setdefault((asked(drawn["conditions"]), drawn.get("group")), []).append(drawn)
    sections = []
    for (title, group), drawn_maps in groups.items():
        styles = label_styles([label for drawn in drawn_maps for label in drawn["labels"]])
        views = [
            {
                "method": drawn["method"],
                "title": method_title(report, drawn["method"]),
                "technique": drawn["technique"],
                "points": len(drawn["points"]),
                "marks": scatter(drawn["points"], drawn["labels"], styles),
            }
            for drawn in drawn_maps
        ]
        sections.append({"title": title, "group": group, "views": views, "legend": views[0]["marks"]})
    return sections


def _coverage(entity: Mapping[str, Any]) -> dict[str, Any] | None:
    coverage = entity["coverage"]
    if coverage is None:
        return None
    core = set(entity["attributes"])
    pairs = [
        {"title": pair.replace("|", " × "), "core": set(pair.split("|")) <= core, **association}
        for pair, association in coverage["pairs"].items()
    ]
    return {
        "combinations": coverage["combinations"],
        "samples": coverage["samples"],
        "exclusions": [
            {
                "when": ", ".join(f"{name}: {_listed(values)}" for name, values in exclusion["when"].items()),
                "reason": exclusion["reason"],
                "combinations": exclusion["combinations"],
            }
            for exclusion in coverage["exclusions"]
        ],
        "core": {n: shares(counts) for n, counts in coverage["values"].items() if n in core},
        "diversity": {n: shares(counts) for n, counts in coverage["values"].items() if n not in core},
        "pairs": [pair for pair in pairs if pair["core"]],
        "diversity_pairs": [pair for pair in pairs if not pair["core"]],
    }


def _listed(values: Any) -> str:
    return " or ".join(map(str, values)) if isinstance(values, list) else str(values)
