"""A mixture guided by texts: posteriors over a condition's values, fitted to the unlabelled database. Ours, not CLAY's.

Of one condition, with W = H V_k as in CLAY and t_j the normalised mean of the texts of value j:

    x = W^T v,                                               the image in the texts' subspace, 0 at the database's mean
    l_j(v) = softmax_j(tau t_j.v),                           zero-shot, tau the encoder's logit scale
    p_j(v) proportional to l_j(v) N(x; mu_j, S),             mu_j and S by 20 steps of EM on the database, from p = l
    s(v, v') = a <p, p'> + (1 - a) (1 + cos(x, x')) / 2      a = .8

<p, p'> is the chance that both show the same value; CLAY's cosine beside it orders what it leaves equal, and holds where the
texts miss values. S is shared and shrunk, see `mixture`. No label of an image is seen.

*Values that no text names.* Groups of images that `unnamed` finds become components without a text, of the prior .3
together beside .7 l; they stay if they raise BIC = log-likelihood - (k C / 2) log n of the C components' means. Usually
there are none.

*Texts that are near all images.* The gap between images and texts can favour some values whatever an image shows. l is then
softmax_j(tau t_j.(v - m)), where that raises the mixture's log-likelihood by more than .5 an image.

Fitting reads the database twice, to check it and for its mean; EM is done on at most `max_images` of its images, drawn by
the seed, so its memory and time have a bound. Similarities are inner products, of posteriors' kind: several conditions meet
by their product, the chance that the images agree in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ..vectors.arrays import Float64Array, FloatArray, as_floats, require_finite, require_width, unit_rows
from .mixture import Mixture, fit_mixture, log_softmax
from .posteriors import condition_shares, require_two_values
from .support.inputs import checked_database, checked_texts, value_codes, value_means
from .support.linear import not_fitted
from .support.options import checked_components, checked_flag, checked_number
from .support.tangent import aligned, tangent_basis
from .unnamed import unnamed_groups

_STEPS = 20
_UNNAMED_PRIOR = 0.3
_OFFSETS_GAIN = 0.5
_CHUNK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class _Prior:
    """Zero-shot: texts (K, d), tau, and offsets (K,), the logits' means where they are taken off, else 0."""

    texts: Float64Array
    scale: float
    offsets: Float64Array

    def logs(self, logits: Float64Array, unnamed: int) -> Float64Array:
        """Return log w (n, K + unnamed) of the logits tau t_j.v (n, K)."""
        named = log_softmax(logits - self.offsets)
        if not unnamed:
            return named
        others = np.full((len(named), unnamed), np.log(_UNNAMED_PRIOR / unnamed))
        return np.concatenate([named + np.log1p(-_UNNAMED_PRIOR), others], axis=1)


@dataclass(frozen=True, eq=False)
class _Condition:
    """What is learnt of one condition. projection: W (d, k)."""

    projection: Float64Array
    prior: _Prior
    mixture: Mixture

    @property
    def unnamed(self) -> int:
        return len(self.mixture.means) - len(self.prior.texts)

    def posterior(self, images: Float64Array, points: Float64Array) -> Float64Array:
        """Return p (n, K + U) of unit images (n, d) and their points W^T v (n, k)."""
        logs = self.prior.logs(self.prior.scale * (images @ self.prior.texts.T), self.unnamed)
        return self.mixture.posterior(points, logs)

    def rows(self, images: Float64Array, weight: float) -> Float64Array:
        """Return rows (n, K + U + k + 1) of unit images (n, d), whose inner products are the similarities."""
        points = images @ self.projection
        posterior = self.posterior(images, points)
        beside = np.sqrt((1 - weight) / 2)
        constant = np.full((len(images), 1), beside)
        return np.concatenate([np.sqrt(weight) * posterior, beside * unit_rows(points), constant], axis=1)


