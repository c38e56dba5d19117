"""The stage that plans which pictures to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, RunFolder, silent, steps

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.drafting import Draft
    from clay_eval.schemas.entity import EntitySpec
    from clay_eval.schemas.texts import ConditionTexts


@dataclass(frozen=True)
class PlanOptions:
    """What is planned.

    entities: names of shipped entities, or paths of entity specs (JSON). count: samples an entity, None for the spec's
    images_per_combination for every combination. seed: decides what is drawn by lot. texts: files of condition texts, in
    place of the shipped ones. exclusions: a table (CSV) of contradictions in place of the spec's own, for one entity.
    """

    entities: Sequence[str] = ("demo-object", "demo-human")
    count: int | None = None
    seed: int = 0
    texts: Sequence[Path] = ()
    exclusions: Path | None = None


def plan(run: RunFolder, options: PlanOptions | None = None, progress: Progress = silent) -> dict[str, Any]:
    """Load specs and texts, write the plan, and return its record."""
    from clay_eval.evaluator.evaluation.condition_texts import texts_from_files
    from clay_eval.schemas.entity import load_entity
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.texts import shipped_texts

    options = options or PlanOptions()
    specs = [load_entity(name) for name in options.entities]
    if options.exclusions is not None:
        specs = [_with_exclusions(specs, options.exclusions)]
    given = texts_from_files(options.texts)
    if unknown := sorted(set(given) - {s.entity for s in specs}):
        raise InputError(
            "condition texts of an entity that is not planned",
            where="--texts",
            expected=f"texts of {[s.entity for s in specs]}",
            found=unknown,
        )
    texts = [given.get(s.entity) or shipped_texts(s.entity) for s in specs]
    return _write(run, specs, texts, options, progress)


def plan_drafts(
    run: RunFolder, drafts: Sequence[Draft], options: PlanOptions, progress: Progress = silent
) -> dict[str, Any]:
    """Write the plan of what a language model drafted; only count and seed of `options` matter."""
    return _write(run, [d.spec for d in drafts], [d.texts for d in drafts], options, progress)


def _write(
    run: RunFolder,
    specs: Sequence[EntitySpec],
    texts: Sequence[ConditionTexts | None],
    options: PlanOptions,
    progress: Progress,
) -> dict[str, Any]:
    from clay_eval.generator.plan.planning import PlanRequest, write_plan

    request = PlanRequest(specs, texts, options.count, options.seed)
    record = write_plan(request, run.plan, steps(progress, "plan", None))
    progress("plan", record["samples"], record["samples"])
    return record


def _with_exclusions(specs: list[EntitySpec], table: Path) -> EntitySpec:
    """The one spec of `specs` with the exclusions of `table` in place of its own."""
    from clay_eval.generator.plan.llm.exclusion_table import read_exclusions
    from clay_eval.schemas.entity import parse_entity
    from clay_eval.schemas.errors import InputError

    if len(specs) != 1:
        raise InputError(
            "a table of exclusions is for one entity",
            where="--exclusions",
            expected="one entity",
            found=len(specs),
        )
    (spec,) = specs
    exclusions = read_exclusions(table, [a.name for a in (*spec.attributes, *spec.diversity)])
    return parse_entity({**spec.record, "exclusions": exclusions}, f"{spec.source} with {table}")
