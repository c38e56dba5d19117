"""Assembles the record that report.json holds; the pages are made from that record alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.software import versions
from clay_eval.schemas.validate import check

from ..retrieval.results import Result
from ..vectors.json_values import plain

SCHEMA = "clay-eval/report/2"
LONGEST_WARNING = 4000
LONGEST_TITLE = 400
"""Characters, as the schema has it: a long list of names must not cost a report."""
_PACKAGES = ("numpy", "torch", "open_clip_torch", "pillow", "scikit-learn")


def entity_record(
    title: str,
    labels: Mapping[str, Sequence[str]],
    queries: Mapping[int, npt.NDArray[np.bool_]],
    database: npt.NDArray[np.bool_],
    keys: Sequence[str],
    *,
    parents: Mapping[str, str] | None = None,
    coverage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One entry of the report's `entities`.

    `labels`: condition -> value of every image (N each); `queries`: seed -> which images are queries (N,); `database`: which
    are in the database under the first seed (N,); `keys`: of every image; `parents`: condition -> the condition its values
    depend on; `coverage`: what the planner wrote, if it planned the images.
    """
    named = {
        str(s): sorted(k for k, chosen in zip(keys, q, strict=True) if chosen) for s, q in queries.items()
    }
    return {
        "title": title,
        "images": len(keys),
        "queries": len(next(iter(named.values()))),
        "database": int(database.sum()),
        "attributes": {
            name: {"values": dict(sorted(Counter(values).items())), "parent": (parents or {}).get(name)}
            for name, values in labels.items()
        },
        "query_keys": named,
        "coverage": coverage,
    }


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a report holds, beside its schema, fingerprint and seal.

    results: `Result`s, or mappings with at least their fields that have no default; further ones stay out.
    """

    title: str
    inputs: Mapping[str, Any]
    settings: Mapping[str, Any]
    entities: Mapping[str, Mapping[str, Any]]
    results: Iterable[Result | Mapping[str, Any]]
    methods: Mapping[str, Mapping[str, Any]]
    per_query: Mapping[str, Any]
    comparisons: Sequence[Mapping[str, Any]] = ()
    failures: Sequence[Mapping[str, Any]] = ()
    retrievals: Sequence[Mapping[str, Any]] = ()
    maps: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    thumbnails: Mapping[str, str] = field(default_factory=dict)
    neighbours: Mapping[str, Any] | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=lambda: versions(*_PACKAGES))


def build_report(contents: Contents) -> dict[str, Any]:
    """The whole report as plain JSON values, checked against the schema "report", without its seal.

    NaN becomes null. The fingerprint covers `inputs` and `settings`. Raises InputError if a part does not fit the schema.
    """
    parts = {part.name: getattr(contents, part.name) for part in fields(contents)}
    if contents.neighbours is None:
        del parts["neighbours"]
    identity = {"inputs": contents.inputs, "settings": contents.settings}
    report = plain(
        {
            "schema": SCHEMA,
            **parts,
            "fingerprint": fingerprint(plain(identity)),
            "results": [_result(result) for result in contents.results],
            "warnings": list(dict.fromkeys(map(clipped, contents.warnings))),
        }
    )
    check(report, "report", "report.json")
    record: dict[str, Any] = report
    return record


def check_writable(
    title: str,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    entities: Mapping[str, Mapping[str, Any]],
    methods: Mapping[str, str],
) -> None:
    """Raise InputError for what a report could not hold, before anything is computed for it.

    inputs: as in `Contents`, the encoder apart; methods: name -> target.
    """
    try:
        contents = Contents(
            title=title,
            inputs={**inputs, "encoder": {"name": "unknown", "demonstration": False}},
            settings=settings,
            entities=entities,
            results=[],
            methods={
                name: {
                    "title": name,
                    "target": target,
                    "parameters": {},
                    "sees": [],
                    "privileged": False,
                    "fitted": [],
                }
                for name, target in methods.items()
            },
            per_query={
                "file": "per_query.csv",
                "sha256": "0" * 64,
                "rows": 0,
                "measures": settings["measures"],
            },
        )
        build_report(contents)
    except InputError as error:
        raise InputError(
            error.what.replace("not a valid report", "a report cannot hold this", 1),
            where=str(error.where).replace("report.json at $.", "", 1),
            expected=error.expected,
            found=error.found,
            hint="give it a shorter name" if "maxLength" in str(error.expected) else None,
        ) from error


def clipped(text: str, longest: int = LONGEST_WARNING) -> str:
    """`text`, cut where a report would not hold it."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _result(result: Result | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(result, Result):
        return result.row()
    if not isinstance(result, Mapping):
        raise TypeError(f"a result is a dataclass Result or a mapping, not {type(result).__name__}")
    names = {field.name for field in fields(Result)}
    return Result(**{name: value for name, value in result.items() if name in names}).row()