class TextMixture:
    """Posteriors of a mixture that texts guide, with components for values that no text names.

    n_components: the k of CLAY's subspace. weight: a, in (0, 1]. unnamed: whether unnamed values are looked for. max_images:
    as many images EM sees at most, drawn with random_state. Fitted: n_values_, n_unnamed_, n_components_ (the k in use), of
    several conditions together; logit_scale_, centred_ (how many conditions had the logits' means taken off), n_images_.
    """

    needs, ours = "values", True
    similarity = "inner"
    fusion = "product"
    n_values_: int
    n_unnamed_: int
    n_components_: int
    n_images_: int
    centred_: int
    logit_scale_: float

    def __init__(
        self,
        n_components: int = 50,
        weight: float = 0.8,
        unnamed: bool = True,
        max_images: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.n_components = checked_components(n_components)
        self.weight = checked_number(weight, "weight", most=1.0, above=True)
        self.unnamed = checked_flag(unnamed, "unnamed")
        self.max_images = int(checked_number(max_images, "max_images", least=2))
        self.random_state = int(checked_number(random_state, "random_state"))

    def fit(
        self,
        database_features: npt.ArrayLike,
        text_features: npt.ArrayLike,
        text_values: Sequence[str],
        text_conditions: Sequence[str] | None = None,
        text_weights: npt.ArrayLike | None = None,
        logit_scale: float = 100.0,
    ) -> Self:
        """Fit one mixture a condition to `database_features` (N, d), guided by `text_features` (n, d) and their values.

        Raises InputError as `CLAY.fit`, for another number of values than of texts, a condition with a single value, and a
        logit scale that is not above 0.
        """
        database = checked_database(database_features)
        texts = checked_texts(text_features, database.shape[1], text_weights)
        _, conditions = value_codes(texts, text_values, text_conditions)
        _, of_value = value_means(texts, text_values, text_conditions)
        require_two_values(of_value)
        self.logit_scale_ = checked_number(logit_scale, "logit_scale", above=True)
        rows = self._drawn(len(database))
        self.n_images_ = len(rows)
        features, fitted = np.asarray(text_features), []
        for number in range(int(conditions.max()) + 1):
            kept = texts.kept[conditions == number]
            fitted.append(self._condition(database, rows, features[kept], [text_values[i] for i in kept]))
        self._conditions = fitted
        self._shares = np.sqrt(condition_shares(conditions, texts.weights))
        self.n_values_ = sum(len(one.prior.texts) for one in fitted)
        self.n_unnamed_ = sum(one.unnamed for one in fitted)
        self.n_components_ = sum(one.projection.shape[1] for one in fitted)
        self.centred_ = sum(bool(one.prior.offsets.any()) for one in fitted)
        return self

    def transform(self, features: npt.ArrayLike) -> FloatArray:
        """Return rows whose inner products are the similarities, of `features` (M, d), in their own float type.

        Raises InputError before `fit`, for another width than d, and for NaN or infinity.
        """
        if not hasattr(self, "_conditions"):
            raise not_fitted(self)
        array = as_floats(features, "features")
        require_width(array, "features", len(self._conditions[0].projection))
        blocks = [self._rows(array[:0])]
        for start in range(0, len(array), _CHUNK_ROWS):
            chunk = array[start : start + _CHUNK_ROWS]
            require_finite(chunk, "features", first_row=start)
            blocks.append(self._rows(chunk))
        return np.concatenate(blocks)

    def posterior(self, features: npt.ArrayLike) -> Float64Array:
        """Return the posteriors (M, K + U) of `features` (M, d) over values in the order of the texts, unnamed ones last.

        Of several conditions the first counts. Raises InputError as `transform`.
        """
        self.transform(np.asarray(features)[:0])
        array = as_floats(features, "features")
        require_finite(array, "features")
        images, first = unit_rows(array.astype(np.float64)), self._conditions[0]
        return first.posterior(images, images @ first.projection)

    def _rows(self, chunk: FloatArray) -> FloatArray:
        images = unit_rows(chunk.astype(np.float64))
        parts = zip(self._conditions, self._shares, strict=True)
        rows = [share * one.rows(images, self.weight) for one, share in parts]
        return np.concatenate(rows, axis=1).astype(chunk.dtype)

    def _drawn(self, images: int) -> npt.NDArray[np.intp]:
        if images <= self.max_images:
            return np.arange(images)
        draw = np.random.default_rng(self.random_state)
        return np.sort(draw.choice(images, self.max_images, replace=False))

    def _condition(
        self, database: FloatArray, rows: npt.NDArray[np.intp], features: FloatArray, values: list[str]
    ) -> _Condition:
        texts = checked_texts(features, database.shape[1])
        named = value_means(texts, values)[0].rows
        projection = aligned(tangent_basis(texts, self.n_components), database, "householder")
        points, logits = _projected(database, rows, projection, self.logit_scale_ * named)
        prior = _Prior(named, self.logit_scale_, np.zeros(len(named)))
        mixture, posterior, fit = _fit(points, logits, prior)
        centred = _Prior(named, self.logit_scale_, logits.mean(axis=0))
        other = _fit(points, logits, centred)
        if other[2] - fit > _OFFSETS_GAIN * len(points):
            prior, (mixture, posterior, fit) = centred, other
        if self.unnamed:
            zero_shot = np.exp(prior.logs(logits, 0))
            directions = (named - named.mean(axis=0)) @ projection
            groups = unnamed_groups(points, directions, zero_shot, posterior, self.random_state)
            if (found := int(groups.max()) + 1) > 0:
                more, _, better = _fit(points, logits, prior, groups)
                if better - fit > 0.5 * points.shape[1] * found * np.log(len(points)):
                    mixture = more
        return _Condition(projection, prior, mixture)


def _projected(
    database: FloatArray, rows: npt.NDArray[np.intp], projection: Float64Array, texts: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """W^T v (n, k) and tau t_j.v (n, K) of these rows of the database, chunk by chunk."""
    points, logits = [], []
    for start in range(0, len(rows), _CHUNK_ROWS):
        images = unit_rows(database[rows[start : start + _CHUNK_ROWS]].astype(np.float64))
        points.append(images @ projection)
        logits.append(images @ texts.T)
    return np.concatenate(points), np.concatenate(logits)


def _fit(
    points: Float64Array, logits: Float64Array, prior: _Prior, groups: npt.NDArray[np.intp] | None = None
) -> tuple[Mixture, Float64Array, float]:
    """EM from the zero-shot posterior; images of unnamed groups start there."""
    found = 0 if groups is None else int(groups.max()) + 1
    start = np.exp(prior.logs(logits, 0))
    start = np.concatenate([start, np.zeros((len(start), found))], axis=1)
    if groups is not None:
        start[groups >= 0] = 0
        start[np.flatnonzero(groups >= 0), start.shape[1] - found + groups[groups >= 0]] = 1
    return fit_mixture(points, prior.logs(logits, found), start, _STEPS)
