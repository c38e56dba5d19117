"""The checks of a feature method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..methods.support.guard import plug_in_errors
from ..methods.support.protocol import FeatureMethod, asked_names, needs_of, require_similarity, role_of
from ..vectors.arrays import FloatArray, unit_rows
from .data import Sample, make_sample
from .tools import NAME, Finding, agreement, difference, finding, require, rows_finding, similarity

_SMALLEST_SPREAD = 1e-4


def check_feature_method(factory: Callable[[], Any]) -> Iterator[Finding]:
    """Yield what is found about a feature method; raises ClayEvalError for what keeps it from running."""
    with plug_in_errors(NAME, "when it was made"):
        method = factory()
    shaped = isinstance(method, FeatureMethod)
    yield finding("has fit and transform", shaped, type(method).__name__, "add what is missing")
    if not shaped:
        return
    asks = asked_names(method)
    for declared in (needs_of, role_of, require_similarity):
        declared(method)  # raises for what an evaluation would refuse
    yield Finding("asks for what there is", True, ", ".join(asks) or "nothing beyond the two arrays")
    yield _keeps_parameters(method)
    yield _sees_labels(factory, asks)
    sample = make_sample()
    yield from _returns_rows(factory, sample)
    yield from _independent(factory, sample)
    yield from _repeats(factory, sample, asks)
    stacked = make_sample(stacked=True)
    _, queries, _ = _run(factory, stacked)
    yield rows_finding("texts of two conditions at once", queries, len(stacked.queries))


def _keeps_parameters(method: object) -> Finding:
    missing = [
        name
        for name, parameter in inspect.signature(type(method)).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and not hasattr(method, name)
    ]
    mend = "in __init__ keep each argument as self.<name>: reports show it"
    return finding(
        "keeps its parameters", not missing, f"not kept: {missing}" if missing else "all kept", mend
    )


def _sees_labels(factory: Callable[[], Any], asks: tuple[str, ...]) -> Finding:
    name = "sees no labels"
    if "database_labels" not in asks:
        return Finding(name, True, "database_labels is not asked for")
    sample = make_sample()
    mixed = np.random.default_rng(1).permutation(sample.asked["database_labels"])
    other = replace(sample, asked=sample.asked | {"database_labels": mixed})
    moved = difference(_scores(factory, sample), _scores(factory, other))
    made = factory()
    declared = getattr(made, "privileged", False) is True or getattr(made, "needs", "") == "labels"
    seen = f"asks for database_labels; similarities move by {moved:.2g} when they are mixed"
    mend = 'leave database_labels out, or set needs = "labels" in the class: it is then marked in every table'
    return finding(name, declared, seen + ("; declared privileged" if declared else ""), mend)


def _returns_rows(factory: Callable[[], Any], sample: Sample) -> Iterator[Finding]:
    method, queries, database = _run(factory, sample)
    held = [
        rows_finding("rows of the database", database, len(sample.database)),
        rows_finding("rows of the queries", queries, len(sample.queries)),
    ]
    yield from held
    require(all(one.ok for one in held), "the other checks need rows of the right shape")
    same = queries.shape[1] == database.shape[1]
    seen = f"queries {np.shape(queries)}, database {np.shape(database)}"
    yield finding("one width for both", same, seen, "map both to the same k columns")
    require(same, "the other checks need queries and database of one width")
    scores = similarity(method, queries, database)
    alike = sample.query_colours[:, None] == sample.colours[None]
    varied = bool(np.ptp(scores) > _SMALLEST_SPREAD)
    seen = (
        f"mean similarity of images alike {scores[alike].mean():.3f}, of others {scores[~alike].mean():.3f}"
    )
    yield finding("tells images apart", varied, seen, "all similarities are equal: see transform")
    with plug_in_errors(NAME, "in transform, on float64"):
        rows = np.asarray(method.transform(sample.database.astype(np.float64)))
    gap = difference(unit_rows(rows), unit_rows(database))
    yield agreement(
        "float64 gives what float32 gives", gap, "do not depend on the type of the features", 1e-3
    )


def _independent(factory: Callable[[], Any], sample: Sample) -> Iterator[Finding]:
    method, queries, database = _run(factory, sample)
    order = np.random.default_rng(2).permutation(len(sample.queries))
    step = _query_step(method)
    with plug_in_errors(NAME, "in transform, a row at a time"):
        alone = np.concatenate([np.asarray(step(sample.queries[i : i + 1])) for i in range(len(queries))])
        images = np.concatenate(
            [np.asarray(method.transform(part)) for part in np.array_split(sample.database, 5)]
        )
        mixed = np.asarray(step(sample.queries[order]))
    gap = max(difference(alone, queries), difference(images, database))
    yield agreement(
        "a row does not depend on its batch", gap, "learn in fit alone; transform treats each row by itself"
    )
    yield agreement(
        "order of the queries", difference(mixed, queries[order]), "transform must not look at row numbers"
    )
    order = np.arange(len(sample.database))[::-1]
    scores, again = _scores(factory, sample)[:, order], _scores(factory, sample.shuffled(order))
    mend = "the order in which images lie must not matter: fit to sums, means and the like"
    yield agreement("order of the database", difference(scores, again), mend, 1e-3)


def _repeats(factory: Callable[[], Any], sample: Sample, asks: tuple[str, ...]) -> Iterator[Finding]:
    first, queries, database = _run(factory, sample)
    _, other_queries, other_database = _run(factory, sample)
    gap = max(difference(queries, other_queries), difference(database, other_database))
    yield agreement("two fits agree", gap, "draw random numbers from a generator with a seed: random_state=0")
    with plug_in_errors(NAME, "when it was fitted again"):
        first.fit(sample.database.copy(), sample.texts.copy(), **sample.answers(asks))
        again = np.asarray(first.transform(sample.database.copy()))
    yield agreement(
        "fitting again starts anew", difference(again, database), "fit must forget what it learnt before"
    )
    given = [sample.queries.copy(), sample.database.copy(), sample.texts.copy()]
    answers = sample.answers(asks)
    with plug_in_errors(NAME, "when its inputs were watched"):
        method = factory().fit(given[1], given[2], **answers)
        method.transform(given[1])
        _query_step(method)(given[0])
    changed = [
        name
        for name, before, after in [
            ("queries", sample.queries, given[0]),
            ("database_features", sample.database, given[1]),
            ("text_features", sample.texts, given[2]),
            *((name, sample.asked[name], answers[name]) for name in asks),
        ]
        if not np.array_equal(before, after)
    ]
    seen = f"changed: {', '.join(changed)}" if changed else "unchanged"
    mend = "work on a copy: `x = x - m`, not `x -= m`"
    yield finding("leaves its inputs alone", not changed, seen, mend)


def _run(factory: Callable[[], Any], sample: Sample) -> tuple[Any, Any, Any]:
    """A fresh method fitted to `sample`, with its rows of queries and database."""
    with plug_in_errors(NAME, "when it was made"):
        method = factory()
    with plug_in_errors(NAME, "in fit"):
        fitted = method.fit(
            sample.database.copy(), sample.texts.copy(), **sample.answers(asked_names(method))
        )
    require(fitted is method, "fit must return self")
    with plug_in_errors(NAME, "in transform"):
        database = np.asarray(method.transform(sample.database.copy()))
    with plug_in_errors(NAME, f"in {'transform_queries' if _maps_queries(method) else 'transform'}"):
        queries = np.asarray(_query_step(method)(sample.queries.copy()))
    return method, queries, database


def _maps_queries(method: Any) -> bool:
    """Whether queries are mapped otherwise than the database."""
    return hasattr(method, "transform_queries")


def _query_step(method: Any) -> Callable[[FloatArray], Any]:
    return getattr(method, "transform_queries", method.transform)  # type: ignore[no-any-return]


def _scores(factory: Callable[[], Any], sample: Sample) -> Any:
    return similarity(*_run(factory, sample))
