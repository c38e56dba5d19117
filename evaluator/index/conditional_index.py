"""An index of pictures' vectors that is asked under conditions.

Vectors are read once for what no condition changes, and once for every condition that is added; a query then reads N x k
numbers a condition. Of conditions c with weights w_c > 0, and R the removal of those with weights below 0 (see `removal`),

    s(v, v') = the method's fusion of s_c(R v, R v') with the weights w_c

where s_c is the similarity under c alone. Fusions are those of `vectors.fusion`, and so is what comes out: with weights of 1
it is what an evaluation of the same method ranks by. "sum" is the weighted mean, "product" the weighted geometric mean
(posteriors' own), both smooth in the weights. "stack", the paper's, fits the texts of all conditions at once: every set of
conditions and weights that is new costs a pass over the vectors. Without a condition that counts, s is the cosine of R v and
R v': the raw cosine, or that of the complement.

>>> import numpy as np
>>> pictures = np.random.default_rng(0).standard_normal((100, 16)).astype(np.float32)
>>> index = ConditionalIndex(pictures, [f"p{i}" for i in range(100)])
>>> _ = index.add(Condition("color", np.eye(16)[:3] + 0.1, ["red", "green", "blue"]))
>>> [found.key for found in index.query("p0", {"color": 1}, top=3)]
['p4', 'p36', 'p94']
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

from ..methods.clay import CLAY
from ..methods.support.protocol import FeatureMethod
from ..methods.support.specs import Method, prepare_methods
from ..retrieval.spaces import fit_texts, joined
from ..retrieval.study import Encoded, Extras, TextFeatures
from ..vectors.arrays import Float64Array, FloatArray, as_features, unit_rows
from ..vectors.fusion import STACK, UNWEIGHTED, combiner, gives_chances, shares
from .approximate import ApproximateIndex
from .conditions import Condition
from .explaining import ValueChance, chances_of
from .nearest import Neighbour, Query, best_rows
from .pictures import Pictures
from .removal import Removal, Subspaces
from .space import ConditionSpace, Fitted, map_pictures
from .weighing import Weighted, Weights, parse_weights, require_known

DEFAULT_METHOD = "clay(fusion=sum)"
_KEPT_SPACES = 8
_MOST_VALUES = 2000
"""Values of a posterior: it is fitted on as many numbers for each of thousands of pictures."""


class ConditionalIndex:
    """Pictures' vectors, asked under conditions.

    Parameters
    ----------
    features: (N, d) vectors of the pictures by one encoder, float32 or float64, of any length; an array, or a file that is
        mapped into memory, which is never copied whole.
    keys: the pictures' N names, each once.
    labels: attribute -> N values; nothing here is fitted on them, exports hand them on.
    method: a feature method's spec, as `evaluate --method` takes it.
    extras: what some methods ask for beyond vectors and texts; logit_scale there is the encoder's.

    Raises InputError for features that are not finite, all equal or of another number than the keys, keys that stand twice,
    and methods that see labels or embed the pictures anew.
    """

    def __init__(
        self,
        features: npt.ArrayLike,
        keys: Sequence[str],
        labels: Mapping[str, Sequence[str]] | None = None,
        *,
        method: str = DEFAULT_METHOD,
        extras: Extras | None = None,
    ) -> None:
        self._prepare(Pictures.read(features, keys, labels), method, extras)

    def _prepare(self, pictures: Pictures, method: str, extras: Extras | None) -> None:
        self._pictures, self._extras = pictures, extras or Extras()
        self._method = searchable_method(method)
        self._conditions: dict[str, Condition] = {}
        self._texts: dict[str, TextFeatures] = {}
        self._spaces: dict[str, ConditionSpace] = {}
        self._other_spaces: OrderedDict[tuple[Weighted, Weighted], ConditionSpace] = OrderedDict()
        self._clay: dict[str, CLAY] = {}
        self._subspaces: dict[tuple[str, ...], Subspaces] = {}

    def beside(self, method: str) -> ConditionalIndex:
        """Return an index of the same pictures and conditions by another method; what was read of them is shared."""
        other = ConditionalIndex.__new__(ConditionalIndex)
        other._prepare(self._pictures, method, self._extras)
        for condition in self._conditions.values():
            other.add(condition)
        return other

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._pictures.keys)

    @property
    def method(self) -> str:
        """The method's spec in its canonical form."""
        return self._method.name

    @property
    def keys(self) -> Sequence[str]:
        """The pictures' names, in order of row."""
        return self._pictures.keys

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """Attribute -> its values, in order of row."""
        return self._pictures.labels

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """The conditions by name, in the order in which they were added."""
        return dict(self._conditions)

    @property
    def features(self) -> FloatArray:
        """The pictures' vectors (N, d), as they were given."""
        return self._pictures.features

    def add(self, condition: Condition) -> Self:
        """Fit the method for `condition` and keep every picture's vector under it: one pass over the pictures.

        A condition of the same name is replaced. Raises InputError as `Condition.checked` and the method's `fit`, where the
        vectors would take more than 2 GiB or a posterior be over more than 2000 values, and IntegrityError where the
        pictures' vectors have changed meanwhile.
        """
        texts = condition.checked(self._pictures.width)
        self._require_few_values(condition.name, texts)
        with self._pictures.lock:
            self._pictures.require_unchanged()
            space = map_pictures(self._pictures, self._fit({condition.name: texts}))
            self.remove(condition.name)
            self._conditions[condition.name], self._texts[condition.name] = condition, texts
            self._spaces[condition.name] = space
        return self

    def remove(self, name: str) -> None:
        """Forget the condition `name`, if there is one."""
        with self._pictures.lock:
            kept: dict[str, Any]
            for kept in (self._conditions, self._texts, self._spaces, self._clay):
                kept.pop(name, None)
            self._other_spaces.clear()
            self._subspaces.clear()

    def row(self, key: str) -> int:
        """Return the row of the picture `key`; an unknown one raises InputError."""
        return self._pictures.row(key)

    def vectors(self, condition: str) -> FloatArray:
        """Return the pictures' vectors (N, k) under one condition, float32: products of two are their similarity."""
        require_known(condition, self._conditions)
        view = self._spaces[condition].vectors.view()
        view.flags.writeable = False
        return view

    def transform(self, condition: str, query: Query) -> FloatArray:
        """Return the vectors (M, k), float32, under one condition of queries: a picture's key, (d,), or (M, d).

        Raises InputError for unknown keys and conditions, NaN and other widths.
        """
        require_known(condition, self._conditions)
        vectors = self._query_vector(query) if isinstance(query, str) else np.atleast_2d(np.asarray(query))
        return self._spaces[condition].queries(self._checked_queries(vectors))

    def is_one_product(self, condition: str) -> bool:
        """Whether the method maps v to W^T v and no more under a condition, as `rewritten` and `lengths` need it."""
        require_known(condition, self._conditions)
        return self._spaces[condition].projection is not None

    def rewritten(self, condition: str, query: Query) -> FloatArray:
        """Return W z (d,), float32, z = W^T q / |W^T q|: its inner product with a picture's own unit vector, divided by the
        picture's `lengths`, is their similarity under `condition`.

        So an index of the pictures' own vectors answers a conditional query. Raises InputError as `transform`, and where the
        method is more than one product.
        """
        projection = self._projection(condition)
        rewritten: FloatArray = projection @ self.transform(condition, query)[0]
        return rewritten.astype(np.float32)

    def lengths(self, condition: str) -> FloatArray:
        """Return |W^T v| (N,), float32, of the pictures' vectors v at unit length; raises InputError as `rewritten`."""
        self._projection(condition)
        return self._spaces[condition].lengths / self._pictures.lengths

    def approximate(self, conditions: Sequence[str], recall: float = 0.95) -> ApproximateIndex:
        """Return an approximate index of `conditions` as they are now, for collections too large to look at every picture.

        recall: the share of the ten nearest that it is to find. Raises InputError for unknown conditions, several whose
        similarities are not summed, and as `ApproximateIndex`.
        """
        for name in conditions:
            require_known(name, self._conditions)
        if not conditions or (len(conditions) > 1 and self._method.fusion != "sum"):
            raise InputError(
                "an approximate index is of one condition, or of several whose similarities are summed",
                where="conditions",
                expected="one condition, or a method with fusion=sum",
                found=f"{list(conditions)} by {self.method}",
            )
        return ApproximateIndex(self, tuple(dict.fromkeys(conditions)), recall)

    def query(
        self, query: Query, weights: Mapping[str, float] | None = None, top: int = 20
    ) -> list[Neighbour]:
        """Return the `top` pictures most similar to `query` under weighted conditions, best first, ties in order of row.

        query: a picture's key, which is then left out itself, or a vector (d,). weights: condition -> its weight, see
        `weighing`; none for the raw cosine. Exact.

        Raises InputError for unknown keys and conditions, vectors that do not fit, and weights that the fusion does not
        take; IntegrityError as `add`.
        """
        if isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1:
            raise InputError("top is a whole number, 1 or more", where="top", found=repr(top))
        scores = self.similarities(query, weights)
        own = self.row(query) if isinstance(query, str) else None
        return [
            Neighbour(self.keys[row], row, float(scores[row]))
            for row in best_rows(scores, int(top), own).tolist()
        ]

    def similarities(self, query: Query, weights: Mapping[str, float] | None = None) -> FloatArray:
        """Return the similarity (N,), float32, of every picture to `query`, as `query` ranks them."""
        vector = self._query_vector(query)
        parsed = parse_weights(weights or {}, self._conditions)
        self._require_weights_taken(parsed)
        with self._pictures.lock, _threads(1 if parsed.removed else None):
            self._pictures.require_unchanged()
            if not parsed.counted:
                return self._cosines(vector, parsed.removed)
            if len(parsed.counted) == 1 or self._method.fusion in (STACK, "qr"):
                return self._space(parsed).scores(vector)
            spaces = [self._space(Weights((one,), parsed.removed)) for one in parsed.counted]
            return self._fused(spaces, [weight for _, weight in parsed.counted], vector)

    def explain(self, query: Query, condition: str, top: int = 10) -> list[ValueChance]:
        """Return the values that the texts of `condition` name, with the chance that `query` shows each, highest first.

        The posterior is the method's own where it has one, else zero-shot: softmax of the encoder's logit scale times the
        cosine with each value's mean text.

        Raises InputError for unknown keys and conditions, and for texts that do not say which values they name.
        """
        require_known(condition, self._conditions)
        vector = self._query_vector(query)
        space = self._spaces[condition]
        return chances_of(space.fitted, self._texts[condition], condition, vector, self._extras)[:top]

    def _query_vector(self, query: Query) -> FloatArray:
        """The vector (1, d) of a query."""
        if isinstance(query, str):
            row = self.row(query)
            return np.asarray(self._pictures.features[row : row + 1])
        vector = np.asarray(query)
        return self._checked_queries(vector[None, :] if vector.ndim == 1 else vector, most=1)

    def _checked_queries(self, features: npt.ArrayLike, most: int | None = None) -> FloatArray:
        checked = as_features(features, "query", width=self._pictures.width)
        if most is not None and len(checked) > most:
            raise InputError(
                "a query is one vector", where="query", expected="shape (d,)", found=checked.shape
            )
        return checked

    def _fit(self, texts: Mapping[str, TextFeatures], weights: Weighted = ()) -> FeatureMethod:
        extras = Extras(self._extras.name, self._extras.generic, self._extras.logit_scale, dict(weights))
        with _threads(1):
            return fit_texts(self._method, Encoded(self._pictures.surveyed, texts, extras))

    def _cosines(self, query: FloatArray, removed: Weighted) -> FloatArray:
        """The cosines (N,) with a query (1, d) of what is left of both, 0 where nothing is."""
        vector: FloatArray = unit_rows(query.astype(np.float64))
        lengths = self._pictures.lengths
        if removed:
            subspaces, removal = self._removal(removed)
            left = removal.rows(vector)
            vector = removal.rows(left / max(float(np.linalg.norm(left)), np.finfo(np.float64).tiny))
            lengths = subspaces.lengths(removal, lengths)
        products = self._pictures.products(vector[0])
        return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)

    def _space(self, weights: Weights) -> ConditionSpace:
        """The space of these conditions together, made where it is not there yet."""
        if len(weights.counted) == 1:
            weights = Weights(((weights.names[0], 1.0),), weights.removed)
            if not weights.removed:
                return self._spaces[weights.names[0]]
        place = (weights.counted, weights.removed)
        if place not in self._other_spaces:
            self._other_spaces[place] = self._made(weights)
        self._other_spaces.move_to_end(place)
        while len(self._other_spaces) > max(_KEPT_SPACES, len(self._conditions)):
            self._other_spaces.popitem(last=False)
        return self._other_spaces[place]

    def _made(self, weights: Weights) -> ConditionSpace:
        if weights.removed:
            return self._space(Weights(weights.counted, ())).without(*self._removal(weights.removed))
        return map_pictures(self._pictures, self._fitted(weights))

    def _fitted(self, weights: Weights) -> Fitted:
        if self._method.fusion == "qr":
            return joined(self.method, [self._spaces[name].fitted for name in weights.names])
        return self._fit({name: self._texts[name] for name in weights.names}, weights.counted)

    def _fused(
        self, spaces: Sequence[ConditionSpace], weights: Sequence[float], query: FloatArray
    ) -> FloatArray:
        if self._method.fusion == "sum":
            total = np.zeros(len(self), np.float32)
            for space, share in zip(spaces, shares(weights), strict=True):
                scaled = space.queries(query)[0] * np.float32(share)
                total += space.vectors @ scaled
            return total
        chances = all(gives_chances(space.fitted) for space in spaces)
        combine = combiner(self._method.fusion, weights, chances=chances)
        return np.asarray(combine([space.scores(query)[None] for space in spaces])[0], np.float32)

    def _require_few_values(self, name: str, texts: TextFeatures) -> None:
        values = len(set(texts.values or ()))
        if values > _MOST_VALUES and gives_chances(self._method.factory()):
            raise InputError(
                f"{self.method} keeps a chance a value, and these are too many",
                where=f"condition {name!r}",
                expected=f"at most {_MOST_VALUES} values",
                found=values,
                hint="clay and other methods that project keep 50 numbers, however many values there are",
            )

    def _require_weights_taken(self, weights: Weights) -> None:
        if len({weight for _, weight in weights.counted}) < 2:
            return
        unweighted = self._method.fusion in UNWEIGHTED
        if unweighted or (self._method.fusion == STACK and "text_weights" not in self._method.asks):
            raise InputError(
                f"{self.method} takes no weights of conditions",
                where="weights",
                expected="equal weights",
                found=dict(weights.counted),
                hint="use fusion=sum or fusion=product",
            )

    def _projection(self, condition: str) -> Float64Array:
        require_known(condition, self._conditions)
        projection = self._spaces[condition].projection
        if projection is None:
            raise InputError(
                f"{self.method} is more than one product, so that a query cannot be rewritten",
                where=f"condition {condition!r}",
                expected="a method such as clay or text-pca",
                hint="keep the conditional vectors themselves",
            )
        return projection

    def _removal(self, removed: Weighted) -> tuple[Subspaces, Removal]:
        """The subspaces of some conditions, of the last set that was asked for as they were kept, and what removes them."""
        names = tuple(name for name, _ in removed)
        if names not in self._subspaces:
            projections = [self._subspace(name).projection_ for name in names]
            self._subspaces = {names: Subspaces(self._pictures.features, projections)}
        subspaces = self._subspaces[names]
        return subspaces, subspaces.removal([share for _, share in removed])

    def _subspace(self, name: str) -> CLAY:
        """CLAY of a condition, whose subspace is what its removal takes out, whatever the index's method is."""
        own = self._spaces[name].fitted
        if isinstance(own, CLAY):
            return own
        if name not in self._clay:
            self._clay[name] = CLAY().fit(self._pictures.surveyed, self._texts[name].features)
        return self._clay[name]


def _threads(count: int | None) -> AbstractContextManager[object]:
    """BLAS with so many threads: those of small products wait for each other, on the cores that large ones need."""
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[object] = threadpool_limits(limits=count, user_api="blas")
    return limited


def searchable_method(spec: str) -> Method:
    """The method of a spec; raises InputError for one that is unknown, sees labels or embeds the pictures anew."""
    (method,) = prepare_methods([spec])
    if method.privileged:
        raise InputError(
            f"{method.name} is told labels of pictures, and a search has none",
            where="method",
            expected="a method of texts or of the values that they name",
        )
    return method
