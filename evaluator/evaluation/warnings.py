"""What a reader must know before believing the numbers: rules, each one sentence an entity at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..report.roles import CLAY
from ..retrieval.results import Compared, Failure, Outcome, Result
from ..retrieval.split_kinds import SPLITS
from ..retrieval.study import TextFeatures
from ..scoring.measures import measure_title
from ..vectors.text_directions import direction_share
from ..vectors.text_quality import text_quality

FEW_RELEVANT = 5
MANY_WITHOUT = 0.1
FEW_QUERIES = 10
ALIKE = 0.1
LOW_TEXT_SHARE = 0.5
LOW_DIRECTION_SHARE = 0.25
MANY_QUERIES = 1000
SMALL_EFFECT = 0.2
CLAY_VALUES = "clay-values"
_ONE_IN_THOUSAND = 3.09
_MORE_QUERIES = "more images, or --split leave-one-out, help"

Conditions = tuple[str, ...]
Counts = Mapping[str, Mapping[Conditions, npt.NDArray[np.int64]]]
"""Entity -> set of conditions -> how many database images are relevant to each query, (Q,)."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What the rules look at.

    rivals: names of the methods that are neither controls nor privileged; reference: of the comparisons; relevant: see
    `Counts`; text_shares: entity -> condition -> share of the texts' variance that lies between values;
    text_directions: the same of CLAY's directions, see `direction_share`; resample: as of `Inference`.
    """

    measure: str
    rivals: Sequence[str]
    reference: str | None
    results: Sequence[Result]
    comparisons: Sequence[Compared]
    failures: Sequence[Failure]
    outcomes: Sequence[Outcome]
    relevant: Counts
    text_shares: Mapping[str, Mapping[str, float]]
    seeds: int = 1
    split: str = "image"
    text_directions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    resample: str = "queries"

    @property
    def judge(self) -> str | None:
        """CLAY, or the reference where CLAY was not run."""
        return CLAY if any(r.method == CLAY for r in self.results) else self.reference


def report_warnings(facts: Facts) -> list[str]:
    """Every warning that applies, in the order of `RULES`."""
    return [warning for rule in RULES for warning in rule(facts)]


def direction_shares(texts: Mapping[str, TextFeatures]) -> dict[str, float]:
    """Condition -> share of CLAY's directions that are about values, where the texts differ and name two values or more."""
    shares = {}
    for name, found in texts.items():
        if found.values is not None and len(set(found.values)) > 1:
            with suppress(InputError):
                shares[name] = direction_share(found.features, found.values)
    return shares


def text_shares(texts: Mapping[str, TextFeatures]) -> dict[str, float]:
    """Condition -> share of its texts' variance between values, where the texts differ and name two values or more."""
    shares = {}
    for name, found in texts.items():
        if found.values is not None and len(set(found.values)) > 1:
            with suppress(InputError):
                shares[name] = text_quality(found.features, found.values).between_share
    return shares


def methods_failed(facts: Facts) -> list[str]:
    """Methods that could not be scored on some sets of conditions."""
    failed: dict[str, list[Failure]] = {}
    for failure in facts.failures:
        failed.setdefault(failure.method, []).append(failure)
    return [
        f"{method} failed on {_count(len(found), 'set')} of conditions and has no score there: {_first_line(found[0].error)}"
        for method, found in failed.items()
    ]


def at_chance(facts: Facts) -> list[str]:
    """Sets of conditions where the interval of CLAY, or those of all rivals, reach what a random order scores."""
    said = []
    for entity, results in _by_entity(r for r in _primary(facts) if r.method in facts.rivals):
        reaching: dict[Conditions, list[bool]] = {}
        judged: list[str] = []
        for r in results:
            touches = r.ci_low is not None and r.chance is not None and r.ci_low <= r.chance
            reaching.setdefault(r.conditions, []).append(touches)
            if touches and r.method == facts.judge:
                judged.append(_asked(r.conditions))
        everyone = [_asked(c) for c, touches in reaching.items() if all(touches)]
        if everyone:
            said.append(
                f"{entity}: no method is above chance for {_listed(everyone)}; the encoder, or the pictures, may not show "
                "these conditions at all."
            )
        if rest := [name for name in judged if name not in everyone]:
            said.append(
                f"{entity}: the interval of {facts.judge} reaches the chance level for {_listed(rest)}."
            )
    return said


