"""clay-eval plan"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Out, RunFolder, Seed, emit, progress_bar

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.drafting import Draft
    from clay_eval.schemas.entity import EntitySpec
    from clay_eval.schemas.texts import ConditionTexts

EPILOG = """
**Example**

    clay-eval plan demo-object demo-human --count 400 --out runs/first

    clay-eval plan my_entity.json --texts my_texts.json --seed 7 --out runs/mine

    clay-eval plan "kitchen tools: type, material, state" --llm local --out runs/kitchen

    clay-eval plan "kitchen tools: type, material, state" --llm http://localhost:8000/v1 --model NAME --out runs/kitchen

Writes plan/plan.jsonl (a sample a line), plan/coverage.md, and copies of the specs and condition texts. A finished plan of
the same settings is left alone; other settings are refused (exit code 3).

With --llm a language model drafts what is missing, in plan/llm/: entity spec, contradictions (a table to edit), condition
texts, and every reply as it came. Answers are kept: the same command again asks only what was not answered. Exit code 7:
the model, its server or the budget ended the work.
"""

Count = Annotated[
    int | None,
    typer.Option(
        "--count",
        min=1,
        help="Samples an entity. Default: the spec's images_per_combination for every combination.",
    ),
]
Texts = Annotated[
    list[Path] | None,
    typer.Option(
        "--texts",
        help="Condition texts (JSON) of one of the entities; may be repeated. Default: the shipped ones.",
    ),
]
Exclusions = Annotated[
    Path | None,
    typer.Option(
        "--exclusions",
        help="A table (CSV) of contradictions in place of the spec's own; for one entity at a time.",
    ),
]
_PANEL = "With a language model"


def _option(flag: str, text: str, **more: Any) -> Any:
    return typer.Option(flag, help=text, rich_help_panel=_PANEL, **more)


Llm = Annotated[
    str | None,
    _option(
        "--llm",
        "Draft with a model: local (on this machine, offline), a base URL, or env (OPENAI_BASE_URL, OPENAI_API_KEY).",
    ),
]
Model = Annotated[str | None, _option("--model", "The model's name on the server. Default: OPENAI_MODEL.")]
KeyFile = Annotated[
    Path | None, _option("--llm-key-file", "A file with the key. Default: OPENAI_API_KEY, or none.")
]
Requests = Annotated[
    int | None, _option("--llm-budget-requests", "Stop after so many requests, retries included.", min=0)
]
Tokens = Annotated[
    int | None, _option("--llm-budget-tokens", "Ask nothing more once so many tokens are spent.", min=0)
]
Rpm = Annotated[float | None, _option("--rpm", "At most so many requests a minute.", min=0.01)]
Concurrency = Annotated[int, _option("--concurrency", "Requests at a time.", min=1, max=256)]
Timeout = Annotated[float, _option("--llm-timeout", "Seconds for a whole answer.", min=0.1)]
Retries = Annotated[int, _option("--llm-retries", "Further tries of a request that failed.", min=0, max=20)]
LlmSeed = Annotated[int, _option("--llm-seed", "Another seed asks everything anew.", min=0)]
Values = Annotated[int, _option("--values", "Values to ask for, an attribute.", min=2, max=100)]
Phrasings = Annotated[
    int, _option("--phrasings", "Openings to ask for, and closings, of prompts.", min=2, max=50)
]
TextsWanted = Annotated[
    int, _option("--texts-per-condition", "Condition texts to ask for, a condition.", min=2, max=2000)
]
Date = Annotated[str | None, _option("--date", "YYYY-MM-DD, recorded as the origin's date.")]
EncoderName = Annotated[
    str | None,
    _option("--encoder", "Report the drafted texts' rank and between-value share by this encoder."),
]
DraftOnly = Annotated[bool, _option("--draft-only", "Stop after the draft, so that it can be edited.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="plan", epilog=EPILOG)(plan)


def plan(
    entity: Annotated[
        list[str],
        typer.Argument(
            help="Names of shipped entities, or paths of entity specs (JSON); with --llm also sentences and partial specs."
        ),
    ],
    out: Out,
    count: Count = None,
    seed: Seed = 0,
    texts: Texts = None,
    exclusions: Exclusions = None,
    llm: Llm = None,
    model: Model = None,
    llm_key_file: KeyFile = None,
    llm_budget_requests: Requests = None,
    llm_budget_tokens: Tokens = None,
    rpm: Rpm = None,
    concurrency: Concurrency = 4,
    llm_timeout: Timeout = 120.0,
    llm_retries: Retries = 4,
    llm_seed: LlmSeed = 0,
    values: Values = 8,
    phrasings: Phrasings = 6,
    texts_per_condition: TextsWanted = 100,
    date: Date = None,
    encoder: EncoderName = None,
    draft_only: DraftOnly = False,
    json: Json = False,
) -> None:
    """Plan which pictures to make: every combination of attribute values less the exclusions."""
    from clay_eval.schemas.errors import InputError

    folder = RunFolder(out)
    drafted: dict[str, Any] = {}
    if llm is None:
        if draft_only or model or encoder:
            raise InputError(
                "an option that needs a language model",
                where="--draft-only, --model, --encoder",
                hint="add --llm",
            )
        record = make_plan(folder, entity, count, seed, texts or [], exclusions)
    else:
        from clay_eval.generator.plan.llm.drafting import DraftOptions
        from clay_eval.generator.plan.llm.meter import Limits

        from .planner import LlmOptions, draft_plans, quality_of

        if texts or exclusions:
            raise InputError(
                "the model drafts texts and exclusions",
                where="--texts, --exclusions",
                hint="leave out --llm to plan with files of your own",
            )
        at_a_time = 1 if llm == "local" else concurrency
        limits = Limits(llm_budget_requests, llm_budget_tokens, rpm, at_a_time, llm_timeout, llm_retries)
        options = DraftOptions(values, phrasings, texts_per_condition, date=date)
        drafts, drafted = draft_plans(
            folder, entity, LlmOptions(llm, model, llm_key_file, llm_seed), limits, options
        )
        if encoder is not None:
            drafted["text_quality"] = quality_of(drafts, encoder)
        record = {} if draft_only else _plan_drafts(folder, drafts, count, seed)
    lines = [
        f"{name}: {facts['samples']} samples, {facts['combinations']} combinations ({facts['excluded']} excluded)"
        for name, facts in record.get("entities", {}).items()
    ]
    where = folder.plan / "llm" if draft_only else folder.plan
    emit(
        json,
        {**record, "llm": drafted} if drafted else record,
        *_draft_lines(drafted),
        *lines,
        f"plan: {where}",
    )


def _draft_lines(drafted: dict[str, Any]) -> list[str]:
    if not drafted:
        return []
    lines = [f"{drafted['model']}: {drafted['cost']['text']}"]
    lines += [f"{name}: {note}" for name, notes in drafted["notes"].items() for note in notes]
    lines += [
        f"{name}, {condition}: {q['texts']} texts, rank {q['rank']}, {100 * q['between_share']:.0f} % between values"
        for name, conditions in drafted.get("text_quality", {}).items()
        for condition, q in conditions.items()
    ]
    return lines


def make_plan(
    folder: RunFolder,
    entities: list[str],
    count: int | None,
    seed: int,
    texts: list[Path],
    exclusions: Path | None = None,
) -> dict[str, Any]:
    """Load specs and texts, and write the plan."""
    from clay_eval.evaluator.evaluation.condition_texts import texts_from_files
    from clay_eval.schemas.entity import load_entity
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.texts import shipped_texts

    specs = [load_entity(name) for name in entities]
    if exclusions is not None:
        specs = [_with_exclusions(specs, exclusions)]
    given = texts_from_files(texts)
    if unknown := sorted(set(given) - {s.entity for s in specs}):
        raise InputError(
            "condition texts of an entity that is not planned",
            where="--texts",
            expected=f"texts of {[s.entity for s in specs]}",
            found=unknown,
        )
    return _write(folder, specs, [given.get(s.entity) or shipped_texts(s.entity) for s in specs], count, seed)


def _plan_drafts(folder: RunFolder, drafts: list[Draft], count: int | None, seed: int) -> dict[str, Any]:
    return _write(folder, [d.spec for d in drafts], [d.texts for d in drafts], count, seed)


def _write(
    folder: RunFolder,
    specs: list[EntitySpec],
    texts: list[ConditionTexts | None] | list[ConditionTexts],
    count: int | None,
    seed: int,
) -> dict[str, Any]:
    from clay_eval.generator.plan.planning import PlanRequest, write_plan

    with progress_bar("plan", None) as advance:
        return write_plan(PlanRequest(specs, texts, count, seed), folder.plan, advance)


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
    exclusions = read_exclusions(table, [a.name for a in spec.attributes])
    return parse_entity({**spec.record, "exclusions": exclusions}, f"{spec.source} with {table}")
