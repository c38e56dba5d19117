"""How several conditions meet in one ranking.

"stack" is the paper's: the texts of all conditions in one fit, one subspace. The others fit once a condition, and join

    qr       the subspaces: an orthonormal basis of [W_1 | ... | W_C], and the cosine in it
    sum      the similarities: s = sum_c w_c s_c / sum_c w_c
    product  s = prod_c ((1 + s_c) / 2)^(w_c / sum w): the geometric mean of similarities brought to [0, 1]; chances, which
             methods of posteriors give, are there already: s = prod_c s_c^(w_c / sum w)
    min      s = min_c s_c
    rrf      the ranks: s = sum_c w_c / (60 + rank_c) (Cormack et al., SIGIR 2009), equal scores sharing their mean rank

One stacked SVD is dominated by the condition whose texts are more or more spread; the others give each condition its say.
A class may state its own by `fusion`; "stack" is the usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import did_you_mean, nearest

from .arrays import Float64Array, FloatArray

STACK = "stack"
FUSIONS = (STACK, "qr", "sum", "product", "min", "rrf")
UNWEIGHTED = ("min", "qr")
RANK_CONSTANT = 60

Combine = Callable[[Sequence[FloatArray]], FloatArray]


def check_fusion(name: str) -> None:
    """Raise InputError unless `name` is one of FUSIONS."""
    if name not in FUSIONS:
        raise InputError(
            "unknown fusion of conditions",
            where="fusion",
            expected=f"one of {FUSIONS}",
            found=repr(name),
            hint=did_you_mean(nearest(name, FUSIONS)),
        )


def fusion_of(method: object) -> str:
    """How `method`, an instance or a class, joins conditions where the user does not say; raises as `check_fusion`."""
    own = str(getattr(method, "fusion", STACK))
    check_fusion(own)
    return own


def gives_chances(method: object) -> bool:
    """Whether the similarities of `method` are chances in [0, 1]: inner products of a class whose own fusion is product."""
    return (
        getattr(method, "similarity", "cosine") == "inner" and getattr(method, "fusion", STACK) == "product"
    )


def shares(weights: Sequence[float]) -> Float64Array:
    """Return w_c / sum w (C,) of weights above 0, scaled by a power of two before: their sum may be beyond float64."""
    given = np.asarray(weights, np.float64)
    scaled: Float64Array = np.ldexp(given, -int(np.frexp(given.max())[1]))
    return np.asarray(scaled / scaled.sum())


def combiner(fusion: str, weights: Sequence[float], *, chances: bool = False) -> Combine:
    """Return what joins a block of scores a condition, each (B, N), into one (B, N): product, min or rrf.

    chances: the scores are in [0, 1], where a product takes them as they are.
    """
    share = shares(weights)
    if fusion == "min":
        return lambda blocks: np.minimum.reduce(list(blocks))
    if fusion == "product":
        return lambda blocks: _product(blocks if chances else [(1 + block) / 2 for block in blocks], share)
    if fusion == "rrf":
        return lambda blocks: _reciprocal_ranks(blocks, np.asarray(weights, np.float64))
    raise ValueError(fusion)


def weighted_columns(parts: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """Return rows (M, k_1 + ... + k_C) whose inner products are the weighted means of the parts' inner products.

    parts: unit rows (M, k_c), one array a condition; each is scaled by sqrt(w_c / sum w).
    """
    share = np.sqrt(shares(weights))
    return np.concatenate(
        [part * part.dtype.type(factor) for part, factor in zip(parts, share, strict=True)], axis=1
    )


def joint_basis(
    projections: Sequence[Float64Array], shifts: Sequence[Float64Array | None]
) -> tuple[Float64Array, Float64Array | None]:
    """Return an orthonormal basis Q (d, r) of the columns of all `projections` (d, k_c), and the shift Q^T x.

    shifts: W_c^T x of one common x in R^d, (k_c,) each, or None for x = 0. With W = [W_1 | ...] = Q S V^T the shift follows
    as Q^T x = S^(-1) V^T (W^T x). r is the numerical rank.
    """
    stacked = np.concatenate(list(projections), axis=1)
    left, singular, right = np.linalg.svd(stacked, full_matrices=False)
    rank = int(np.count_nonzero(singular > singular[0] * max(stacked.shape) * np.finfo(np.float64).eps))
    basis = np.ascontiguousarray(left[:, :rank])
    if all(shift is None for shift in shifts):
        return basis, None
    whole = np.concatenate(
        [
            np.zeros(projection.shape[1]) if shift is None else shift
            for projection, shift in zip(projections, shifts, strict=True)
        ]
    )
    return basis, (right[:rank] @ whole) / singular[:rank]


def _product(blocks: Sequence[FloatArray], share: Float64Array) -> FloatArray:
    """Rounding may leave a similarity just below 0."""
    total = np.ones_like(blocks[0])
    for block, power in zip(blocks, share, strict=True):
        total *= np.maximum(block, 0) ** block.dtype.type(power)
    return total


def _reciprocal_ranks(blocks: Sequence[FloatArray], weights: Float64Array) -> FloatArray:
    total = np.zeros(blocks[0].shape)
    for block, weight in zip(blocks, weights, strict=True):
        total += weight / (RANK_CONSTANT + mean_ranks(block))
    return total


def mean_ranks(scores: FloatArray) -> npt.NDArray[np.float64]:
    """Return the rank of every score in its row, 1 for the highest, equal scores sharing the mean; (B, N) float64."""
    from scipy.stats import rankdata

    ranks: npt.NDArray[np.float64] = rankdata(-scores, method="average", axis=1)
    return ranks
