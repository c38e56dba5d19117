"""What a report says in a sentence: who wins, by how much, and what the numbers do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..scoring.measures import measure_title
from .roles import CLAY, RAW, RIVAL, is_ours, method_title, primary, role
from .tables import mean, percent, ratio

DEMONSTRATION = (
    "These are demonstration models, trained by this project on drawn pictures; the numbers say nothing about real "
    "photographs."
)
DRAWN = "The pictures were drawn by this project's own code, from their labels; none is a photograph."
PAINTED = (
    "The pictures were made by a small demonstration diffusion model, which this project trained on its own drawings; none "
    "is a photograph."
)

PAGES = "pages"
"""In what a report records: false where it was made without what pages show beside numbers."""
WITHOUT_PAGES = (
    "Evaluated with --no-pages: what is found first, maps and pictures are not here; the same command without it adds "
    "them."
)


def headline(report: Mapping[str, Any]) -> str:
    """The outcome on single conditions in one sentence, or on combinations where there are no single ones."""
    return comparison(report, several=False) or comparison(report, several=True) or "Nothing was scored."


def comparison(report: Mapping[str, Any], *, several: bool) -> str | None:
    """A sentence on single conditions, or on combinations of them; None if nothing of the kind was scored.

    It speaks of CLAY against raw by the primary measure, and then of another method if one is ahead of CLAY. Controls and
    privileged methods are never called ahead or best.
    """
    metric = primary(report)
    results = [
        r
        for r in report["results"]
        if (len(r["conditions"]) > 1) == several
        and r["metric"] == metric
        and r["value"] is not None
        and role(report, r["method"]) == RIVAL
    ]
    if not results:
        return None
    pairs = _pairs(results)
    if not pairs:
        return _leader(report, results, several)
    return " ".join(
        filter(None, [_against_raw(report, pairs, several, metric), _rival(report, results, several)])
    )


def _against_raw(
    report: Mapping[str, Any],
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    several: bool,
    metric: str,
) -> str:
    """CLAY and raw over the results both have.

    CLAY wins a condition clearly where the paired comparison of the two, which the tables' signs show, is significant; where
    they were not compared, if its interval lies above raw's. A mean ahead without a clear win is not called a win.
    """
    measure, tested = measure_title(metric), _tested(report, metric)
    clay, raw = mean([c["value"] for c, _ in pairs]) or 0.0, mean([r["value"] for _, r in pairs]) or 0.0
    chance = mean([c["chance"] for c, _ in pairs])
    signs = [tested.get(_asked(c), _above(c, r) - _above(r, c)) for c, r in pairs]
    wins, losses = signs.count(1), signs.count(-1)
    asked = "two or more conditions at once" if several else "one condition"
    numbers = (
        f"{measure} {percent(clay)} against {percent(raw)} for raw cosine, mean over {_count(len(pairs), several)}, "
        f"chance {percent(chance)}"
    )
    if clay > raw and wins == len(pairs):
        how = f"Asked for {asked}, CLAY still finds it" if several else "CLAY finds what you ask for"
        times = ratio(clay, raw)
        return f"{how}: {numbers}{f' ({times:.1f} times raw)' if times is not None and times >= 1.1 else ''}."
    score = f"clearly better on {wins} of {len(pairs)}, clearly worse on {losses or 'none'}"
    if clay > raw and wins > losses:
        return f"Asked for {asked}, CLAY is ahead of raw cosine on average: {numbers}; {score}."
    if raw > clay and losses > wins:
        return f"Asked for {asked}, CLAY loses to raw cosine here: {numbers}; {score}."
    return f"Asked for {asked}, CLAY and raw cosine are not clearly apart: {numbers}; {score}."


def notices(report: Mapping[str, Any]) -> list[str]:
    """What a reader must know before believing a number: demonstration models, drawn pictures; and what is not shown."""
    renderer = str(report["inputs"]["data"].get("renderer") or "")
    said = [DEMONSTRATION] if report["inputs"]["encoder"]["demonstration"] else []
    if renderer.startswith("procedural"):
        said.append(DRAWN)
    if renderer == "diffusion: embedded":
        said.append(PAINTED)
    return said if report.get("recorded", {}).get(PAGES, True) else [*said, WITHOUT_PAGES]


def _pairs(results: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(CLAY's result, raw's result) of every entity, encoder and set of conditions that has both."""
    raw = {_place(r): r for r in results if r["method"] == RAW}
    return [(r, raw[_place(r)]) for r in results if r["method"] == CLAY and _place(r) in raw]


def _place(result: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    return result["entity"], result["encoder"], tuple(result["conditions"])


def _tested(report: Mapping[str, Any], metric: str) -> dict[tuple[str, tuple[str, ...]], int]:
    """(entity, conditions) -> 1 where CLAY is significantly better than raw, -1 where worse, else 0; as far as compared."""
    found = {}
    for row in report["comparisons"]:
        if row["metric"] == metric and {row["method"], row["reference"]} == {CLAY, RAW}:
            ahead = 1 if (row["difference"] > 0) == (row["method"] == CLAY) else -1
            found[_asked(row)] = ahead if row["significant"] else 0
    return found


def _asked(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return row["entity"], tuple(row["conditions"])


def _above(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the interval of `one` lies above the other's; without intervals nothing is clear."""
    if one["ci_low"] is None or other["ci_high"] is None:
        return False
    return bool(one["ci_low"] > other["ci_high"])


def _count(n: int, several: bool) -> str:
    noun = "combination" if several else "single condition"
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _means(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Method -> mean value, for the methods that were scored on all places that any was."""
    values: dict[str, dict[object, float]] = {}
    for result in results:
        values.setdefault(result["method"], {})[_place(result)] = result["value"]
    places = {_place(result) for result in results}
    return {method: sum(v.values()) / len(v) for method, v in values.items() if v.keys() == places}


def _rival(report: Mapping[str, Any], results: Sequence[Mapping[str, Any]], several: bool) -> str | None:
    """A sentence on the best other method, where its mean is above CLAY's in the tables' one decimal."""
    means = _means(results)
    best = max(means, key=lambda method: means[method], default=CLAY)
    if best in (CLAY, RAW) or CLAY not in means or round(100 * (means[best] - means[CLAY]), 1) <= 0:
        return None
    where = " on combinations" if several else ""
    whose = ", this project's own method," if is_ours(report, best) else ""
    return (
        f"{method_title(report, best)}{whose} is ahead of CLAY{where}, with a mean of {percent(means[best])}."
    )


def _leader(report: Mapping[str, Any], results: Sequence[Mapping[str, Any]], several: bool) -> str:
    """The best mean among the methods that were scored, when CLAY or raw is not among them."""
    values: dict[str, list[float]] = {}
    for result in results:
        values.setdefault(result["method"], []).append(result["value"])
    means = {method: sum(v) / len(v) for method, v in values.items()}
    best = max(means, key=lambda method: means[method])
    chance = mean([r["chance"] for r in results if r["method"] == best])
    return (
        f"{method_title(report, best)} has the highest mean: {measure_title(primary(report))} {percent(means[best])} over "
        f"{_count(len(values[best]), several)}, chance {percent(chance)}; CLAY and raw cosine were not both scored."
    )
