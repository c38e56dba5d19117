"""Conditional image similarity: CLAY, its rivals, and the data to tell them apart.

>>> from clay_eval import CLAY, average_precision
>>> clay = CLAY(n_components=50).fit(database_features, text_features)      # doctest: +SKIP
>>> similarity = clay.transform(queries) @ clay.transform(database).T       # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "CLAY": "clay_eval.evaluator.methods.clay",
    "ClayEvalError": "clay_eval.schemas.errors",
    "Condition": "clay_eval.evaluator.index.conditions",
    "ConditionalIndex": "clay_eval.evaluator.index.conditional_index",
    "Inference": "clay_eval.evaluator.statistics.scoreboard",
    "Labelled": "clay_eval.evaluator.pictures.labelled",
    "Settings": "clay_eval.evaluator.retrieval.engine",
    "Study": "clay_eval.evaluator.retrieval.study",
    "TextFeatures": "clay_eval.evaluator.retrieval.study",
    "average_precision": "clay_eval.evaluator.scoring",
    "evaluate_features": "clay_eval.evaluator.retrieval.engine",
    "evaluate_study": "clay_eval.evaluator.retrieval.engine",
    "load_encoder": "clay_eval.evaluator.embedding.encoders",
    "open_shards": "clay_eval.evaluator.pictures.webdataset_reader",
    "parse_measures": "clay_eval.evaluator.scoring.measures",
    "prepare_methods": "clay_eval.evaluator.methods.support.specs",
    "resolve_method": "clay_eval.evaluator.methods.support.registry",
    "results_of": "clay_eval.evaluator.statistics.scoreboard",
    "retrieval_scores": "clay_eval.evaluator.scoring",
}

__all__ = [
    "CLAY",
    "ClayEvalError",
    "Condition",
    "ConditionalIndex",
    "Inference",
    "Labelled",
    "Settings",
    "Study",
    "TextFeatures",
    "__version__",
    "average_precision",
    "evaluate_features",
    "evaluate_study",
    "load_encoder",
    "open_shards",
    "parse_measures",
    "prepare_methods",
    "resolve_method",
    "results_of",
    "retrieval_scores",
]

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import load_encoder
    from clay_eval.evaluator.index.conditional_index import ConditionalIndex
    from clay_eval.evaluator.index.conditions import Condition
    from clay_eval.evaluator.methods.clay import CLAY
    from clay_eval.evaluator.methods.support.registry import resolve_method
    from clay_eval.evaluator.methods.support.specs import prepare_methods
    from clay_eval.evaluator.pictures.labelled import Labelled
    from clay_eval.evaluator.pictures.webdataset_reader import open_shards
    from clay_eval.evaluator.retrieval.engine import Settings, evaluate_features, evaluate_study
    from clay_eval.evaluator.retrieval.study import Study, TextFeatures
    from clay_eval.evaluator.scoring import average_precision, retrieval_scores
    from clay_eval.evaluator.scoring.measures import parse_measures
    from clay_eval.evaluator.statistics.scoreboard import Inference, results_of
    from clay_eval.schemas.errors import ClayEvalError


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
