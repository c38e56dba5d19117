"""What one more condition costs: seconds against the number of conditions, for a database of 100 images.

    feature methods     the images are encoded once; each condition adds a fit on its cached texts, a transform, similarities
    image methods       the images are encoded again for each condition; what a method shares among conditions counts once
    re-encoding         this encoder, run again for each condition, stands in for the larger models that image methods run: a
                        lower bound for any of them

Times are of this machine. Each total is measured as a whole, several times after a warm-up; medians and quartiles.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.support.protocol import FeatureMethod
from ..methods.support.specs import Method, MethodSpec, parse_spec, prepare_methods, reencodes
from ..retrieval.spaces import make_space
from ..retrieval.study import Study
from ..vectors.arrays import Float64Array, FloatArray
from .studies import Needs, whole_task

RE_ENCODING = "re-encoding with this encoder"


@dataclass(frozen=True)
class CostSettings:
    """counts: numbers of conditions; images: of the database; repeats after a warm-up; budget: seconds of re-encoding.

    Where re-encoding for a count would take longer than the budget, its time is in proportion to the most that was measured;
    that of a method which shares work grows by what its conditions after the first took, two of which are always measured.
    """

    methods: tuple[str, ...] = ("raw", "ip-composer", "clay", "clay-values", "text-discriminant")
    counts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    images: int = 100
    repeats: int = 7
    budget: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.feature_methods()
        if not self.counts or min(self.counts) < 1 or len(set(self.counts)) < len(self.counts):
            raise InputError(
                "numbers of conditions must be positive and differ",
                where="--conditions",
                found=list(self.counts),
            )
        if self.images < 2 or self.repeats < 1 or not self.budget >= 0:
            raise InputError(
                "nothing to measure", where="--images, --repeats, --budget", expected="2, 1 and 0 or more"
            )

    def feature_methods(self) -> list[Method]:
        """The methods that need the images encoded once; raises InputError as `prepare_methods` does."""
        return prepare_methods([spec for spec in self.methods if not reencodes(parse_spec(spec).name)])

    def image_methods(self) -> list[MethodSpec]:
        """The specs of methods that encode the images anew."""
        return [spec for spec in map(parse_spec, self.methods) if reencodes(spec.name)]

    def needs(self) -> Needs:
        """What texts are needed for."""
        return Needs(self.feature_methods())

    def record(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        """As it stands in a record: times of another machine are other results."""
        names = list(dict.fromkeys(str(parse_spec(spec)) for spec in self.methods))
        return {**asdict(self), "methods": names, "machine": dict(machine)}


@dataclass(frozen=True)
class Cost:
    """Seconds for `conditions` conditions: the median and quartiles of the total, and medians of its parts.

    measured: False where the time was computed from that of fewer.
    """

    entity: str
    method: str
    conditions: int
    images: int
    total: float
    quartile_low: float
    quartile_high: float
    encoding: float
    fit: float
    transform: float
    similarity: float
    measured: bool


Encode = Callable[[Sequence[int], str], object]
"""Encodes the images of these rows, for this condition; an encoder that knows no conditions does the same for each."""
EncodeEach = Callable[[Sequence[int], Sequence[str]], object]
"""Encodes the images of these rows for each of these conditions, at once."""


def find_costs(
    study: Study,
    settings: CostSettings,
    encode: Encode | None,
    progress: Callable[[int], None] = lambda _: None,
    image_methods: Mapping[str, Encode] | None = None,
    together: Mapping[str, EncodeEach] | None = None,
) -> tuple[list[Cost], list[str]]:
    """Measure one entity's methods; encode: the encoder's, None where there is none; image_methods: by their names.

    together: those of the image methods that share work among conditions.

    Without an encoder, encoding is left out of all totals, a warning says so, and re-encoding is not measured.
    Raises InputError where an entity has fewer than two images, and what a method raises.
    """
    from threadpoolctl import threadpool_limits

    rows = chosen_rows(len(study.labelled.keys), settings.images, settings.seed)
    notes = []
    if len(rows) < settings.images:
        notes.append(f"{study.entity} has {len(rows)} images only, not {settings.images}")
    if encode is None:
        notes.append(
            "the vectors come from files: encoding is not in the totals, and re-encoding was not measured"
        )
        passes: Float64Array = np.zeros(settings.repeats)
    else:
        passes = _passes(encode, rows, study.conditions, 1, settings.repeats)
    found = []
    # Products of 100 rows are too small to share: threads that wait for each other cost more than they bring.
    with threadpool_limits(1, "blas"):
        for method in settings.feature_methods():
            for count in settings.counts:
                parts = repeated(partial(_conditions, study, method, rows, count), settings.repeats)
                found.append(_cost(study.entity, method.name, count, len(rows), parts, passes))
                progress(1)
    for name, run in (image_methods or {}).items():
        shared = (together or {}).get(name)
        once = _passes(run, rows, study.conditions, 1, settings.repeats)
        if shared is None:
            found += _re_encoding(study, rows, settings, name, run, once)
        else:
            found += _sharing(study, rows, settings, name, shared, once)
        progress(1)
    if encode is not None:
        found += _re_encoding(study, rows, settings, RE_ENCODING, encode, passes)
    return found, notes


def chosen_rows(images: int, count: int, seed: int) -> list[int]:
    """Return `count` of `images` row numbers by the seed, or all, in order."""
    if images < 2:
        raise InputError("too few images to measure", where="data", expected="two or more", found=images)
    drawn = np.random.Generator(np.random.PCG64(seed)).permutation(images)[:count]
    return sorted(int(row) for row in drawn)


def repeated(measure: Callable[[], Mapping[str, float]], repeats: int) -> dict[str, Float64Array]:
    """Call `measure` once to warm up, then `repeats` times; return part -> seconds (repeats,)."""
    measure()
    taken = [dict(measure()) for _ in range(repeats)]
    return {part: np.array([one[part] for one in taken]) for part in taken[0]}


def machine() -> dict[str, Any]:
    """What the times were taken on: processor, cores, system, and the threads that torch may use."""
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    }


class _Clock:
    """Seconds that fits and transforms took since `start`."""

    def __init__(self) -> None:
        self.fit = self.transform = 0.0


class _Timed:
    """A method whose fit and transforms are timed."""

    def __init__(self, method: FeatureMethod, clock: _Clock) -> None:
        self._method, self._clock = method, clock
        self.similarity = getattr(method, "similarity", "cosine")
        if (asymmetric := getattr(method, "transform_queries", None)) is not None:
            self.transform_queries = self._counted(asymmetric)

    def fit(self, database_features: FloatArray, text_features: FloatArray, **asked: Any) -> _Timed:
        start = perf_counter()
        self._method.fit(database_features, text_features, **asked)
        self._clock.fit += perf_counter() - start
        return self

    def transform(self, features: FloatArray) -> FloatArray:
        return self._counted(self._method.transform)(features)

    def _counted(self, step: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
        def run(features: FloatArray) -> FloatArray:
            start = perf_counter()
            rows = step(features)
            self._clock.transform += perf_counter() - start
            return rows

        return run


def _conditions(study: Study, method: Method, rows: Sequence[int], count: int) -> dict[str, float]:
    """Seconds for `count` conditions, the study's own in turn, on the encoded images: all similarities among them.

    "total" holds what the engine adds as well: checks of what a method returns, and unit rows.
    """
    index = np.arange(len(rows))
    chosen = replace(study, features=study.features[list(rows)])
    names = [study.conditions[number % len(study.conditions)] for number in range(count)]
    tasks = {name: whole_task(study.labelled, name, index, index) for name in study.conditions}
    clock = _Clock()
    timed = replace(method, factory=lambda: _Timed(method.factory(), clock))
    similarity = 0.0
    begin = perf_counter()
    for name in names:
        task = tasks[name]
        space = make_space(timed, chosen, task, task.groups[0])
        start = perf_counter()
        queries, database = space.pairs[0]
        _ = queries @ database.T
        similarity += perf_counter() - start
    total = perf_counter() - begin
    return {"total": total, "fit": clock.fit, "transform": clock.transform, "similarity": similarity}


def _cost(
    entity: str, method: str, count: int, images: int, parts: Mapping[str, Float64Array], passes: Float64Array
) -> Cost:
    totals = parts["total"] + passes
    low, middle, high = np.quantile(totals, (0.25, 0.5, 0.75))
    return Cost(
        entity=entity,
        method=method,
        conditions=count,
        images=images,
        total=float(middle),
        quartile_low=float(low),
        quartile_high=float(high),
        encoding=float(np.median(passes)),
        fit=float(np.median(parts["fit"])),
        transform=float(np.median(parts["transform"])),
        similarity=float(np.median(parts["similarity"])),
        measured=True,
    )


def _re_encoding(
    study: Study,
    rows: Sequence[int],
    settings: CostSettings,
    name: str,
    encode: Encode,
    once: Float64Array,
) -> list[Cost]:
    """The images encoded once a condition; similarities, small beside it, are left out. once: single passes (repeats,)."""
    found = []
    most, measured_totals = 1, once
    for count in sorted(settings.counts):
        measured = count == 1 or count * settings.repeats * float(np.median(once)) <= settings.budget
        if measured and count > 1:
            measured_totals = _passes(encode, rows, study.conditions, count, settings.repeats, warm=False)
            most = count
        found.append(_encoding_alone(study, name, count, rows, measured_totals * (count / most), measured))
    return found


def _sharing(
    study: Study,
    rows: Sequence[int],
    settings: CostSettings,
    name: str,
    encode: EncodeEach,
    once: Float64Array,
) -> list[Cost]:
    """The images encoded for all conditions at once. once: passes for one condition (repeats,)."""

    def passes(count: int) -> Float64Array:
        names = [study.conditions[number % len(study.conditions)] for number in range(count)]
        return np.array([_timed(lambda: encode(rows, names)) for _ in range(settings.repeats)])

    found = []
    totals = {1: once}
    if max(settings.counts) > 1:
        encode(rows, [study.conditions[number % len(study.conditions)] for number in range(2)])
        totals[2] = passes(2)
    for count in sorted(settings.counts):
        most = max(totals)
        one_more = float(np.median(totals[most]) - np.median(once)) / max(most - 1, 1)
        expected = float(np.median(totals[most])) + one_more * (count - most)
        if count not in totals and settings.repeats * expected <= settings.budget:
            totals[count] = passes(count)
        taken = totals.get(count, totals[most] + one_more * (count - most))
        found.append(_encoding_alone(study, name, count, rows, taken, count in totals))
    return found


def _encoding_alone(
    study: Study, name: str, count: int, rows: Sequence[int], totals: Float64Array, measured: bool
) -> Cost:
    low, middle, high = (float(value) for value in np.quantile(totals, (0.25, 0.5, 0.75)))
    parts = {"encoding": middle, "fit": 0.0, "transform": 0.0, "similarity": 0.0}
    return Cost(study.entity, name, count, len(rows), middle, low, high, **parts, measured=measured)


def _passes(
    encode: Encode,
    rows: Sequence[int],
    conditions: Sequence[str],
    count: int,
    repeats: int,
    warm: bool = True,
) -> Float64Array:
    """Seconds (repeats,) for encoding under `count` conditions, the study's own in turn, after a pass to warm up."""
    names = [conditions[number % len(conditions)] for number in range(count)]
    if warm:
        encode(rows, names[0])
    return np.array([_timed(lambda: [encode(rows, name) for name in names]) for _ in range(repeats)])


def _timed(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def _processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
