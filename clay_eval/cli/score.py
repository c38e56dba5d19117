"""clay-eval score"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Json, Seed, emit, progress_bar
from .options import grouped
from .scoring import DataOptions, Draws

if TYPE_CHECKING:
    from clay_eval.evaluator.pictures.labelled import ImageSource
    from clay_eval.evaluator.trec.scores import RunScores

EPILOG = """
**Examples**

    clay-eval score mine.run --qrels qrels.txt

    clay-eval score theirs.run mine.run --qrels qrels.txt.gz --measure AP --measure nDCG@100 --json

    clay-eval score submissions/mine --out runs/first

A run has lines of `query Q0 document rank score tag`, qrels of `query iteration document grade`; what follows the tag, and
lines that begin with #, are ignored; a name that ends in .gz is unpacked. The score decides the order, not the rank column.
Documents that a run leaves out are not found; queries that it leaves out score 0. Further runs are compared with the first,
query by query.

A folder is a submission (see `clay-eval submit`): all is computed anew from the data of the run and the submitted embeddings
or runs, and kept in its score.json. What is for other data, incomplete or does not come out as claimed is refused.
"""

DEFAULT_MEASURES = ("AP", "Rprec", "P@10")


class Nothing(StrEnum):
    """What becomes of queries with nothing relevant."""

    left_out = "left-out"
    zero = "zero"


class Ties(StrEnum):
    """What equal scores count."""

    expected = "expected"
    pessimistic = "pessimistic"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="score", epilog=EPILOG)(grouped(score))


@dataclass(frozen=True)
class RunOptions:
    """How runs are scored."""

    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            help="Of runs: AP, AP(trapezoid), AP@R, Rprec, P@k, R@k, Hit@k, nDCG@k, nDCG(graded)@k; may be repeated. "
            "nDCG(graded) is trec_eval's ndcg, its gains the grades; for nDCG every relevant document counts alike. "
            f"Default: {', '.join(DEFAULT_MEASURES)}.",
        ),
    ] = None
    ties: Annotated[Ties, typer.Option("--ties", help="What equal scores of runs count.")] = Ties.expected
    level: Annotated[
        int, typer.Option("--level", min=1, help="The grade from which on a document is relevant.")
    ] = 1
    nothing_relevant: Annotated[
        Nothing,
        typer.Option(
            "--nothing-relevant",
            help="What becomes of a query of the qrels with nothing relevant: left out, or 0 as in trec_eval -c.",
        ),
    ] = Nothing.left_out
    draws: Draws = 1000
    seed: Seed = 0
    per_query: Annotated[
        Path | None, typer.Option("--per-query", help="A CSV file to write every query's scores to.")
    ] = None


def score(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run files in TREC format, compared with the first of them; or the folder of a submission."
        ),
    ],
    *,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Which documents are relevant to runs, in TREC format.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run folder with the data that a submission is scored on."),
    ] = None,
    data: DataOptions,
    split_file: Annotated[
        Path | None,
        typer.Option("--split-file", help="The file of a submission's split, where one was given."),
    ] = None,
    record_to: Annotated[
        Path | None,
        typer.Option("--record", help="Where a submission's scores are kept. Default: its score.json."),
    ] = None,
    options: RunOptions,
    json: Json = False,
) -> None:
    """Score run files that any program made, or a submission."""
    from clay_eval.schemas.errors import InputError

    if any(path.is_dir() for path in runs):
        if len(runs) > 1 or qrels is not None or (out is None and data.data is None):
            raise InputError(
                "a submission is scored alone, on the data of a run",
                where="score",
                expected="clay-eval score SUBMISSION --out RUN (or --data DIR)",
            )
        score_folder(runs[0], data.source(out, data.entity), split_file, record_to, json)
        return
    if qrels is None:
        raise InputError("runs are scored against qrels", where="--qrels", expected="a file in TREC format")
    score_runs(runs, qrels, options, json)


def score_folder(folder: Path, source: ImageSource, split: Path | None, to: Path | None, json: bool) -> None:
    """Score a submission and show what came out."""
    from clay_eval.evaluator.submissions.layout import SCORE
    from clay_eval.evaluator.submissions.record import score_submission

    with progress_bar("score", None) as advance:
        record = score_submission(folder, source, split=split, to=to, progress=advance)
    first = record["settings"]["measures"][0]
    lines = [
        f"{row['entity']:<14} {' + '.join(row['conditions']):<32} {first} {_percent(row['value'])} "
        f"[{_percent(row['ci_low'])}, {_percent(row['ci_high'])}]  chance {_percent(row['chance'])}"
        for row in record["results"]
        if row["metric"] == first
    ]
    lines += [
        f"{row['entity']:<14} {'mean over ' + row['over']:<32} {first} {_percent(row['value'])} "
        f"[{_percent(row['ci_low'])}, {_percent(row['ci_high'])}]  chance {_percent(row['chance'])}"
        for row in record["means"]
        if row["sets"]
    ]
    emit(json, record, *lines, f"record: {to or folder / SCORE}")


def _percent(value: float | None) -> str:
    return "    -" if value is None else f"{100 * value:5.1f}"


def score_runs(runs: Sequence[Path], qrels: Path, options: RunOptions, json: bool) -> None:
    """Score run files against qrels and show what came out."""
    from clay_eval.evaluator.exports.per_query import runs_csv
    from clay_eval.evaluator.scoring.measures import parse_measures
    from clay_eval.evaluator.trec.files import Documents, read_qrels, read_run
    from clay_eval.evaluator.trec.scores import highest_grade, score_run, summarise
    from clay_eval.schemas.files import write_text

    measures = parse_measures(options.measure or DEFAULT_MEASURES)
    documents: Documents = {}
    judged = read_qrels(qrels, documents)
    scored = {
        name: score_run(
            read_run(path, documents),
            judged,
            measures,
            ties=options.ties.value,
            level=options.level,
            nothing_relevant=options.nothing_relevant.value,
        )
        for name, path in _named(runs).items()
    }
    found = summarise(scored, draws=options.draws, seed=options.seed)
    if options.per_query is not None:
        write_text(options.per_query, runs_csv(scored))
    record = {
        "qrels": str(qrels),
        "ties": options.ties.value,
        "level": options.level,
        "nothing_relevant": options.nothing_relevant.value,
        "trec_eval": {str(measure): measure.trec_name for measure in measures},
        "queries": len(next(iter(scored.values())).queries),
        "queries_without_relevant": len(next(iter(scored.values())).without_relevant),
        "runs": {name: _run_record(scores) for name, scores in scored.items()},
        "warnings": [
            *_level_warnings(highest_grade(judged), options.level),
            *(warning for name, scores in scored.items() for warning in _warnings(name, scores)),
        ],
        **found,
    }
    emit(json, record, *_lines(record))


def _named(paths: Sequence[Path]) -> dict[str, Path]:
    """Each file by its name, or by its whole path where two have one name."""
    from clay_eval.schemas.errors import InputError

    names = [path.name for path in paths]
    named = {path.name if names.count(path.name) == 1 else str(path): path for path in paths}
    if len(named) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise InputError("a run is named twice", where=twice, expected="every run once")
    return named


def _run_record(scores: RunScores) -> dict[str, Any]:
    return {
        "file": str(scores.run.path),
        "tag": scores.run.tag,
        "missing_queries": list(scores.missing),
        "unjudged_queries": list(scores.unjudged),
    }


def _level_warnings(highest: int, level: int) -> list[str]:
    if highest >= level:
        return []
    return [
        f"no document of the qrels has the grade {level} or a higher one, but {highest} at most: nothing is relevant"
    ]


def _warnings(name: str, scores: RunScores) -> list[str]:
    found = []
    if scores.missing:
        of = f"{len(scores.missing)} of {len(scores.queries)} queries are not in the run and score 0"
        found.append(f"{name}: {of}{_some(scores.missing)}")
    if scores.unjudged:
        found.append(
            f"{name}: {len(scores.unjudged)} queries of the run are not in the qrels and were left out"
            f"{_some(scores.unjudged)}"
        )
    return found


def _some(queries: Sequence[str]) -> str:
    return f": {', '.join(ascii(query[:80]) for query in queries[:3])}{', ...' if len(queries) > 3 else ''}"


def _lines(record: Mapping[str, Any]) -> list[str]:
    """The record for people."""
    width = max(len(name) for name in record["runs"])
    lines = [
        f"{r['run']:<{width}}  {r['metric']:<14} {r['value']:.4f} [{r['ci_low']:.4f}, {r['ci_high']:.4f}]"
        for r in record["results"]
    ]
    lines += [
        f"{c['run']:<{width}}  {c['metric']:<14} {c['difference']:+.4f} [{c['ci_low']:+.4f}, {c['ci_high']:+.4f}] "
        f"beside {c['reference']}, p {c['p_adjusted']:.4f} (Holm), d {_effect(c['effect'])}, "
        f"{100 * c['better']:.0f} % of the queries better, {100 * c['worse']:.0f} % worse"
        for c in record["comparisons"]
    ]
    lines += _trec_names(record["trec_eval"])
    nothing = record["queries_without_relevant"]
    zero = record["nothing_relevant"] == Nothing.zero.value
    said = "of them with nothing relevant, which score 0" if zero else "with nothing relevant left out"
    lines.append(f"{record['queries']} queries" + (f", {nothing} {said}" if nothing else ""))
    return lines + [f"warning: {warning}" for warning in record["warnings"]]


def _trec_names(names: Mapping[str, str | None]) -> list[str]:
    """What trec_eval calls the measures whose names differ there."""
    named = [f"{ours} is {theirs}" for ours, theirs in names.items() if theirs not in (None, ours)]
    lines = [f"in trec_eval: {', '.join(named)}"] if named else []
    if any(name.partition("@")[0] == "nDCG" for name in names):
        lines.append("nDCG: every relevant document has a gain of 1; trec_eval's ndcg is nDCG(graded)")
    return lines


def _effect(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
