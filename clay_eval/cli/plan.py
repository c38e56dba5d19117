"""clay-eval plan"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.costing import estimated_cost
from clay_eval.stages.drafting import LlmOptions, draft_plans, quality_of, refuse_another_plan
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.planning import PlanOptions, plan_drafts
from clay_eval.stages.planning import plan as make_plan

from .common import Json, Out, Seed, emit, progress_bars
from .options import grouped

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.drafting import DraftOptions
    from clay_eval.generator.plan.llm.meter import Limits
    from clay_eval.stages.wording import AskedModel

EPILOG = """
**Example**

    clay-eval plan demo-object demo-human --count 400 --out runs/first

    clay-eval plan my_entity.json --texts my_texts.json --seed 7 --out runs/mine

    clay-eval plan "kitchen tools: type, material, state" --llm local --out runs/kitchen

    clay-eval plan "kitchen tools: type, material, state" --llm http://localhost:8000/v1 --model NAME --out runs/kitchen

    clay-eval plan "kitchen tools" --llm env --dry-run --out runs/kitchen      # what it will cost; asks nobody

Writes plan/plan.jsonl (a sample a line), plan/coverage.md, and copies of the specs and condition texts. A finished plan of
the same settings is left alone; other settings are refused (exit code 3).

With --llm a language model drafts what is missing, in plan/llm/: entity spec, contradictions (a table to edit), condition
texts, and every reply as it came. Answers are kept: the same command again asks only what was not answered. Exit code 7:
the model, its server or the budget ended the work.
"""

_PANEL = "With a language model"


def _option(flag: str, text: str, **more: Any) -> Any:
    return typer.Option(flag, help=text, rich_help_panel=_PANEL, **more)


@dataclass(frozen=True)
class PlannedOptions:
    """What is planned."""

    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            help="Samples an entity. Default: the spec's images_per_combination for every combination.",
        ),
    ] = None
    seed: Seed = 0
    texts: Annotated[
        list[Path] | None,
        typer.Option(
            "--texts",
            help="Condition texts (JSON) of one of the entities; may be repeated. Default: the shipped ones.",
        ),
    ] = None
    exclusions: Annotated[
        Path | None,
        typer.Option(
            "--exclusions",
            help="A table (CSV) of contradictions in place of the spec's own; for one entity at a time.",
        ),
    ] = None


@dataclass(frozen=True)
class ServerOptions:
    """Which language model is asked, and how much."""

    llm: Annotated[
        str | None,
        _option(
            "--llm",
            "Draft with a model: local (on this machine, offline), a base URL, or env (OPENAI_BASE_URL, OPENAI_API_KEY).",
        ),
    ] = None
    model: Annotated[
        str | None, _option("--model", "The model's name on the server. Default: OPENAI_MODEL.")
    ] = None
    llm_key_file: Annotated[
        Path | None, _option("--llm-key-file", "A file with the key. Default: OPENAI_API_KEY, or none.")
    ] = None
    llm_budget_requests: Annotated[
        int | None,
        _option("--llm-budget-requests", "Stop after so many requests, retries included.", min=0),
    ] = None
    llm_budget_tokens: Annotated[
        int | None, _option("--llm-budget-tokens", "Ask nothing more once so many tokens are spent.", min=0)
    ] = None
    llm_max_tokens: Annotated[
        int | None,
        _option(
            "--llm-max-tokens",
            "Tokens of a reply at most. Default: 4000. Another bound asks everything anew.",
            min=16,
        ),
    ] = None
    rpm: Annotated[float | None, _option("--rpm", "At most so many requests a minute.", min=0.01)] = None
    concurrency: Annotated[int, _option("--concurrency", "Requests at a time.", min=1, max=256)] = 4
    llm_timeout: Annotated[float, _option("--llm-timeout", "Seconds for a whole answer.", min=0.1)] = 120.0
    llm_retries: Annotated[
        int, _option("--llm-retries", "Further tries of a request that failed.", min=0, max=20)
    ] = 4
    llm_seed: Annotated[int, _option("--llm-seed", "Another seed asks everything anew.", min=0)] = 0

    def limits(self) -> Limits:
        """How much may be asked, and how fast."""
        from clay_eval.generator.plan.llm.meter import Limits

        at_a_time = 1 if self.llm == "local" else self.concurrency
        budget = (self.llm_budget_requests, self.llm_budget_tokens)
        return Limits(*budget, self.rpm, at_a_time, self.llm_timeout, self.llm_retries)


def model_of(server: ServerOptions, place: Path) -> AskedModel | None:
    """The language model that conditions typed in the page get their texts from, if one is named."""
    if server.llm is None:
        return None
    from clay_eval.stages.drafting import LlmOptions
    from clay_eval.stages.wording import WORDS, AskedModel

    llm = LlmOptions(server.llm, server.model, server.llm_key_file, server.llm_seed, server.llm_max_tokens)
    return AskedModel(place / WORDS, llm, server.limits())


@dataclass(frozen=True)
class DraftedOptions:
    """What the model is asked for."""

    values: Annotated[int, _option("--values", "Values to ask for, an attribute.", min=2, max=100)] = 8
    phrasings: Annotated[
        int, _option("--phrasings", "Openings to ask for, and closings, of prompts.", min=2, max=50)
    ] = 6
    texts_per_condition: Annotated[
        int, _option("--texts-per-condition", "Condition texts to ask for, a condition.", min=2, max=2000)
    ] = 100
    date: Annotated[str | None, _option("--date", "YYYY-MM-DD, recorded as the origin's date.")] = None

    def options(self) -> DraftOptions:
        """The same, as the drafting takes it."""
        from clay_eval.generator.plan.llm.drafting import DraftOptions

        return DraftOptions(self.values, self.phrasings, self.texts_per_condition, date=self.date)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="plan", epilog=EPILOG)(grouped(plan))


def plan(
    entity: Annotated[
        list[str],
        typer.Argument(
            help="Names of shipped entities, or paths of entity specs (JSON); with --llm also sentences and partial specs."
        ),
    ],
    *,
    out: Out,
    planned: PlannedOptions,
    server: ServerOptions,
    draft: DraftedOptions,
    encoder: Annotated[
        str | None,
        _option("--encoder", "Report the drafted texts' rank and between-value share by this encoder."),
    ] = None,
    draft_only: Annotated[
        bool, _option("--draft-only", "Stop after the draft, so that it can be edited.")
    ] = False,
    dry_run: Annotated[
        bool,
        _option("--dry-run", "Only say how many requests and tokens each step will take; nothing is sent."),
    ] = False,
    json: Json = False,
) -> None:
    """Plan which pictures to make: every combination of attribute values less the exclusions."""
    folder = RunFolder(out)
    options = PlanOptions(entity, planned.count, planned.seed, planned.texts or (), planned.exclusions)
    drafted: dict[str, Any] = {}
    _refuse_contradictions(options, server, bool(encoder) or draft_only or dry_run)
    if dry_run:
        cost = estimated_cost(entity, draft.options(), server.llm_max_tokens, server.llm == "local")
        emit(json, cost, *_cost_lines(cost))
        return
    with progress_bars() as progress:
        if server.llm is None:
            record = make_plan(folder, options, progress)
        else:
            llm = LlmOptions(
                server.llm, server.model, server.llm_key_file, server.llm_seed, server.llm_max_tokens
            )
            if not draft_only:
                refuse_another_plan(folder, entity, planned.count, planned.seed)
            drafts, drafted = draft_plans(folder, entity, llm, server.limits(), draft.options(), progress)
            if encoder is not None:
                drafted["text_quality"] = quality_of(drafts, encoder)
            record = {} if draft_only else plan_drafts(folder, drafts, options, progress)
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


def _refuse_contradictions(options: PlanOptions, server: ServerOptions, of_drafts: bool) -> None:
    """Raise InputError for options that need a language model, or that one has no use for."""
    from clay_eval.schemas.errors import InputError

    if server.llm is None and (of_drafts or server.model):
        raise InputError(
            "an option that needs a language model",
            where="--draft-only, --dry-run, --model, --encoder",
            hint="add --llm",
        )
    if server.llm is not None and (options.texts or options.exclusions):
        raise InputError(
            "the model drafts texts and exclusions",
            where="--texts, --exclusions",
            hint="leave out --llm to plan with files of your own",
        )


def _cost_lines(cost: dict[str, Any]) -> list[str]:
    rows = [*cost["steps"].items(), ("all", cost)]
    lines = [f"{'step':<16}{'requests':>10}{'prompt tokens':>16}{'completion tokens':>20}"]
    lines += [
        f"{name:<16}{one['requests']:>10}{one['prompt_tokens']:>16}{one['completion_tokens']:>20}"
        for name, one in rows
    ]
    return [
        *lines,
        "estimated for a model whose every first answer can be used; one that has to be asked for repairs takes up to "
        f"{cost['attempts']} requests a question",
    ]


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