def few_relevant(facts: Facts) -> list[str]:
    """Sets of conditions with few images to find, or many queries that have none."""
    said = []
    for entity, counts in facts.relevant.items():
        few = [
            f"{_asked(c)} ({float(np.median(n[n > 0])):g})"
            for c, n in counts.items()
            if (n > 0).any() and np.median(n[n > 0]) < FEW_RELEVANT
        ]
        without = [
            f"{_asked(c)} ({100 * float((n == 0).mean()):.0f} %)"
            for c, n in counts.items()
            if len(n) and (n == 0).mean() > MANY_WITHOUT
        ]
        if few:
            said.append(
                f"{entity}: half of the queries have fewer than {FEW_RELEVANT} relevant images for {_listed(few)} "
                "(median in brackets), so one place in a ranking moves their scores a lot."
            )
        if without:
            said.append(
                f"{entity}: many queries have nothing to find and were left out for {_listed(without)}."
            )
    return said


def few_queries(facts: Facts) -> list[str]:
    """Sets of conditions where some database has too few queries for an interval to hold what it says."""
    said = []
    for entity, counts in _queries_of_databases(facts).items():
        few = {conditions: min(found) for conditions, found in counts.items() if min(found) < FEW_QUERIES}
        if few:
            out = "more images help" if SPLITS[facts.split].every_image else _MORE_QUERIES
            said.append(
                f"{entity}: a database has fewer than {FEW_QUERIES} queries for "
                f"{_listed(f'{_asked(c)} ({n})' for c, n in few.items())} (the fewest in brackets), so intervals are wide, "
                f"and near 0 or 1 still too narrow; {out}."
            )
    return said


