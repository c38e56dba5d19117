"""clay-eval reproduce"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.stages.drawing import Drawing
from clay_eval.stages.folders import Progress, RunFolder, steps
from clay_eval.stages.inputs import Inputs
from clay_eval.stages.planning import PlanOptions, plan
from clay_eval.stages.rendering import render

from .common import Json, Out, emit, progress_bars
from .options import grouped
from .scoring import Backend, BatchSize, Device, Precision, PrecisionOption, TextOptions

if TYPE_CHECKING:
    from clay_eval.evaluator.reproduce.reproduce import EncoderUse, Job, Numbers
    from clay_eval.evaluator.retrieval.engine import Settings
    from clay_eval.schemas.texts import ConditionTexts

EPILOG = """
**Examples**

    clay-eval reproduce --out runs/paper

    clay-eval reproduce --data clevr4:data/clevr4 --data ppmi:data/ppmi --encoder ViT-B-32-quickgelu:openai --out runs/paper

    clay-eval reproduce --data food101:data --encoder CLIP-B=ViT-B-16:clip.safetensors --encoder SigLIP-B=siglip/ --out b

Runs what the paper ran, on the data sets that are there (`clay-eval datasets` lists them), and puts each number beside the
paper's: the difference, and whether the paper's lies within our interval. Each number is sealed as soon as it is there;
interrupted, or given more data or encoders, the same command computes only what is missing. Without --data the demonstration
pictures are drawn and scored: no number of the paper corresponds to them.
"""
DEMO = ("demo-object", "demo-human")
DEMO_COUNT = 300


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="reproduce", epilog=EPILOG)(grouped(reproduce))


@dataclass(frozen=True)
class EncodersOptions:
    """What makes the vectors, each in turn."""

    encoder: Annotated[
        list[str] | None,
        typer.Option(
            "--encoder",
            help="As in clay-eval embed, or MODEL=ENCODER to say which model of the paper it is: CLIP-B, SigLIP-B or "
            "GeneCIS. May be repeated. Default: embedded.",
        ),
    ] = None
    device: Device = "auto"
    precision: PrecisionOption = Precision.fp32
    batch_size: BatchSize = 64


def reproduce(
    *,
    out: Out,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="NAME:FOLDER or NAME@PART:FOLDER, or labelled pictures; may be repeated."
        ),
    ] = None,
    encoders: EncodersOptions,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="ROW=METHOD for a row of the paper that needs weights of its own."),
    ] = None,
    measure: Annotated[str, typer.Option("--measure", help="AP, or AP(trapezoid).")] = "AP",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the split.")] = 0,
    texts: TextOptions,
    backend: Backend = "numpy",
    json: Json = False,
) -> None:
    """Run the paper's protocol on what is there, and put each number beside the paper's."""
    from clay_eval.evaluator.experiments.record import run_experiment
    from clay_eval.evaluator.report.experiment_records import FOLDER
    from clay_eval.evaluator.reproduce.findings import NAME, findings
    from clay_eval.evaluator.reproduce.lines import lines
    from clay_eval.evaluator.reproduce.reproduce import EncoderUse, Numbers, run_job, settings_record
    from clay_eval.evaluator.retrieval.engine import Settings
    from clay_eval.evaluator.scoring.measures import parse_measure

    folder = RunFolder(out)
    settings = Settings(
        measures=(_average_precision(parse_measure(measure)),), seeds=(seed,), backend=backend
    )
    uses = [EncoderUse.parse(text) for text in encoders.encoder or ["embedded"]]
    given = _rows(method or [])
    places = data or [_demonstration(folder, seed)]
    found = Numbers()
    inputs: dict[str, Any] = {"data": [], "encoders": [], "texts": {}}
    runtime = (encoders.device, encoders.precision.value, encoders.batch_size)
    with progress_bars() as progress:
        advance = steps(progress, "reproduce", None)
        pairs = _pairs(folder, places, uses, texts.texts or [], texts.template, runtime)
        for one, use, chosen in pairs:
            _run(
                one, use, chosen, given, settings, inputs, lambda job: run_job(job, found, advance), progress
            )
    record = run_experiment(
        folder.root,
        NAME,
        inputs,
        {**settings_record(settings), "rows": dict(given), "template": texts.template},
        lambda: findings(lines(found, given), _notes(found, places)),
        recorded=lambda: {"device": encoders.device, "batch_size": encoders.batch_size},
        replace=True,
    )
    place = folder.root / FOLDER / NAME
    emit(
        json,
        {**record, "computed": found.computed, "kept": found.kept},
        (place / "tables.md").read_text("utf-8").strip(),
        f"computed: {found.computed}, already there: {found.kept}",
        f"results: {place}",
    )


def _pairs(
    folder: RunFolder,
    places: Sequence[Path],
    encoders: Sequence[EncoderUse],
    texts: Sequence[Path],
    template: str,
    runtime: tuple[str, str, int],
) -> Iterator[tuple[Inputs, EncoderUse, Mapping[str, ConditionTexts]]]:
    """Every data set with every encoder. All data are opened, and texts assigned, before anything is embedded."""
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity, texts_from_files
    from clay_eval.schemas.errors import InputError

    own = folder.shards.resolve()
    opened = [
        Inputs(folder, None if place.resolve() == own else place, encoders[0].option, *runtime)
        for place in places
    ]
    entities = [name for inputs in opened for name in inputs.source.entities]
    if twice := sorted({name for name in entities if entities.count(name) > 1}):
        raise InputError("an entity comes from two places", where="--data", expected="once", found=twice)
    files = {name: file for file in texts for name in texts_from_files([file])}
    if unknown := sorted(set(files) - set(entities)):
        raise InputError(
            "texts of an entity that is not there", where="--texts", expected=entities, found=unknown
        )
    for inputs in opened:
        mine = [file for name, file in files.items() if name in inputs.source.entities]
        chosen = texts_by_entity(inputs.source.entities, mine, inputs.plan, template)
        for use in encoders:
            again = Inputs(folder, inputs.data, use.option, *runtime)
            again.source = inputs.source
            yield again, use, chosen


def _run(
    inputs: Inputs,
    use: EncoderUse,
    texts: Mapping[str, ConditionTexts],
    given: Mapping[str, str],
    settings: Settings,
    record: dict[str, Any],
    carry_out: Callable[[Job], None],
    progress: Progress,
) -> None:
    from clay_eval.evaluator.embedding.store import FeatureStore
    from clay_eval.evaluator.evaluation.inputs import inputs_record
    from clay_eval.evaluator.methods.support.specs import Method, prepare_methods
    from clay_eval.evaluator.reproduce.reproduce import Job
    from clay_eval.evaluator.retrieval.reencoding import image_methods
    from clay_eval.schemas.errors import InputError

    def prepare(spec: str) -> Method:
        images = image_methods(inputs.source, FeatureStore(inputs.folder.features), inputs.runtime)
        return prepare_methods([spec], None, images)[0]

    if use.declared is not None:
        use.model(inputs.identity())
    with inputs.feature_source(progress) as feature_source:
        model = use.model(feature_source.identity)
        job = Job(inputs.folder.root, inputs.source, texts, feature_source, model, given, prepare, settings)
        described = inputs_record(inputs.source, feature_source.identity, texts)
        same = [known for known in record["encoders"] if known["label"] == job.label]
        if same and same[0]["identity"] != described["encoder"]:
            raise InputError(
                "two encoders of one name", where="--encoder", expected="one for each model", found=job.label
            )
        if not same:
            record["encoders"].append(
                {"label": job.label, "identity": described["encoder"], "declared": use.declared}
            )
        if described["data"] not in record["data"]:
            record["data"].append(described["data"])
        record["texts"].update(described["texts"])
        carry_out(job)


def _demonstration(folder: RunFolder, seed: int) -> Path:
    """The run's own pictures; where there are none, the demonstration entities, planned and drawn exactly."""
    from clay_eval.schemas.manifest import MANIFEST

    if not (folder.shards / MANIFEST).is_file():
        with progress_bars() as progress:
            plan(folder, PlanOptions(DEMO, DEMO_COUNT, seed), progress)
            render(folder, Drawing("procedural"), progress)
    return folder.shards


