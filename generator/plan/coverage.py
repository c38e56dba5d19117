"""What a plan covers: counts per value and pair of values, and how far attributes go together.

Association is Cramer's V and normalised mutual information (by the mean of the two entropies), both 0 for independent
attributes and V = 1 where one decides the other: over all combinations before exclusions, and over the planned samples.
"""

from __future__ import annotations

from itertools import combinations as pairs_of
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .combinations import Plan

_BLOCK = 1 << 16


def cramers_v(table: NDArray[np.int64]) -> float:
    """Cramer's V of a contingency table, sqrt(chi2 / (n (min(rows, columns) - 1))); 0 if a side has one value."""
    rows, columns = table.sum(1) > 0, table.sum(0) > 0
    table = table[rows][:, columns]
    if min(table.shape) < 2:
        return 0.0
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    chi2 = ((table - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi2 / (table.sum() * (min(table.shape) - 1))))


def normalised_mutual_information(table: NDArray[np.int64]) -> float:
    """I(A; B) / ((H(A) + H(B)) / 2) of a contingency table; 0 if a side has one value."""
    joint = table / table.sum()
    a, b = joint.sum(1), joint.sum(0)
    mean = (_entropy(a) + _entropy(b)) / 2
    if mean == 0:
        return 0.0
    return max(0.0, float((_entropy(a) + _entropy(b) - _entropy(joint.ravel())) / mean))


def _entropy(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def coverage(plan: Plan) -> dict[str, Any]:
    """The coverage record of a plan (JSON-able); memory grows with the number of value pairs, not of samples."""
    spec = plan.spec
    core = plan.combinations.attributes
    attributes = (*core, *spec.diversity)
    sizes = [len(a.values) for a in attributes]
    keys = list(pairs_of(range(len(attributes)), 2))
    after = {(i, j): np.zeros((sizes[i], sizes[j]), np.int64) for i, j in keys}
    values = [np.zeros(size, np.int64) for size in sizes]
    for start in range(0, len(plan), _BLOCK):
        stop = min(start + _BLOCK, len(plan))
        codes = np.column_stack([plan.core_codes(start, stop), plan.diversity_codes(start, stop)])
        for i, size in enumerate(sizes):
            values[i] += np.bincount(codes[:, i], minlength=size)
        for i, j in keys:
            after[i, j] += _table(codes[:, i], codes[:, j], sizes[i], sizes[j])
    everything = plan.combinations.codes
    pairs = {}
    for i, j in keys:
        before = None
        if j < len(core):
            before = _table(everything[:, i], everything[:, j], sizes[i], sizes[j])
        pairs[f"{attributes[i].name}|{attributes[j].name}"] = {
            "cramers_v": {"before": _rounded(cramers_v, before), "after": _rounded(cramers_v, after[i, j])},
            "nmi": {
                "before": _rounded(normalised_mutual_information, before),
                "after": _rounded(normalised_mutual_information, after[i, j]),
            },
            "counts": {
                f"{a}|{b}": int(after[i, j][x, y])
                for x, a in enumerate(attributes[i].values)
                for y, b in enumerate(attributes[j].values)
            },
        }
    kept = int(plan.combinations.kept.sum())
    return {
        "combinations": {
            "all": len(everything),
            "excluded": len(everything) - kept,
            "kept": kept,
            "planned": min(kept, len(plan)),
        },
        "exclusions": [
            {"when": {n: sorted(v) for n, v in e.when.items()}, "reason": e.reason, "combinations": count}
            for e, count in zip(spec.exclusions, plan.combinations.excluded_by, strict=True)
        ],
        "samples": len(plan),
        "core": [a.name for a in spec.attributes],
        "values": {
            a.name: {v: int(n) for v, n in zip(a.values, values[i], strict=True)}
            for i, a in enumerate(attributes)
        },
        "pairs": pairs,
    }


def _table(
    a: NDArray[np.integer[Any]], b: NDArray[np.integer[Any]], rows: int, columns: int
) -> NDArray[np.int64]:
    flat = np.bincount(a.astype(np.int64) * columns + b, minlength=rows * columns)
    return flat.reshape(rows, columns).astype(np.int64)


def _rounded(measure: Any, table: NDArray[np.int64] | None) -> float:
    """0 for a pair with a diversity attribute before exclusions: those are dealt independently."""
    return 0.0 if table is None else round(measure(table), 6)


def coverage_markdown(entity: str, record: dict[str, Any]) -> str:
    """The coverage of one entity as a page of Markdown."""
    counts = record["combinations"]
    lines = [
        f"## {entity}",
        "",
        f"{record['samples']} samples over {counts['planned']} of {counts['kept']} combinations "
        f"({counts['all']} in all, {counts['excluded']} excluded).",
        "",
    ]
    for exclusion in record["exclusions"]:
        when = ", ".join(f"{name}: {' or '.join(values)}" for name, values in exclusion["when"].items())
        whole = exclusion["when"].keys() <= set(record["core"])
        done = "excluded" if whole else "kept apart in"
        lines.append(f"- {done} {exclusion['combinations']} combinations ({when}): {exclusion['reason']}")
    lines += ["", "| attribute | values | fewest | most |", "|---|---|---|---|"]
    for name, values in record["values"].items():
        fewest, most = min(values, key=lambda v: values[v]), max(values, key=lambda v: values[v])
        lines.append(f"| {name} | {len(values)} | {fewest} ({values[fewest]}) | {most} ({values[most]}) |")
    lines += ["", "| pair | Cramer's V before | after | NMI before | after |", "|---|---|---|---|---|"]
    for pair, facts in record["pairs"].items():
        v, nmi = facts["cramers_v"], facts["nmi"]
        lines.append(
            f"| {pair.replace('|', ' and ')} | {v['before']:.3f} | {v['after']:.3f} "
            f"| {nmi['before']:.3f} | {nmi['after']:.3f} |"
        )
    return "\n".join(lines) + "\n"
