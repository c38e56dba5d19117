"""What CLAY's choices do to the score: k, alignment, log map, mean, the number and kind of texts, the database.

Every axis changes one thing and leaves the rest as the method has it. Scores are of the single conditions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.texts import ConditionText, ConditionTexts

from ..evaluation.settings import EvaluationSettings
from ..methods.support.specs import parse_spec, prepare_methods
from ..pictures.labelled import Labelled
from ..retrieval.engine import Settings, seeded_splits
from ..retrieval.study import Study, TextFeatures
from ..scoring import Ties
from ..scoring.measures import parse_measure
from .axis_methods import (
    PARAMETERS,
    STUDIED,
    SWITCHES,
    axis_methods,
    has,
    left_out,
    with_value,
)
from .compositions import COMPOSITIONS, GIVEN, MIXED, compose, subset
from .studies import Needs, answerable, score_conditions, text_rows

AXES = ("k", "alignment", "log-map", "mean", "texts", "composition", "database")
DRAWN = ("texts", "composition")
"""Axes with several draws of texts; the others take the first."""
ALL_TEXTS = "all"


@dataclass(frozen=True)
class AblationSettings:
    """axes: some of AXES; methods: None for each axis's own; draws: of subsets and of mixed texts.

    The counts are those tried where there is as much. seeds, split, query_share, measure, ties: as for an evaluation.
    """

    axes: tuple[str, ...] = AXES
    methods: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    draws: int = 3
    measure: str = "AP"
    ties: Ties = "expected"
    split: str = "image"
    query_share: float = 0.1
    ks: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 50, 64, 128, 256, 512, 768)
    text_counts: tuple[int, ...] = (2, 5, 10, 20, 50, 100)
    database_sizes: tuple[int, ...] = (5, 10, 30, 100, 300, 1000, 3000)

    def __post_init__(self) -> None:
        if unknown := [axis for axis in self.axes if axis not in AXES]:
            raise InputError("unknown axis", where="--axis", expected=f"some of {AXES}", found=unknown[0])
        if not self.axes or self.draws < 1 or not self.seeds:
            raise InputError("nothing to do", where="--axis, --draws, --seed", expected="one or more of each")
        EvaluationSettings(
            methods=self.methods or STUDIED,
            measures=(self.measure,),
            ties=self.ties,
            split=self.split,
            seeds=self.seeds,
            query_share=self.query_share,
        )
        prepare_methods(self.methods or STUDIED)
        if not any(self.varied.values()):
            raise InputError(
                "no method has what this axis varies",
                where="--method",
                expected=" or ".join(f"a method that takes {PARAMETERS[axis]}" for axis in self.axes),
                found=", ".join(self.methods or ()),
                hint="clay-eval methods lists what each takes",
            )

    @property
    def varied(self) -> dict[str, tuple[str, ...]]:
        """Axis -> the specs that are scored on it; none where no method has what it varies."""
        return {axis: axis_methods(axis, self.methods) for axis in AXES if axis in self.axes}

    def left_out(self) -> list[str]:
        """Which of the methods asked for have nothing that an axis varies, in words."""
        found = [left_out(axis, self.methods or ()) for axis in self.varied]
        return [line for line in found if line is not None]

    def needs(self) -> Needs:
        """What texts are needed for: those of all compositions and draws that the axes take."""
        methods = prepare_methods(dict.fromkeys(spec for specs in self.varied.values() for spec in specs))
        return Needs(methods, further=self._composed_texts)

    def _composed_texts(self, labels: Labelled, texts: ConditionTexts) -> Iterator[str]:
        given = {name: texts.condition(name) for name in labels.labels}
        names = COMPOSITIONS if "composition" in self.axes else (MIXED,)
        draws = self.draws if set(DRAWN) & set(self.axes) else 1
        for name in (name for name in names if name != GIVEN):
            for draw in range(draws if name == MIXED else 1):
                for items in compose(name, given, labels.parents, draw).values():
                    yield from (item.text for item in items)

    def engine(self, fit_images: int | None = None) -> Settings:
        """What the engine needs."""
        measures = (parse_measure(self.measure),)
        return Settings(measures, self.ties, self.split, self.seeds, self.query_share, fit_images)

    def record(self) -> dict[str, Any]:
        """As it stands in a record, with methods by their canonical names."""
        names = [method.name for method in prepare_methods(self.methods or STUDIED)]
        axes = {axis: list(specs) for axis, specs in self.varied.items() if axis not in DRAWN}
        own = {} if self.methods is None or not axes else {"varied": axes}
        return {**asdict(self), "axes": list(self.varied), "methods": names, **own}


@dataclass(frozen=True)
class Point:
    """One score. texts: the composition; setting: what the axis was set to; x: the same as a number, where it is one."""

    axis: str
    entity: str
    condition: str
    texts: str
    method: str
    setting: str
    x: float | None
    draw: int
    seed: int
    value: float
    chance: float
    k: int | None


@dataclass(frozen=True, eq=False)
class Composed:
    """Texts of one composition and draw."""

    name: str
    draw: int
    items: Mapping[str, Sequence[ConditionText]]
    texts: Mapping[str, TextFeatures]


@dataclass(eq=False)
class Sweep:
    """All points of an ablation, and what is to be known of them."""

    points: list[Point] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def sweep(
    studies: Sequence[Study], settings: AblationSettings, progress: Callable[[int], None] = lambda _: None
) -> Sweep:
    """Score all axes on all studies. progress: called with 1 for every setting that was scored.

    Raises InputError as `evaluate_features` does.
    """
    found = Sweep()
    engine = settings.engine()
    asked, found.notes = answerable(
        studies, lambda study: list(seeded_splits(study.labelled, engine).values())
    )
    found.notes += settings.left_out()
    for study in asked:
        for run in _runs(study, settings, found.notes):
            _score(run, study, settings, found)
            progress(1)
    found.notes = list(dict.fromkeys(found.notes))
    return found


@dataclass(frozen=True, eq=False)
class _Run:
    """methods: spec -> the name it has in the points."""

    axis: str
    texts: str
    methods: Mapping[str, str]
    setting: str
    x: float | None
    draw: int
    encoded: Mapping[str, TextFeatures]
    fit_images: int | None = None


def composed(study: Study, name: str, draw: int) -> Composed:
    """The study's texts in one composition, encoded."""
    items = compose(name, study.items, study.labelled.parents, draw)
    as_given = name == GIVEN or not study.has_texts
    return Composed(name, draw, items, study.texts if as_given else study.encoded(items))