def _rows(pairs: list[str]) -> dict[str, str]:
    """ROW=METHOD pairs; raises InputError for rows that have a method already, and for what cannot be read."""
    from clay_eval.evaluator.methods.support.specs import parse_spec
    from clay_eval.evaluator.reproduce.paper import OWN_ROWS
    from clay_eval.schemas.errors import InputError

    found: dict[str, str] = {}
    for pair in pairs:
        row, _, spec = pair.partition("=")
        if row not in OWN_ROWS or not spec or row in found:
            raise InputError(
                "not a row of the paper that takes a method, or a second one",
                where="--method",
                expected=f"ROW=METHOD, ROW one of {list(OWN_ROWS)}",
                found=repr(pair),
            )
        parsed = parse_spec(spec)
        if parsed.name != OWN_ROWS[row]:
            raise InputError(
                "another method than the row's would not be the paper's",
                where=f"--method {row}=...",
                expected=f"{OWN_ROWS[row]}(...)",
                found=spec,
                hint="score it with clay-eval evaluate",
            )
        found[row] = str(parsed)
    return found


def _average_precision(measure: Any) -> Any:
    from clay_eval.schemas.errors import InputError

    if str(measure) not in ("AP", "AP(trapezoid)"):
        raise InputError(
            "the paper's tables are of mean average precision",
            where="--measure",
            expected="AP or AP(trapezoid)",
            found=str(measure),
        )
    return measure


def _notes(found: Numbers, places: Sequence[Path]) -> list[str]:
    notes = [
        f"{place} is a part of its data set; the paper does not say which it used."
        for place in places
        if "@" in str(place).partition(":")[0]
    ]
    reasons = sorted({f"{key[0]}: {why}" for key, why in found.failed.items()})
    return [*notes, *reasons]
