"""Linear discriminants, as pure mathematics in float64: directions that part groups more than they spread within."""

from __future__ import annotations

import numpy as np

from ...vectors.arrays import Float64Array

_SMALLEST_EIGENVALUE = 1e-12


def discriminants(between: Float64Array, within: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Solve B w = lambda A w for B = between^T between (between: (g, d)) and A = within (d, d), positive definite.

    Returns the eigenvectors of positive eigenvalue as columns W (d, r), r < g + 1, with W^T A W = I, and their
    eigenvalues (r,), largest first. By A = L L^T and the SVD of between L^-T, which squares nothing.
    """
    root = np.linalg.cholesky(within)
    _, singular, right = np.linalg.svd(np.linalg.solve(root, between.T).T, full_matrices=False)
    rank = int(np.count_nonzero(singular > np.sqrt(_SMALLEST_EIGENVALUE) * singular[0]))
    return np.linalg.solve(root.T, right[:rank].T), singular[:rank] ** 2
