"""The stage that draws a few samples of a plan first, for each setting, and says what the whole would take."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError

from .drawing import Drawing
from .folders import Progress, RunFolder, silent, steps

log = logging.getLogger(__name__)

PAGE = "index.html"


def preview(
    run: RunFolder, drawings: Sequence[Drawing], count: int = 24, progress: Progress = silent
) -> dict[str, Any]:
    """Draw `count` samples with each of `drawings` and write the page; return estimates, JSON-able, one a setting.

    The page shows every setting of the plan that was previewed so far, and so does what is returned; those drawn now first.
    """
    from clay_eval.generator.plan.planning import SAMPLES, read_plan_record
    from clay_eval.generator.progress.choosing import spread
    from clay_eval.generator.progress.counting import count as counted
    from clay_eval.generator.progress.previewing import preview as draw
    from clay_eval.generator.progress.sheet import PlannedShards, expected, read_row, render_sheet
    from clay_eval.generator.shards.rendering import plan_specs
    from clay_eval.schemas.files import write_text
    from clay_eval.schemas.manifest import SETTINGS
    from clay_eval.schemas.samples import read_plan
    from clay_eval.schemas.validate import read_sealed

    if count < 1 or not drawings:
        raise InputError("a preview has one sample at least", where="--count", found=count)
    plan = read_plan_record(run.plan)
    specs = plan_specs(run.plan, plan)
    samples = list(read_plan(run.plan / SAMPLES))
    chosen = spread(samples, count)
    keys = {sample.key for sample in chosen}
    drawn = []
    for drawing in drawings:
        renderer, judge = drawing.make_renderer(), drawing.make_judge(run.plan)
        advance = steps(progress, f"preview {drawing.model or drawing.renderer}"[:40], len(chosen))

        def wanted(there: set[str]) -> list[Any]:
            return [sample for sample in samples if sample.key in keys | there]

        folder = draw(
            wanted, specs, plan["fingerprint"], run.previews, renderer, judge, drawing.options(), advance
        )
        drawn.append(folder)
    read = [read_row(folder, plan["entities"]) for folder in dict.fromkeys(drawn)]
    for path in sorted(run.previews.glob(f"*/{SETTINGS}")):
        try:
            if (
                path.parent not in drawn
                and read_sealed(path, "render-settings")["plan"] == plan["fingerprint"]
            ):
                read.append(read_row(path.parent, plan["entities"]))
        except IntegrityError as error:
            log.warning("%s is damaged and left out: %s", error.where, error.what)
    planned = counted(PlannedShards(samples).shards, {})
    rows = []
    for row in read:
        seen = [sample for sample in samples if sample.key in row.fates()]
        rows.append((row, expected(row, seen, planned)))
    page = run.previews / PAGE
    write_text(page, render_sheet(rows, chosen, planned.total))
    return {
        "page": str(page),
        "samples": len(chosen),
        "planned": len(samples),
        "settings": [f for _, f in rows],
        "llm": _spent(run),
    }


def _spent(run: RunFolder) -> dict[str, int] | None:
    """Answers of a language model that the plan was drafted with, and their tokens; None where none was asked."""
    from clay_eval.schemas.errors import ClayEvalError
    from clay_eval.schemas.reading import read_bytes
    from clay_eval.schemas.validate import MAX_JSON_BYTES, parse_json

    spent = {"answers": 0, "prompt_tokens": 0, "completion_tokens": 0}
    for path in sorted((run.plan / "llm" / "calls").glob("[!.]*.json")):
        try:
            usage = parse_json(read_bytes(path, MAX_JSON_BYTES), path)["usage"]
            tokens = int(usage["prompt_tokens"]), int(usage["completion_tokens"])
        except (ClayEvalError, OSError, KeyError, TypeError, ValueError):
            continue  # a fault that was kept to be read
        spent["answers"] += 1
        spent["prompt_tokens"] += tokens[0]
        spent["completion_tokens"] += tokens[1]
    return spent if spent["answers"] else None
