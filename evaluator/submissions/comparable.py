"""The settings that a submission is scored with, and the identity of what results must share to stand in one table."""

from __future__ import annotations

from typing import Any

from clay_eval.schemas.fingerprint import fingerprint

from ..evaluation.settings import EvaluationSettings
from ..retrieval.condition_sets import EVERY_SIZE
from ..retrieval.split_kinds import SPLITS
from ..statistics.scoreboard import PERCENTILE
from .layout import Record


def settings_of(record: Record) -> EvaluationSettings:
    """Return the settings that a submission is to be scored with; raises InputError for unknown measures and bad seeds."""
    said = record["settings"]
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in said.items()
        if value is not None
    }
    return EvaluationSettings(methods=(), **{"largest_set": EVERY_SIZE, "interval": PERCENTILE, **values})


def protocol_record(settings: EvaluationSettings) -> dict[str, Any]:
    """Return the settings that results must share to stand in one table."""
    return {
        "split": settings.split,
        "split_sha256": settings.split_sha256,
        "seeds": list(settings.seeds),
        "query_share": settings.query_share if SPLITS[settings.split].drawn else None,
        "measures": list(settings.measures),
        "ties": settings.ties,
        "resample": settings.resample,
        "bootstrap_draws": settings.bootstrap_draws,
        "confidence": settings.confidence,
        **settings.bound(),
        **settings.how(),
    }


def protocol_fingerprint(data: str, settings: Record) -> str:
    """Return one identity for data and settings: results are compared only where it is equal."""
    return fingerprint({"data": data, "settings": settings})
