"""Synthetic features with a known structure, on which a method's behaviour is checked: seeded, a few kilobytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..vectors.arrays import FloatArray, unit_rows

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("disc", "box", "star")
_WIDTH = 48
_WORDINGS = 4


@dataclass(frozen=True, eq=False)
class Sample:
    """Queries (24, d), database (72, d), texts of one condition or of two, all float32, and all that fit can ask for.

    colours: the value of each database image as a number, (72,); query_colours: of each query, (24,).
    """

    queries: FloatArray
    database: FloatArray
    texts: FloatArray
    asked: dict[str, Any]
    colours: Any
    query_colours: Any

    def answers(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Fresh copies of what is asked for by `names`."""
        return {name: _copied(self.asked[name]) for name in names}

    def shuffled(self, order: Any) -> Sample:
        """The same with the database's images in another order."""
        asked = self.asked | {"database_labels": self.asked["database_labels"][order]}
        return Sample(
            self.queries, self.database[order], self.texts, asked, self.colours[order], self.query_colours
        )


def make_sample(*, stacked: bool = False) -> Sample:
    """Images that differ in colour and shape around one mean, texts of "colour" (and "shape") around another."""
    draw = np.random.default_rng(20)
    axes = np.linalg.qr(draw.standard_normal((_WIDTH, len(COLOURS) + len(SHAPES) + 3)))[0].T
    parts, (image_mean, text_mean, name_axis) = axes[:-3], axes[-3:]
    colours, shapes = np.divmod(np.arange(96) % 12, len(SHAPES))
    images = image_mean + 0.4 * (parts[colours] + parts[len(COLOURS) + shapes])
    images = images + 0.04 * draw.standard_normal(images.shape)
    named = 0.3 * np.repeat(parts, _WORDINGS, axis=0)
    texts = text_mean + named + 0.01 * draw.standard_normal(named.shape)
    values = [value for value in COLOURS + SHAPES for _ in range(_WORDINGS)]
    own = len(texts) if stacked else len(COLOURS) * _WORDINGS
    names = text_mean + 0.3 * np.stack([name_axis, -name_axis])[: 2 if stacked else 1]
    conditions = ["colour"] * (len(COLOURS) * _WORDINGS) + ["shape"] * (len(SHAPES) * _WORDINGS)
    others = text_mean + 0.3 * draw.standard_normal((10, _WIDTH)) if stacked else texts[own:]
    labels = colours * len(SHAPES) + shapes if stacked else colours
    asked = {
        "text_values": values[:own],
        "text_conditions": conditions[:own],
        "text_weights": np.ones(own),
        "condition_features": _float32(names),
        "other_text_features": _float32(others),
        "generic_features": _float32(text_mean + 0.1 * draw.standard_normal((60, _WIDTH))),
        "logit_scale": 100.0,
        "database_labels": labels[24:].astype(np.int64),
    }
    images = _float32(images)
    return Sample(images[:24], images[24:], _float32(texts[:own]), asked, colours[24:], colours[:24])


def _float32(rows: Any) -> FloatArray:
    return unit_rows(np.asarray(rows)).astype(np.float32)


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, list | np.ndarray) else value
