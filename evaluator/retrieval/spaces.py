"""Fits a method for the conditions of a task on one database, and maps queries and database into its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

from ..methods.support.linear import LinearMethod
from ..methods.support.protocol import FeatureMethod, NotApplicableError, Scalar, describe
from ..methods.support.specs import Method
from ..pictures.labelled import Codes
from ..vectors.arrays import FloatArray, as_floats, require_finite, take_rows, unit_rows
from ..vectors.fusion import STACK, Combine, combiner, gives_chances, joint_basis, weighted_columns
from .study import Encoded, TextFeatures
from .tasks import Index, RetrievalGroup, RetrievalTask


@dataclass(frozen=True, eq=False)
class Space:
    """Queries (Q, k) and database (N, k) of a group in a method's space; their inner products are the scores.

    pairs: one (queries, database), or one a condition, whose blocks of scores `combine` joins.
    """

    pairs: tuple[tuple[FloatArray, FloatArray], ...]
    combine: Combine | None
    learnt: Mapping[str, Scalar]
    texts: int
    warnings: tuple[str, ...] = ()

    def scores(self, query: int) -> FloatArray:
        """The scores (N,) of one query."""
        blocks = [queries[query : query + 1] @ database.T for queries, database in self.pairs]
        joined: FloatArray = blocks[0] if self.combine is None else self.combine(blocks)
        return np.asarray(joined[0])


def make_space(
    method: Method,
    study: Encoded,
    task: RetrievalTask,
    group: RetrievalGroup,
    fit_rows: Index | None = None,
) -> Space:
    """Fit `method` on the group's database (or only on `fit_rows` of it), and map queries and database.

    Raises InputError where the method fails, returns something else than one row of finite numbers an image, or asks for
    what there is not.
    """
    if method.features is not None:
        return _embedded_anew(method, task, group)
    fit = _Fit(method, study, task, group, fit_rows)
    if method.fusion == STACK or len(task.conditions) == 1:
        return fit.stacked()
    return fit.joint_subspace() if method.fusion == "qr" else fit.fused()


def fit_texts(method: Method, encoded: Encoded) -> FeatureMethod:
    """Return `method` fitted on all features for the conditions of all texts, several by one fit of all texts.

    Raises InputError where it asks for what there is not, labels included.
    """
    names, rows = tuple(encoded.texts), np.arange(len(encoded.features))
    group = RetrievalGroup(None, rows[:0], rows, dict.fromkeys(names))
    task = RetrievalTask(names, (group,), np.zeros(len(rows), np.int64))
    return _Fit(method, encoded, task, group, None).fit(names)[0]


def joined(name: str, fits: Sequence[FeatureMethod | LinearMethod]) -> LinearMethod:
    """Return the map onto the subspaces of all `fits` of the method `name` together.

    Raises InputError where one has no subspace.
    """
    linear = [fitted for fitted in fits if isinstance(fitted, LinearMethod)]
    bases = [fitted.projection_ for fitted in linear if fitted.projection_ is not None]
    if len(bases) < len(fits):
        raise InputError(
            f"{name} has no subspaces that could be joined",
            where="fusion=qr",
            expected="a method that projects linearly",
            hint="use fusion=sum, or fusion=rrf",
        )
    joint = LinearMethod()
    joint.projection_, joint.shift_ = joint_basis(bases, [fitted.shift_ for fitted in linear])
    return joint


def group_texts(
    texts: Mapping[str, TextFeatures], name: str, group: RetrievalGroup
) -> tuple[Index, str | None]:
    """Return which texts of a condition count for `group`, as row numbers, and a warning where none fits.

    Of a condition that is divided by its parent, the texts of the group's parent value count, and those without a parent;
    where there are none, all of them.
    """
    wanted, parents = group.text_parents[name], texts[name].parents
    everything = np.arange(len(texts[name].features))
    if wanted is None or parents is None:
        return everything, None
    chosen = np.array([i for i, parent in enumerate(parents) if parent is None or parent == wanted], np.intp)
    if chosen.size:
        return chosen, None
    return everything, f"{name}: no texts for {group.name}, so the texts of all its values were used"


@dataclass(frozen=True, eq=False)
class _Fit:
    method: Method
    study: Encoded
    task: RetrievalTask
    group: RetrievalGroup
    fit_rows: Index | None

    def stacked(self) -> Space:
        """One fit on the texts of all conditions."""
        fitted, count, warnings = self.fit(self.task.conditions)
        pair = self._map(fitted)
        return Space((pair,), None, describe(fitted), count, (*warnings, *self._unweighted()))

    def joint_subspace(self) -> Space:
        """One fit a condition, the subspaces joined."""
        fits = [self.fit((name,)) for name in self.task.conditions]
        joint = joined(self.method.name, [fitted for fitted, _, _ in fits])
        assert joint.projection_ is not None
        learnt = describe(joint) | {"n_components_": joint.projection_.shape[1]}
        return Space((self._map(joint),), None, learnt, *_totals(fits))

    def fused(self) -> Space:
        """One fit a condition, the similarities joined."""
        conditions = self.task.conditions
        weights = [self.study.extras.weight(name) for name in conditions]
        fits = [self.fit((name,)) for name in conditions]
        pairs = tuple(self._map(fitted) for fitted, _, _ in fits)
        learnt = {
            f"{key.rstrip('_')} ({name})_" if key.endswith("_") else key: value
            for name, (fitted, _, _) in zip(conditions, fits, strict=True)
            for key, value in describe(fitted).items()
        }
        if self.method.fusion != "sum":
            chances = all(gives_chances(fitted) for fitted, _, _ in fits)
            combine = combiner(self.method.fusion, weights, chances=chances)
            return Space(pairs, combine, learnt, *_totals(fits))
        queries, database = (weighted_columns(side, weights) for side in zip(*pairs, strict=True))
        return Space(((queries, database),), None, learnt, *_totals(fits))

    def fit(self, conditions: tuple[str, ...]) -> tuple[FeatureMethod, int, list[str]]:
        """The method fitted for `conditions` together, how many texts that were, and warnings."""
        chosen = {name: group_texts(self.study.texts, name, self.group) for name in conditions}
        stacked = np.concatenate(
            [self.study.texts[name].features[rows] for name, (rows, _) in chosen.items()]
        )
        rows = self.group.database if self.fit_rows is None else self.fit_rows
        method = self.method.factory()
        asked = {
            name: self._asked(name, {c: r for c, (r, _) in chosen.items()}, rows) for name in self.method.asks
        }
        method.fit(take_rows(self.study.features, rows), stacked, **asked)
        return method, len(stacked), [warning for _, warning in chosen.values() if warning]

    def _asked(self, name: str, chosen: Mapping[str, Index], rows: Index) -> Any:
        if name == "text_values":
            return [self._values(condition)[row] for condition, rows in chosen.items() for row in rows]
        if name == "text_conditions":
            return [condition for condition, rows in chosen.items() for _ in rows]
        if name == "text_weights":
            return np.repeat(
                [self.study.extras.weight(c) for c in chosen], [len(rows) for rows in chosen.values()]
            )
        if name == "condition_features":
            return np.stack([self._name(condition) for condition in chosen])
        if name == "other_text_features":
            return self._others(chosen)
        if name == "generic_features":
            if self.study.extras.generic is None:
                raise self._missing("generic texts", "an encoder of texts")
            return self.study.extras.generic()
        if name == "logit_scale":
            return self.study.extras.logit_scale()
        if name == "database_labels":
            if (self.group.own >= 0).any():
                raise NotApplicableError(
                    f"{self.method.name} is told the labels of the database, and queries are in it: it would be told "
                    "what it is asked",
                    where=" + ".join(self.task.conditions),
                    hint="use a split that keeps queries out of the database, such as --split image",
                )
            return self._labels(tuple(chosen))[rows]
        raise self._missing(name, "something that can be asked for")

    def _labels(self, conditions: tuple[str, ...]) -> Codes:
        """Of one condition of several, where they are fused, the labels are that condition's own."""
        return (
            self.task.codes if conditions == self.task.conditions else self.task.single_codes[conditions[0]]
        )

    def _values(self, condition: str) -> Sequence[str]:
        values = self.study.texts[condition].values
        if values is None:
            raise self._missing(f"the values that the texts of {condition!r} name", "texts with their values")
        return values

    def _name(self, condition: str) -> FloatArray:
        if self.study.extras.name is None:
            raise self._missing(f"the encoded name of {condition!r}", "an encoder of texts")
        return self.study.extras.name(condition)

    def _others(self, chosen: Mapping[str, Index]) -> FloatArray:
        others = [
            texts.features for name, texts in self.study.texts.items() if name not in self.task.conditions
        ]
        if not others:
            raise NotApplicableError(f"{self.method.name} needs texts of conditions that are not asked for")
        return np.concatenate(others)

    def _missing(self, what: str, expected: str) -> InputError:
        return InputError(
            f"{self.method.name} asks for {what}, and there is none",
            where=" + ".join(self.task.conditions),
            expected=expected,
        )

    def _map(self, fitted: FeatureMethod | LinearMethod) -> tuple[FloatArray, FloatArray]:
        database = mapped(fitted, "transform", take_rows(self.study.features, self.group.database))
        step = "transform_queries" if hasattr(fitted, "transform_queries") else "transform"
        if step == "transform" and np.array_equal(self.group.queries, self.group.database):
            return database, database
        queries = mapped(fitted, step, take_rows(self.study.features, self.group.queries))
        if queries.shape[1] != database.shape[1]:
            raise InputError(
                f"{self.method.name} maps queries and database to different widths",
                where=f"{type(fitted).__name__}.transform_queries",
                expected=f"{database.shape[1]} columns",
                found=f"{queries.shape[1]} columns",
            )
        return queries, database

    def _unweighted(self) -> list[str]:
        weights = {self.study.extras.weight(name) for name in self.task.conditions}
        if len(weights) == 1 or "text_weights" in self.method.asks:
            return []
        return [f"{self.method.name} takes no weights of conditions: all count alike"]


