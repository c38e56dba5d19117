"""Sensitivity to paraphrase: how much a score hangs on which texts a condition happens to have.

Texts are resampled: each draw keeps some of a condition's texts, and every method is scored on them alone, on the same
splits and single conditions. Two ways of drawing:

    each     so many texts of every value (of every value of its parent, where it has one): values stay named, words change
    share    a share of the condition's texts, k of n; values take turns, so that as many are named as can be
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText

from ..evaluation.settings import EvaluationSettings
from ..methods.support.specs import Method
from ..retrieval.engine import Settings, seeded_splits
from ..retrieval.study import Study
from .compositions import subset
from .studies import Score, answerable, score_conditions, text_rows

EACH, SHARE = "each", "share"
ALL_TEXTS = "all"
Rows = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ParaphraseSettings:
    """methods: specs, or "all"; draws: of texts, in each way; per_value, share: how much a draw keeps; the rest as for an
    evaluation, whose splits are the same for every draw."""

    methods: tuple[str, ...] = ("clay", "clay-values", "text-discriminant", "label-posterior", "text-mixture")
    draws: int = 20
    per_value: int = 1
    share: float = 0.5
    measure: str = "AP"
    split: str = "image"
    seeds: tuple[int, ...] = (0, 1, 2)
    query_share: float = 0.1

    def __post_init__(self) -> None:
        self.evaluation()
        if self.draws < 2:
            raise InputError(
                "a spread needs two draws", where="--draws", expected="2 or more", found=self.draws
            )
        if self.per_value < 1:
            raise InputError(
                "no text a value", where="--per-value", expected="1 or more", found=self.per_value
            )
        if not 0 < self.share < 1:
            raise InputError("a share of the texts", where="--share", expected="0 < x < 1", found=self.share)

    def evaluation(self) -> EvaluationSettings:
        """The same as settings of an evaluation, checked."""
        return EvaluationSettings(
            methods=self.methods,
            measures=(self.measure,),
            split=self.split,
            seeds=self.seeds,
            query_share=self.query_share,
        )

    def engine(self) -> Settings:
        """What the engine needs."""
        return self.evaluation().engine()

    def record(self, methods: Sequence[Method]) -> dict[str, Any]:
        """As it stands in a record, with methods by their canonical names."""
        return {**asdict(self), "methods": [method.name for method in methods]}


@dataclass(frozen=True)
class Draw:
    """A score under one draw of texts and one split. way: EACH, SHARE, or ALL_TEXTS for all; kept: how many texts."""

    entity: str
    condition: str
    method: str
    way: str
    kept: int
    texts: int
    draw: int
    seed: int
    value: float
    chance: float


def find_spreads(
    studies: Sequence[Study],
    methods: Sequence[Method],
    settings: ParaphraseSettings,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[Draw], list[str]]:
    """Return every score, and what is to be known; progress: called with 1 for every draw of texts.

    Raises InputError where no method looks at texts, where no condition has texts to choose from, and where nothing can be
    scored.
    """
    asking = [method for method in methods if method.uses_texts]
    notes = [f"{m.name} left out: it looks at no texts of conditions" for m in methods if not m.uses_texts]
    if not asking:
        raise InputError(
            "no method looks at texts", where="--method", expected="clay or another", found="; ".join(notes)
        )
    engine = settings.engine()
    asked, left_out = answerable(studies, lambda study: list(seeded_splits(study.labelled, engine).values()))
    notes += left_out
    found: list[Draw] = []
    for study in asked:
        found += _of_study(study, asking, settings, notes, progress)
    if not any(one.way != ALL_TEXTS for one in found):
        raise InputError(
            "no condition has texts to choose from",
            where="texts",
            expected="several texts of a value",
            found="; ".join(dict.fromkeys(notes)),
            hint="give texts with --texts",
        )
    return found, list(dict.fromkeys(notes))


def _of_study(
    study: Study,
    methods: Sequence[Method],
    settings: ParaphraseSettings,
    notes: list[str],
    progress: Callable[[int], None],
) -> Iterator[Draw]:
    drawn = {way: draws(study, way, settings, notes) for way in (EACH, SHARE)}
    resampled = [name for name in study.conditions if any(name in rows[0] for rows in drawn.values() if rows)]
    if not resampled:
        return
    whole = {name: tuple(range(len(study.items[name]))) for name in resampled}
    for way, number, rows in [
        (ALL_TEXTS, 0, whole),
        *((way, number, rows) for way, found in drawn.items() for number, rows in enumerate(found)),
    ]:
        scores, warnings = _scored(study, methods, settings, rows)
        notes += warnings
        for score in scores:
            kept = len(rows[score.condition])
            yield Draw(
                study.entity,
                score.condition,
                score.method,
                way,
                kept,
                len(study.items[score.condition]),
                number,
                score.seed,
                score.value,
                score.chance,
            )
        progress(1)


def _scored(
    study: Study, methods: Sequence[Method], settings: ParaphraseSettings, rows: Rows
) -> tuple[list[Score], list[str]]:
    if not rows:
        return [], []
    texts = {**study.texts, **{name: text_rows(study.texts[name], kept) for name, kept in rows.items()}}
    return score_conditions(replace(study, asked=tuple(rows)), methods, settings.engine(), texts)


def draws(study: Study, way: str, settings: ParaphraseSettings, notes: list[str]) -> list[Rows]:
    """Return `settings.draws` times condition -> the texts that are kept, of the conditions with a choice."""
    kept: list[dict[str, tuple[int, ...]]] = [{} for _ in range(settings.draws)]
    for name in study.conditions:
        items = study.items[name]
        found = [
            each_value(items, settings.per_value, number)
            if way == EACH
            else some(items, settings.share, number)
            for number in range(settings.draws)
        ]
        if (different := len(set(found))) == 1:
            notes.append(
                f"{study.entity}: {name} has no choice of texts for draws by {way}: {len(items)} in all"
            )
            continue
        if different < settings.draws:
            notes.append(f"{study.entity}: {name}, {way}: {different} of {settings.draws} draws differ")
        for rows, one in zip(kept, found, strict=True):
            rows[name] = one
    return list(kept)


def each_value(items: Sequence[ConditionText], count: int, seed: int) -> tuple[int, ...]:
    """Return row numbers, in order, of `count` texts of every value under every parent's value, or all it has."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rows: dict[tuple[str, str | None], list[int]] = {}
    for row, item in enumerate(items):
        rows.setdefault((item.value, item.parent), []).append(row)
    return tuple(sorted(int(row) for own in rows.values() for row in generator.permutation(own)[:count]))


def some(items: Sequence[ConditionText], share: float, seed: int) -> tuple[int, ...]:
    """Return row numbers, in order, of `share` of the texts under each parent's value, two at least; values take turns."""
    parents = [item.parent for item in items]
    kept: list[int] = []
    for parent in dict.fromkeys(parents):
        own = [row for row, one in enumerate(parents) if one == parent]
        count = max(2, round(share * len(own)))
        kept += [own[row] for row in subset([items[row] for row in own], count, seed)]
    return tuple(sorted(kept))
