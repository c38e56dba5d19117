"""What a report says of its inputs and methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.texts import ConditionTexts
from clay_eval.schemas.validate import parse_json, read_text

from ..methods.support.specs import Method
from ..pictures.labelled import ImageSource, Labelled, has_pictures
from ..pictures.sources import ClayShards, ImageFolder
from ..report.build import LONGEST_TITLE, entity_record
from ..retrieval.results import Outcome
from ..retrieval.splits import Split
from ..vectors.fusion import STACK


def inputs_record(
    source: ImageSource, encoder: Mapping[str, Any], texts: Mapping[str, ConditionTexts]
) -> dict[str, Any]:
    """The report's `inputs`: identities of the data, the plan, the texts and the encoder."""
    ours = source if isinstance(source, ClayShards) else None
    own = "folder" if isinstance(source, ImageFolder) else "webdataset"
    kind = "shards" if ours else own if has_pictures(source) else "labels"
    benchmark = getattr(source, "benchmark", None)
    return {
        "data": {
            "kind": kind if benchmark is None else "benchmark",
            **(
                {}
                if benchmark is None
                else {"benchmark": benchmark, "tags": list(getattr(source, "tags", ()))}
            ),
            "fingerprint": source.fingerprint,
            "renderer": ours.renderer if ours else None,
        },
        "plan": ours.plan if ours else None,
        "specs": {name: ours.specs[name] for name in ours.entities} if ours else {},
        "texts": {
            name: {
                "fingerprint": item.fingerprint,
                "origin": dict(item.record["origin"]),
                "conditions": {
                    condition: {
                        "texts": len(item.conditions[condition]),
                        "values": len({text.value for text in item.conditions[condition]}),
                    }
                    for condition in source.entities[name].labels
                },
            }
            for name, item in texts.items()
        },
        "encoder": dict(encoder),
    }


def methods_record(methods: Sequence[Method], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The report's `methods`: what each is, what it sees, and what it learnt on every database."""
    described = {}
    for method in methods:
        fitted = [
            {
                "entity": outcome.entity,
                "conditions": list(outcome.conditions),
                "group": group.name,
                "seed": group.seed,
                "n_components": None,
                **{key.rstrip("_"): value for key, value in group.learnt.items() if key.endswith("_")},
            }
            for outcome in outcomes
            if outcome.method == method.name
            for group in outcome.groups
        ]
        described[method.name] = {
            "title": method.name,
            "target": method.target,
            "parameters": method.parameters
            if method.fusion == STACK
            else {**method.parameters, "fusion": method.fusion},
            "sees": _sees(method),
            "privileged": method.privileged,
            "role": method.role,
            "ours": method.ours,
            "needs": method.needs,
            "fitted": fitted,
        }
    return described


def _sees(method: Method) -> list[str]:
    if method.embedder is not None:
        return ["pixels"]
    return ["images", *(["texts"] if method.uses_texts else []), *method.asks]


def described_entity(labels: Labelled, splits: Mapping[int, Split], plan: Path | None) -> dict[str, Any]:
    """What the report says of an entity before anything is scored. splits: seed -> split."""
    return entity_record(
        title(plan, labels.entity),
        labels.labels,
        {seed: split.is_query for seed, split in splits.items()},
        next(iter(splits.values())).is_database,
        labels.keys,
        parents=labels.parents,
        coverage=coverage(plan).get(labels.entity),
    )


def coverage(plan: Path | None) -> dict[str, Any]:
    """Entity -> coverage, as the planner wrote it; empty without a plan."""
    path = None if plan is None else plan / "coverage.json"
    if path is None or not path.is_file():
        return {}
    record: dict[str, Any] = parse_json(read_text(path), path)
    return record


def title(plan: Path | None, entity: str) -> str:
    """The title of an entity in its spec, or its name."""
    path = None if plan is None else plan / "specs" / f"{entity}.json"
    if path is None or not path.is_file():
        return entity
    return str(parse_json(read_text(path), path).get("title", entity))[:LONGEST_TITLE]