def mapped(method: object, step: str, features: FloatArray) -> FloatArray:
    """Call `step` of a fitted method on `features` (M, d): unit rows (M, k), or rows as they are where it says "inner".

    Raises InputError unless it returns one row of finite numbers an image.
    """
    name = f"{type(method).__name__}.{step}"
    rows = as_floats(getattr(method, step)(features), name)
    if len(rows) != len(features):
        raise InputError(
            f"{name} does not return one row an image",
            where=name,
            expected=f"{len(features)} rows",
            found=f"{len(rows)} rows",
        )
    require_finite(rows, name)
    as_it_is = isinstance(method, LinearMethod) or getattr(method, "similarity", "cosine") == "inner"
    return rows if as_it_is else unit_rows(rows)


def _embedded_anew(method: Method, task: RetrievalTask, group: RetrievalGroup) -> Space:
    assert method.features is not None
    found = method.features(task.conditions)
    queries, database = found if isinstance(found, tuple) else (found, found)
    pair = (unit_rows(take_rows(queries, group.queries)), unit_rows(take_rows(database, group.database)))
    return Space((pair,), None, {"dimension_": int(database.shape[1])}, 0)


def _totals(fits: Sequence[tuple[FeatureMethod, int, list[str]]]) -> tuple[int, tuple[str, ...]]:
    return sum(count for _, count, _ in fits), tuple(dict.fromkeys(w for _, _, found in fits for w in found))