def _runs(study: Study, settings: AblationSettings, notes: list[str]) -> Iterator[_Run]:
    kept: dict[tuple[str, int], Composed] = {}

    def texts_of(name: str, draws: int) -> Iterator[Composed]:
        for draw in range(draws if name == MIXED else 1):
            if (name, draw) not in kept:
                try:
                    kept[name, draw] = composed(study, name, draw)
                except InputError as error:
                    reason = " ".join(str(error).split())
                    notes.append(
                        f"{study.entity}: texts {name!r} left out, they could not be encoded: {reason}"
                    )
                    return
            yield kept[name, draw]

    for axis, specs in settings.varied.items():
        for name in COMPOSITIONS if axis == "composition" else (GIVEN, MIXED):
            if not specs:
                continue
            for one in texts_of(name, settings.draws if axis in DRAWN else 1):
                if axis == "composition":
                    yield _Run(axis, name, _same(specs), name, None, one.draw, one.texts)
                elif axis in SWITCHES:
                    yield _Run(axis, name, _same(specs), "", None, one.draw, one.texts)
                elif axis == "k":
                    yield from _ks(study, settings, specs, one)
                elif axis == "texts":
                    yield from _counts(settings, specs, one)
                else:
                    yield from _sizes(study, settings, specs, one)


def _ks(study: Study, settings: AblationSettings, specs: Sequence[str], texts: Composed) -> Iterator[_Run]:
    width = study.features.shape[1]
    swept = [spec for spec in map(parse_spec, specs) if has(spec, "k")]
    if fixed := [spec for spec in specs if parse_spec(spec) not in swept]:
        yield _Run("k", texts.name, _same(fixed), "", None, texts.draw, texts.texts)
    for k in sorted({min(k, width) for k in settings.ks}):
        named = {str(with_value(spec, "k", k)): str(spec) for spec in swept}
        yield _Run("k", texts.name, named, str(k), k, texts.draw, texts.texts)


def _counts(settings: AblationSettings, specs: Sequence[str], texts: Composed) -> Iterator[_Run]:
    most = max(_largest(items) for items in texts.items.values())
    methods = _same(specs)
    for count in [count for count in settings.text_counts if count < most]:
        for draw in range(settings.draws):
            rows = {name: subset(items, count, draw) for name, items in texts.items.items()}
            chosen = {name: text_rows(texts.texts[name], kept) for name, kept in rows.items()}
            if texts.name != MIXED or draw == texts.draw:
                yield _Run("texts", texts.name, methods, str(count), count, draw, chosen)
    yield _Run("texts", texts.name, methods, ALL_TEXTS, most, texts.draw, texts.texts)


def _sizes(study: Study, settings: AblationSettings, specs: Sequence[str], texts: Composed) -> Iterator[_Run]:
    database = round((1 - settings.query_share) * len(study.labelled.keys))
    methods = _same(specs)
    for size in [size for size in settings.database_sizes if size < database]:
        yield _Run("database", texts.name, methods, str(size), size, texts.draw, texts.texts, size)
    yield _Run("database", texts.name, methods, ALL_TEXTS, database, texts.draw, texts.texts)


def _score(run: _Run, study: Study, settings: AblationSettings, found: Sweep) -> None:
    methods = prepare_methods(run.methods)
    names = {method.name: given for method, given in zip(methods, run.methods.values(), strict=True)}
    scores, notes = score_conditions(study, methods, settings.engine(run.fit_images), run.encoded)
    found.points += [
        Point(
            axis=run.axis,
            entity=study.entity,
            condition=score.condition,
            texts=run.texts,
            method=names[score.method],
            setting=run.setting,
            x=run.x,
            draw=run.draw,
            seed=score.seed,
            value=score.value,
            chance=score.chance,
            k=score.learnt,
        )
        for score in scores
    ]
    found.notes += notes


def _same(specs: Sequence[str]) -> dict[str, str]:
    """Canonical spec -> itself."""
    return {str(parse_spec(spec)): str(parse_spec(spec)) for spec in specs}


def _largest(items: Sequence[ConditionText]) -> int:
    """The most texts that a parent's value has."""
    return max(Counter(item.parent for item in items).values())
