"""Every method's similarities written straight from its formula, image by image, in float64; none of our code is called."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.stats


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def cosines(queries, database):
    return np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in database] for a in queries])


def log_map(mean, x):
    theta = np.arccos(np.clip(x @ mean, -1, 1))
    return (x - mean * (x @ mean)) * theta / np.sin(theta)


def right_vectors(matrix, k):
    return np.linalg.svd(matrix)[2][:k].T


def tangent(texts):
    mean = unit(texts.mean(axis=0))
    return mean, np.stack([log_map(mean, t) for t in texts])


def reflection(source, target):
    u = unit(source - target)
    return np.eye(len(u)) - 2 * np.outer(u, u)


def value_texts(texts, values):
    named = list(dict.fromkeys(values))
    return np.stack(
        [unit(np.mean([t for t, v in zip(texts, values, strict=True) if v == n], axis=0)) for n in named]
    )


def raw(q, v, t, a):
    return cosines(q, v)


def centred(q, v, t, a):
    m = v.mean(axis=0)
    return cosines(q - m, v - m)


def whitened(q, v, t, a, eps=0.01):
    m, c = v.mean(axis=0), np.cov(v.T, bias=True)
    c = c + eps * np.trace(c) / len(c) * np.eye(len(c))
    root = np.linalg.inv(scipy.linalg.sqrtm(c).real)
    return cosines((q - m) @ root, (v - m) @ root)


def pca(q, v, t, a, k=50):
    m = v.mean(axis=0)
    columns = right_vectors(v - m, min(k, len(v) - 1))
    return cosines((q - m) @ columns, (v - m) @ columns)


def ip_composer(q, v, t, a, k=30):
    columns = right_vectors(t, min(k, len(t)))
    return cosines(q @ columns, v @ columns)


def text_pca(q, v, t, a, k=50):
    columns = right_vectors(t - t.mean(axis=0), min(k, len(t) - 1))
    return cosines(q @ columns, v @ columns)


def text_pca_centred(q, v, t, a, k=50):
    columns, m = right_vectors(t - t.mean(axis=0), min(k, len(t) - 1)), v.mean(axis=0)
    return cosines((q - m) @ columns, (v - m) @ columns)


def clay(q, v, t, a, k=50):
    mean, mapped = tangent(t)
    columns = right_vectors(mapped, min(k, len(t) - 1))
    project, h = columns @ columns.T, reflection(unit(v.mean(axis=0)), mean)
    m_q, m_v = (np.stack([project @ log_map(mean, h @ x) for x in rows]) for rows in (q, v))
    return cosines(m_q, m_v)


def crl(q, v, t, a):
    return cosines(q @ t.T, v @ t.T)


def crl_centred(q, v, t, a):
    c, m = t - t.mean(axis=0), v.mean(axis=0)
    return cosines((q - m) @ c.T, (v - m) @ c.T)


def label_posterior(q, v, t, a):
    named = value_texts(t, a["text_values"])

    def posterior(x):
        odds = np.exp(a["logit_scale"] * (named @ x - (named @ x).max()))
        return odds / odds.sum()

    return np.stack([posterior(x) for x in q]) @ np.stack([posterior(x) for x in v]).T


def image_text(q, v, t, a):
    return cosines(q + unit(unit(a["condition_features"]).mean(axis=0)), v)


def asymmetric(q, v, t, a, k=50):
    columns = right_vectors(tangent(t)[1], min(k, len(t) - 1))
    return cosines(q @ (columns @ columns.T), v)


def pca_generic(q, v, t, a):
    g = unit(a["generic_features"])
    columns = right_vectors(g - g.mean(axis=0), q.shape[1] // 2)
    return cosines(q @ columns, v @ columns)


def other_condition(q, v, t, a):
    return clay(q, v, unit(a["other_text_features"]), a)


def complement(q, v, t, a, k=50):
    columns = right_vectors(tangent(t)[1], min(k, len(t) - 1))
    left = np.eye(q.shape[1]) - columns @ columns.T
    return cosines(q @ left, v @ left)


def supervised_lda(q, v, t, a, shrinkage=0.1):
    labels, m = a["database_labels"], v.mean(axis=0)
    d = q.shape[1]
    between, within = np.zeros((d, d)), np.zeros((d, d))
    for label in np.unique(labels):
        rows = v[labels == label]
        between += len(rows) / len(v) * np.outer(rows.mean(axis=0) - m, rows.mean(axis=0) - m)
        for x in rows:
            within += np.outer(x - rows.mean(axis=0), x - rows.mean(axis=0)) / len(v)
    within = (1 - shrinkage) * within + shrinkage * np.trace(within) / d * np.eye(d)
    columns = scipy.linalg.eigh(between, within)[1][:, ::-1][:, : len(np.unique(labels)) - 1]
    return cosines((q - m) @ columns, (v - m) @ columns)


def clay_spectrum(q, v, t, a, k=50, power=1.0):
    _, singular, right = np.linalg.svd(tangent(t)[1])
    k = min(k, len(t) - 1)
    columns, m = right[:k].T * singular[:k] ** power, v.mean(axis=0)
    return cosines((q - m) @ columns, (v - m) @ columns)


def clay_values(q, v, t, a, power=0.0):
    return clay_spectrum(q, v, value_texts(t, a["text_values"]), a, power=power)


def text_discriminant(q, v, t, a, ridge=1.0):
    x, values = tangent(t)[1], np.array(a["text_values"])
    d = x.shape[1]
    between, within = np.zeros((d, d)), np.zeros((d, d))
    for value in set(values):
        rows = x[values == value]
        gap = rows.mean(axis=0) - x.mean(axis=0)
        between += len(rows) / len(x) * np.outer(gap, gap)
        within += (rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0)) / len(x)
    within += ridge * np.trace(within) / d * np.eye(d)
    eigenvalues, vectors = scipy.linalg.eigh(between, within)
    r = len(set(values)) - 1
    columns, m = vectors[:, ::-1][:, :r] * np.sqrt(eigenvalues[::-1][:r]), v.mean(axis=0)
    return cosines((q - m) @ columns, (v - m) @ columns)


def oas(s, points):
    """Chen et al., IEEE TSP 2010, eq. 23, with the empirical covariance s of so many points."""
    p = len(s)
    numerator = (1 - 2 / p) * np.trace(s @ s) + np.trace(s) ** 2
    denominator = (points + 1 - 2 / p) * (np.trace(s @ s) - np.trace(s) ** 2 / p)
    rho = min(numerator / denominator, 1) if denominator > 0 else 1
    return (1 - rho) * s + rho * np.trace(s) / p * np.eye(p)


def expectation_maximisation(x, priors, start, steps=20):
    """Means, covariance and log-likelihood of Gaussians of one covariance, priors (n, C) differing from image to image."""
    p = start
    for _ in range(steps):
        means = [sum(p[i, c] * x[i] for i in range(len(x))) / p[:, c].sum() for c in range(p.shape[1])]
        s = sum(
            p[i, c] * np.outer(x[i] - means[c], x[i] - means[c])
            for i in range(len(x))
            for c in range(len(means))
        ) / len(x)
        s = oas(s, len(x)) + 1e-3 * np.mean(x**2) * np.eye(len(s))
        weighted = priors * np.stack(
            [scipy.stats.multivariate_normal(m, s).pdf(x).reshape(-1) for m in means], axis=1
        )
        p = weighted / weighted.sum(axis=1, keepdims=True)
    return means, s, np.log(weighted.sum(axis=1)).sum()


def text_mixture(q, v, t, a, groups=None, weight=0.8):
    """groups: the number of the unnamed group of each image, or -1, where there are any."""
    mean, mapped = tangent(t)
    columns = reflection(unit(v.mean(axis=0)), mean) @ right_vectors(mapped, min(50, len(t) - 1))
    named = value_texts(t, a["text_values"])
    logits_q, logits_v = a["logit_scale"] * q @ named.T, a["logit_scale"] * v @ named.T

    def zero_shot(logits, offsets):
        odds = np.exp(logits - offsets - (logits - offsets).max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def learn(offsets, groups=None):
        priors = start = zero_shot(logits_v, offsets)
        if groups is not None:
            unnamed = groups.max() + 1
            others = np.full((len(v), unnamed), 0.3 / unnamed)
            start = np.array(
                [
                    np.eye(len(named) + unnamed)[len(named) + g] if g >= 0 else [*row, *np.zeros(unnamed)]
                    for row, g in zip(priors, groups, strict=True)
                ]
            )
            priors = np.concatenate([0.7 * priors, others], axis=1)
        return expectation_maximisation(v @ columns, priors, start)

    offsets = np.zeros(len(named))
    learnt = learn(offsets)
    other = learn(logits_v.mean(axis=0))
    if other[2] - learnt[2] > 0.5 * len(v):
        offsets, learnt = logits_v.mean(axis=0), other
    if groups is not None:
        more = learn(offsets, groups)
        assert more[2] - learnt[2] > columns.shape[1] * (groups.max() + 1) / 2 * np.log(len(v))
        learnt = more

    def posterior(images, logits):
        priors = zero_shot(logits, offsets)
        unnamed = len(learnt[0]) - len(named)
        if unnamed:
            others = np.full((len(images), unnamed), 0.3 / unnamed)
            priors = np.concatenate([0.7 * priors, others], axis=1)
        weighted = priors * np.stack(
            [
                scipy.stats.multivariate_normal(m, learnt[1]).pdf(images @ columns).reshape(-1)
                for m in learnt[0]
            ],
            axis=1,
        )
        return weighted / weighted.sum(axis=1, keepdims=True)

    same = posterior(q, logits_q) @ posterior(v, logits_v).T
    return weight * same + (1 - weight) * (1 + cosines(q @ columns, v @ columns)) / 2


def indirect(q, v, t, a, m=32, steps=5000, seed=0):
    """Adam as Kingma and Ba write it, the gradient by hand."""
    x = np.unique(t.round(12), axis=0)
    u = np.random.default_rng(seed).normal(0, 0.01, (m, x.shape[1]))
    first, second = np.zeros_like(u), np.zeros_like(u)
    best, least, last = u, np.inf, 0
    turn = 1 - 1e-7
    for step in range(1, steps + 1):
        code = x @ u.T
        length = np.linalg.norm(code, axis=1, keepdims=True)
        code = code / length
        back = code @ u
        size = np.linalg.norm(back, axis=1, keepdims=True)
        back = back / size
        c = (x * back).sum(axis=1)
        inside = np.clip(c, -turn, turn)
        slope = -1 / np.sqrt(1 - inside**2)
        loss = np.mean(np.arccos(inside) + slope * (c - inside))
        if loss < least:
            best, least, last = u, loss, step
        elif step - last >= 100:
            break
        by_back = (slope / len(x))[:, None] * x
        by_back = (by_back - (by_back * back).sum(axis=1, keepdims=True) * back) / size
        by_code = by_back @ u.T
        by_code = (by_code - (by_code * code).sum(axis=1, keepdims=True) * code) / length
        gradient = code.T @ by_back + by_code.T @ x
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        u = u - 0.01 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return cosines(q @ best.T, v @ best.T)


LITERALS = {
    "raw": raw,
    "centred": centred,
    "whitened": whitened,
    "pca": pca,
    "ip-composer": ip_composer,
    "text-pca": text_pca,
    "text-pca-centred": text_pca_centred,
    "clay": clay,
    "crl": crl,
    "crl-centred": crl_centred,
    "label-posterior": label_posterior,
    "image-text": image_text,
    "asymmetric": asymmetric,
    "pca-generic": pca_generic,
    "other-condition": other_condition,
    "complement": complement,
    "supervised-lda": supervised_lda,
    "clay-spectrum": clay_spectrum,
    "clay-values": clay_values,
    "text-discriminant": text_discriminant,
    "text-mixture": text_mixture,
    "indirect": indirect,
}


def make(seed=0, queries=6, images=70, values=5, wordings=4, d=24):
    """Queries, database, texts, and all that can be asked for, float64, of a common cone, lengths 1."""
    draw = np.random.default_rng(seed)
    centre_v, centre_t, centre_g = unit(draw.standard_normal((3, d)) + 0.5) * 3
    labels = draw.integers(0, 4, images)
    labels[:4] = np.arange(4)
    kinds = draw.standard_normal((4, d))
    named = draw.standard_normal((values, d))
    text_values = [f"value {i}" for i in range(values) for _ in range(wordings)]
    v = unit(centre_v + kinds[labels] + 0.7 * draw.standard_normal((images, d)))
    q = unit(centre_v + kinds[draw.integers(0, 4, queries)] + 0.7 * draw.standard_normal((queries, d)))
    t = unit(
        centre_t + np.repeat(named, wordings, axis=0) + 0.4 * draw.standard_normal((values * wordings, d))
    )
    asked = {
        "text_values": text_values,
        "text_conditions": ["colour"] * len(t),
        "text_weights": np.ones(len(t)),
        "condition_features": unit(centre_t + draw.standard_normal((2, d))),
        "other_text_features": unit(centre_t + draw.standard_normal((9, d))),
        "generic_features": unit(centre_g + draw.standard_normal((60, d))),
        "logit_scale": 7.0,
        "database_labels": labels,
    }
    return q, v, t, asked