def alike_within_combinations(facts: Facts) -> list[str]:
    """Significance by queries where pictures of one combination of labels score alike."""
    if facts.resample != "queries":
        return []
    said = []
    for entity in dict.fromkeys(c.entity for c in facts.comparisons):
        marked = [c for c in facts.comparisons if c.entity == entity and c.significant]
        found = sorted(c.icc for c in marked if c.icc is not None)
        if found and (found[-1] > ALIKE or found[len(found) // 2] > ALIKE / 2):
            said.append(
                f"{entity}: {_count(len(marked), 'significant difference')} by queries, whose scores resemble each other "
                f"within a combination of labels (intraclass correlation up to {found[-1]:.2f}): tests and intervals take "
                "them for independent and find far too much. Judge by --by-combination."
            )
    return said


def one_direction(facts: Facts) -> list[str]:
    """Sets of conditions where a method keeps a single direction: all similarities are 1 or -1."""
    found: dict[str, dict[str, list[str]]] = {}
    for outcome in facts.outcomes:
        used = [group.learnt.get("n_components_") for group in outcome.groups]
        if 1 in used and outcome.method in facts.rivals:
            sets = found.setdefault(outcome.entity, {})
            sets.setdefault(outcome.method, []).append(_asked(outcome.conditions))
    return [
        f"{entity}: {_listed(methods)} {'keeps' if len(methods) == 1 else 'keep'} one direction for "
        f"{_listed(dict.fromkeys(name for names in methods.values() for name in names))}, where every cosine is 1 or -1: a "
        "ranking has two places, and intervals cannot show how sure it is."
        for entity, methods in found.items()
    ]


def components_clamped(facts: Facts) -> list[str]:
    """Methods that used fewer components than they were asked for."""
    used: dict[tuple[str, int], list[int]] = {}
    for outcome in facts.outcomes:
        for group in outcome.groups:
            asked, found = group.learnt.get("n_components"), group.learnt.get("n_components_")
            if isinstance(asked, int) and isinstance(found, int) and outcome.method in facts.rivals:
                used.setdefault((outcome.method, asked), []).append(found)
    clamped = [
        f"{method} {_span([n for n in found if n < asked])} of {asked}"
        for (method, asked), found in used.items()
        if any(n < asked for n in found)
    ]
    if not clamped:
        return []
    return [
        "Fewer components were used than asked for, as the texts of some condition, or the images of some database, span no "
        f"more: {_listed(clamped, 8)}."
    ]


def texts_of_low_quality(facts: Facts) -> list[str]:
    """Conditions whose texts vary in something else more than in their values."""
    said = []
    for entity, shares in facts.text_shares.items():
        low = [
            f"{name} ({100 * share:.0f} %)"
            for name, share in shares.items()
            if round(share, 6) < LOW_TEXT_SHARE
        ]
        if low:
            said.append(
                f"{entity}: less than half of the variance of the texts lies between values for {_listed(low)}. A subspace "
                "of them follows how things are said as much as what is said: let texts of a condition differ in its values "
                "only."
            )
    return said


def wording_in_directions(facts: Facts) -> list[str]:
    """Conditions whose subspace is mostly wording, where CLAY was run: it counts every direction alike."""
    if not any(r.method == CLAY for r in facts.results):
        return []
    said = []
    for entity, shares in facts.text_directions.items():
        low = {name: share for name, share in shares.items() if share < LOW_DIRECTION_SHARE}
        if low:
            named = _listed(f"{name} ({100 * share:.0f} %)" for name, share in low.items())
            other = (
                ", or look at clay-values, which scores more here" if _values_win(facts, entity, low) else ""
            )
            said.append(
                f"{entity}: most of CLAY's directions are about how texts are worded, not about values, for {named}. Use "
                f"fewer wordings a value or a smaller k{other}."
            )
    return said


def _values_win(facts: Facts, entity: str, conditions: Iterable[str]) -> bool:
    """Whether clay-values was measured to be better than CLAY on the mean of these conditions."""
    wanted = set(conditions)
    scores: dict[str, list[float]] = {}
    for r in _primary(facts):
        asked = r.entity == entity and len(r.conditions) == 1 and r.conditions[0] in wanted
        if asked and r.value is not None:
            scores.setdefault(r.method, []).append(r.value)
    ours, clays = scores.get(CLAY_VALUES, []), scores.get(CLAY, [])
    return len(ours) == len(clays) > 0 and sum(ours) > sum(clays)


def trivially_significant(facts: Facts) -> list[str]:
    """Significant differences of negligible size, where there are very many queries."""
    queries = max((r.queries for r in _primary(facts)), default=0)
    tiny = [
        c
        for c in facts.comparisons
        if c.significant and c.effect is not None and abs(c.effect) < SMALL_EFFECT
    ]
    if queries < MANY_QUERIES or not tiny:
        return []
    least = min(abs(c.difference) for c in tiny)
    return [
        f"With {queries:,} queries {_count(len(tiny), 'difference')} of negligible size (effect below {SMALL_EFFECT:g}) "
        f"{'is' if len(tiny) == 1 else 'are'} significant, down to {100 * least:.1f} points: judge by effect sizes, not by "
        "significance."
    ]


def seeds_disagree(facts: Facts) -> list[str]:
    """Results that scatter more between seeds than their intervals account for, but for one in a thousand by chance.

    A mean over S splits with a 95 % interval of half width h has a standard deviation of h sqrt(S) / 1.96 under one split;
    the splits' standard deviation is compared with that times the root of chi^2's quantile over S - 1, by Wilson and
    Hilferty.
    """
    said = []
    free = max(facts.seeds - 1, 1)
    quantile = (1 - 2 / (9 * free) + _ONE_IN_THOUSAND * (2 / (9 * free)) ** 0.5) ** 3
    times = (quantile * facts.seeds) ** 0.5 / 1.96
    for entity, results in _by_entity(r for r in _primary(facts) if r.method in facts.rivals):
        apart = [
            r
            for r in results
            if r.seeds_std is not None
            and r.ci_low is not None
            and r.ci_high is not None
            and r.seeds_std > (r.ci_high - r.ci_low) / 2 * times
        ]
        if apart:
            most = max(apart, key=lambda r: r.seeds_std or 0.0)
            said.append(
                f"{entity}: the seeds' splits disagree more than the intervals say for "
                f"{_listed(dict.fromkeys(_asked(r.conditions) for r in apart))}, most for {most.method} (standard deviation "
                f"{100 * (most.seeds_std or 0.0):.1f} points of {measure_title(facts.measure)})."
            )
    return said


RULES: tuple[Callable[[Facts], list[str]], ...] = (
    methods_failed,
    at_chance,
    few_relevant,
    few_queries,
    texts_of_low_quality,
    wording_in_directions,
    components_clamped,
    one_direction,
    alike_within_combinations,
    trivially_significant,
    seeds_disagree,
)


def _queries_of_databases(facts: Facts) -> dict[str, dict[Conditions, list[int]]]:
    """Entity -> set of conditions -> of each database, how many images are queries with something to find in it."""
    found: dict[str, dict[Conditions, list[int]]] = {}
    for outcome in facts.outcomes:
        rows: dict[str | None, set[int]] = {}
        for group in outcome.groups:
            if (values := group.values.get(facts.measure)) is not None:
                rows.setdefault(group.name, set()).update(group.rows[~np.isnan(values)].tolist())
        if counts := [len(images) for images in rows.values() if images]:
            found.setdefault(outcome.entity, {}).setdefault(outcome.conditions, counts)
    return found


def _primary(facts: Facts) -> list[Result]:
    return [r for r in facts.results if r.metric == facts.measure]


def _by_entity(results: Iterable[Result]) -> list[tuple[str, list[Result]]]:
    found: dict[str, list[Result]] = {}
    for r in results:
        found.setdefault(r.entity, []).append(r)
    return list(found.items())


def _asked(conditions: Sequence[str]) -> str:
    return " + ".join(conditions)


def _listed(names: Iterable[str], most: int = 4) -> str:
    """The names with commas; of more than `most` the first, and how many more."""
    given = list(names)
    if len(given) <= most:
        return ", ".join(given)
    return f"{', '.join(given[: most - 1])} and {len(given) - most + 1} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text.strip() else "no reason was given"
