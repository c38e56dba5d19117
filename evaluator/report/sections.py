"""What each section of the pages shows, picked from the report's record; the templates only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .plots import label_styles, scatter, shares, tracks
from .tables import build_table, method_title, percent

_TIES = {
    "expected": "Images with equal similarity count with the average precision expected of them in random order",
    "pessimistic": "Of images with equal similarity the wrong ones come first",
}
_FORMULAS = {
    "standard": "AP is the mean, over the relevant images, of the precision at the rank of each (1/R Σ precision)",
    "trapezoid": "AP is the area under the precision-recall curve by trapezoids, as the Oxford and Paris tools have it",
}


def asked(conditions: Sequence[str]) -> str:
    """A set of conditions as a heading: "age + action"."""
    return " + ".join(conditions)


def entity_sections(report: Mapping[str, Any], images: Mapping[str, str]) -> list[dict[str, Any]]:
    """One section an entity, in the report's order. `images`: key -> data URI or path of what to show for it."""
    return [_entity(report, name, images) for name in report["entities"]]


def protocol(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, how) of the protocol, in words made from the report's settings."""
    settings = report["settings"]
    share = settings["query_share"]
    grouped = any(f.get("group") for method in report["methods"].values() for f in method["fitted"])
    children = sorted(
        f"{name} (by {a['parent']})"
        for e in report["entities"].values()
        for name, a in e["attributes"].items()
        if a["parent"] and grouped
    )
    lines = [
        (
            "Split",
            f"{100 * share:g} % of each entity's images are queries, the rest is the database, "
            f"drawn with seed {settings['seed']}; the split is recorded in report.json.",
        ),
        (
            "Relevance",
            "An image of the database is relevant if its labels equal the query's in all conditions asked for.",
        ),
        ("Metric", f"mAP over the full ranking. {_FORMULAS[settings['formula']]}."),
        (
            "Ties",
            f"{_TIES[settings['ties']]}; the order in which files lie decides nothing.",
        ),
        (
            "Left out",
            "Queries with nothing relevant in the database are counted and left out of the mean.",
        ),
        ("Chance", "What a ranking in random order scores: the floor under every number."),
        (
            "Interval",
            f"{100 * settings['confidence']:g} % bootstrap over the queries, {settings['bootstrap_draws']} draws. "
            "It covers the choice of queries, not the making of the pictures.",
        ),
        (
            "Subspace",
            f"At most {settings['n_components']} components, clamped to the rank of the condition's texts; "
            "the number used is listed with the methods.",
        ),
    ]
    if children:
        lines.insert(
            2,
            (
                "Dependent conditions",
                f"For {', '.join(children)} each value of the parent is a database of its own, where only its images are "
                "ranked, unless the parent is asked for too; the mean is over these databases.",
            ),
        )
    return lines


def method_sections(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every method with its class, its parameters and the range of components it ended up with."""
    sections = []
    for name, method in report["methods"].items():
        used = [f["n_components"] for f in method["fitted"] if f["n_components"] is not None]
        span = "" if not used else str(used[0]) if min(used) == max(used) else f"{min(used)} to {max(used)}"
        sections.append(
            {
                "name": name,
                "title": method_title(report, name),
                "target": method["target"],
                "parameters": ", ".join(f"{key} = {value}" for key, value in method["parameters"].items()),
                "components": span,
            }
        )
    return sections


def _entity(report: Mapping[str, Any], name: str, images: Mapping[str, str]) -> dict[str, Any]:
    entity = report["entities"][name]
    tables = [build_table(report, name, several=several) for several in (False, True)]
    shown = [r for r in report["retrievals"] if r["entity"] == name]
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
        "tracks": tracks(tables),
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
