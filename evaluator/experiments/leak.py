"""How much of one attribute survives in the space of another.

A's space should tell A's values apart and nothing else. For every ordered pair (A, B) a probe, a logistic regression on
standardised features, learns to read B from the features conditioned on A, and is tested on other combinations of labels:

    probe        balanced accuracy for B; for A itself the diagonal
    chance       1 / values of B
    label only   balanced accuracy of the most frequent B given A's label: what knowing A alone would tell. Attributes may go
                 together in the data, and with held-out combinations they go together less than by chance.
    mAP          retrieval by B in A's space, with its chance level

The method is fitted on the probe's training images. An attribute with a parent has one space here, of all its texts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..evaluation.settings import EvaluationSettings
from ..methods.support.specs import Method, prepare_methods
from ..pictures.labelled import Codes
from ..retrieval.engine import Settings, score_group
from ..retrieval.spaces import make_space
from ..retrieval.split_kinds import SPLITS, draw_split, drawable_splits
from ..retrieval.splits import Split
from ..retrieval.study import Study
from ..retrieval.tasks import relevance_codes
from ..scoring import mean_over_groups
from ..scoring.measures import parse_measure
from ..vectors.arrays import Float64Array, FloatArray
from .studies import Needs, telling, whole_task


@dataclass(frozen=True)
class LeakSettings:
    """held_out: the share of combinations (or images) that the probe is tested on; strength: the probe's C."""

    methods: tuple[str, ...] = ("raw", "clay", "clay-values", "text-discriminant", "crl")
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "combination"
    held_out: float = 0.3
    strength: float = 1.0
    iterations: int = 2000

    def __post_init__(self) -> None:
        known = tuple(name for name in drawable_splits() if not SPLITS[name].every_image)
        if self.split not in known:
            raise InputError(
                "a probe needs a split that holds pictures out",
                where="--split",
                expected=f"one of {known}",
                found=repr(self.split),
            )
        EvaluationSettings(methods=self.methods, seeds=self.seeds, split=self.split)
        prepare_methods(self.methods)
        if not 0 < self.held_out < 1:
            raise InputError("the share must lie between 0 and 1", where="--held-out", found=self.held_out)

    def needs(self) -> Needs:
        """What texts are needed for."""
        return Needs(prepare_methods(self.methods))

    def record(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {**asdict(self), "methods": [method.name for method in prepare_methods(self.methods)]}


@dataclass(frozen=True)
class Leak:
    """What `method` keeps of `read` in the space of `space` under one seed; see the module. NaN where it cannot be said."""

    entity: str
    method: str
    space: str
    read: str
    seed: int
    probe: float
    chance: float
    label_only: float
    average_precision: float
    average_precision_chance: float


def find_leaks(
    studies: Sequence[Study], settings: LeakSettings, progress: Callable[[int], None] = lambda _: None
) -> tuple[list[Leak], list[str]]:
    """Return all ordered pairs for all methods and seeds, and warnings; progress: called with 1 for every space.

    Raises InputError for entities with a single attribute only, and where no method can be measured.
    """
    found: list[Leak] = []
    asked, notes = telling(studies)
    several = [study for study in asked if len(study.conditions) > 1]
    if not several:
        raise InputError(
            "a leak needs two attributes",
            where="data",
            expected="two attributes or more",
            found=", ".join(f"{study.entity}: {', '.join(study.conditions)}" for study in studies),
        )
    for study in several:
        if len(study.conditions) == 2 and settings.split == "combination":
            notes.append(
                f"{study.entity} has two attributes: the combinations held out are pairs the probe never saw, which makes "
                "reading one from the other harder than chance; see label only"
            )
        for seed in settings.seeds:
            split = draw_split(study.labelled, settings.split, seed, settings.held_out)
            for method in prepare_methods(settings.methods):
                for space in study.conditions:
                    found += _leaks(study, method, space, seed, split, settings, notes)
                    progress(1)
    if not found:
        raise InputError("no method could be measured", where="leak", found="; ".join(notes))
    return found, list(dict.fromkeys(notes))


def _leaks(
    study: Study,
    method: Method,
    space: str,
    seed: int,
    split: Split,
    settings: LeakSettings,
    notes: list[str],
) -> list[Leak]:
    tests, trains = np.flatnonzero(split.is_query), np.flatnonzero(split.is_database)
    task = whole_task(study.labelled, space, tests, trains)
    (group,) = task.groups
    try:
        made = make_space(method, study, task, group)
    except InputError as error:
        notes.append(f"{study.entity}: {method.name} failed on {space}: {' '.join(str(error).split())}")
        return []
    if len(made.pairs) != 1:
        notes.append(f"{study.entity}: {method.name} has no single space for {space}")
        return []
    test, train = made.pairs[0]
    engine = Settings(measures=(parse_measure("AP"),))
    found = []
    own = task.codes
    for read in study.conditions:
        codes = relevance_codes(study.labelled, [read])
        asked = whole_task(study.labelled, read, tests, trains)
        scores = score_group(made, asked, asked.groups[0], seed, engine)
        accuracy, settled = probe(
            train, codes[trains], test, codes[tests], settings.strength, settings.iterations
        )
        if not settled:
            notes.append(
                f"{study.entity}: the probe for {read} in the space of {space} ({method.name}) did not settle"
            )
        found.append(
            Leak(
                entity=study.entity,
                method=method.name,
                space=space,
                read=read,
                seed=seed,
                probe=accuracy,
                chance=1 / len(np.unique(codes[tests])),
                label_only=label_only(own[trains], codes[trains], own[tests], codes[tests]),
                average_precision=mean_over_groups([scores.values["AP"]]),
                average_precision_chance=mean_over_groups([scores.chances["AP"]]),
            )
        )
    return found


def probe(
    train: FloatArray,
    train_codes: Codes,
    test: FloatArray,
    test_codes: Codes,
    strength: float,
    iterations: int,
) -> tuple[float, bool]:
    """Return the balanced accuracy of a logistic regression, and whether it converged.

    train, test: features (N, k), (M, k), standardised by the training images' mean and deviation; codes: the values to
    read. Classes are weighted alike. Balanced over the values in the test; one that is not in the training counts as missed.
    NaN where the training has one value only.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(train_codes)) < 2:
        return float("nan"), True
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, max_iter=iterations, class_weight="balanced")
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(train.astype(np.float64), train_codes)
    settled = not any(issubclass(item.category, ConvergenceWarning) for item in caught)
    predicted = model.predict(test.astype(np.float64))
    return balanced_accuracy(test_codes, predicted), settled


def label_only(train_space: Codes, train_read: Codes, test_space: Codes, test_read: Codes) -> float:
    """Return the balanced accuracy of the most frequent value to read, given the space's own label, counted in the training.

    Values to read count by their share of their value's images, so that frequent ones are not favoured, as for the probe.
    Ties go to the mean over what is tied; a label that the training lacks gets the guess of all images.
    """
    values, read = np.unique(train_read, return_inverse=True)
    weight = 1 / np.bincount(read)
    tables = {}
    for label in np.unique(train_space):
        tables[int(label)] = np.bincount(read[train_space == label], minlength=len(values)) * weight
    overall = np.ones(len(values))
    hits = np.zeros(len(test_read))
    for row, (label, truth) in enumerate(zip(test_space, test_read, strict=True)):
        table = tables.get(int(label), overall)
        best = np.isclose(table, table.max(), rtol=1e-9, atol=0)
        hits[row] = float(np.any(values[best] == truth)) / np.count_nonzero(best)
    return float(np.mean([hits[test_read == value].mean() for value in np.unique(test_read)]))


def balanced_accuracy(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the mean over the values of `truth` of the share of their images that were predicted right."""
    true, said = np.asarray(truth), np.asarray(predicted)
    shares: Float64Array = np.array([np.mean(said[true == value] == value) for value in np.unique(true)])
    return float(shares.mean())
