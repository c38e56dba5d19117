"""The protocol of a report in words, made from its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..retrieval.split_kinds import SPLITS
from ..scoring.measures import FAMILIES, measure_title
from .roles import method_title

_TIES = {
    "expected": "Images with equal similarity count with the score expected of them in random order",
    "pessimistic": "Of images with equal similarity the wrong ones come first",
}


def protocol(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(what, how) of the protocol, in words."""
    settings = report["settings"]
    children = _dependent(report)
    lines = [
        ("Split", _split(settings)),
        (
            "Relevance",
            "An image of the database is relevant if its labels equal the query's in all conditions asked for.",
        ),
        ("Measures", _measures(settings["measures"])),
        ("Ties", f"{_TIES[settings['ties']]}; the order in which files lie decides nothing."),
        (
            "Left out",
            "Queries with nothing relevant in the database are counted and left out of the mean.",
        ),
        ("Chance", "What a ranking in random order scores: the floor under every number."),
        ("Interval", _interval(settings)),
        (
            "Subspace",
            f"At most {settings['n_components']} components for CLAY where a method's name says nothing else, clamped to "
            "the rank of the condition's texts; the number used is listed with the methods.",
        ),
    ]
    if report["comparisons"]:
        lines.insert(-1, ("Comparison", _comparison(report)))
    if weights := {name: weight for name, weight in (settings.get("weights") or {}).items() if weight != 1}:
        said = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        lines.append(("Weights", f"Of several conditions at once: {said}, all others 1."))
    if settings.get("fit_images"):
        lines.append(
            (
                "Fit",
                f"Methods are fitted on {settings['fit_images']:,} images of each database; all are ranked.",
            )
        )
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


def _dependent(report: Mapping[str, Any]) -> list[str]:
    """The conditions that were retrieved within their parent's values."""
    grouped = any(f.get("group") for method in report["methods"].values() for f in method["fitted"])
    return sorted(
        f"{name} (by {a['parent']})"
        for e in report["entities"].values()
        for name, a in e["attributes"].items()
        if a["parent"] and grouped
    )


def _split(settings: Mapping[str, Any]) -> str:
    seeds = settings["seeds"]
    kind = SPLITS.get(settings["split"])
    if kind is None:  # of a plug-in that is not installed here
        return f"{settings['split']}; the split is recorded in report.json."
    drawn = (
        f"drawn with seed {seeds[0]}"
        if len(seeds) == 1
        else f"drawn anew with each of the seeds {', '.join(map(str, seeds))}; means are over the splits"
    )
    return kind.sentence(f"{100 * settings['query_share']:g} %", drawn)


def _measures(names: Sequence[str]) -> str:
    said = []
    for name in names:
        family = FAMILIES.get(name) or FAMILIES.get(name.rpartition("@")[0])
        said.append(f"{measure_title(name)}: {family.description}" if family else name)
    return ". ".join(["The mean over queries of each", *said]) + "."


def _interval(settings: Mapping[str, Any]) -> str:
    clustered = settings["resample"] == "combinations"
    over = "combinations of labels (queries that share all labels count as one)" if clustered else "queries"
    confidence = f"{100 * settings['confidence']:g} %"
    how = (
        f"{confidence} bootstrap over the {over}, {settings['bootstrap_draws']:,} draws"
        if "interval" not in settings
        else f"{confidence}, Student's t with Hall's correction for skewness, over {over}"
    )
    meant = (
        "It says how far the mean would move with other combinations of labels and other pictures of them."
        if clustered
        else "It says how far the mean would move with other pictures of the same combinations of labels; where pictures of "
        "one combination score alike (the intraclass correlation, icc, in report.json), it is too narrow for others."
    )
    return f"{how}. {meant} It does not cover the making of the pictures."


def _comparison(report: Mapping[str, Any]) -> str:
    settings = report["settings"]
    whole = " of whole combinations of labels" if settings["resample"] == "combinations" else ""
    return (
        f"Methods are compared with {method_title(report, settings['reference'])} on the same queries: intervals of "
        f"the differences, p-values by a two-sided paired randomisation test of {settings['randomisations']:,} sign "
        f"flips{whole} (which assume differences as likely to be above as below 0 by the same amount, if the methods are "
        "equal), "
        f"corrected by Holm over all comparisons of an entity and called significant below {settings['alpha']:g}. The "
        "effect size is Cohen's d_z: the mean of the differences over their standard deviation."
    )
