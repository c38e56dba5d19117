"""Planted wrong labels that an audit finds: procedural pictures, 2 % of each attribute relabelled at random.

python benchmarks/bench_audit.py --count 600 --seeds 5

By attribute and seed: the share of the planted labels in the first 4 % of the attribute's list, the share of them that is
accused, and of clean pictures the share that is accused. "all": the planted labels are spread over all attributes, and the
list is that of the pictures. With --vectors N also the time of an audit of N made-up vectors, beside what memory it took.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clay_eval.evaluator.audit.findings import audit
from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity
from clay_eval.evaluator.experiments.studies import studies
from clay_eval.evaluator.pictures.labelled import Labelled
from clay_eval.evaluator.retrieval.study import Study, TextFeatures
from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.texts import shipped_texts
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.inputs import Inputs

ENTITIES = ("demo-object", "demo-human")


def drawn(folder: Path, count: int) -> list[Study]:
    """`count` procedural pictures an entity, with vectors of the embedded encoder."""
    texts = [shipped_texts(name) for name in ENTITIES]
    write_plan(
        PlanRequest([load_entity(name) for name in ENTITIES], texts, count=count, seed=0), folder / "plan"
    )
    render_plan(folder / "plan", folder / "shards", ProceduralRenderer(64), RenderOptions())
    inputs = Inputs(RunFolder(folder))
    found = texts_by_entity(inputs.source.entities, (), inputs.plan, "a photo of {c}")
    with inputs.feature_source() as feature_source:
        return studies(inputs.source, found, feature_source, {})


def planted(
    labelled: Labelled, attributes: Sequence[str], share: float, seed: int
) -> tuple[Labelled, set[int]]:
    """Labels of which a share of the pictures has a wrong one, another value of the same parent; and their rows."""
    draw = np.random.default_rng(seed)
    columns = {name: list(values) for name, values in labelled.labels.items()}
    hit = set()
    rows = draw.choice(len(labelled.keys), round(share * len(labelled.keys)), replace=False)
    for place, row in enumerate(rows.tolist()):
        name = attributes[place % len(attributes)]
        above = labelled.labels.get(labelled.parents.get(name, ""), [""] * len(labelled.keys))
        column = labelled.labels[name]
        others = {v for v, up in zip(column, above, strict=True) if up == above[row]} - {column[row]}
        if others:
            columns[name][row] = sorted(others)[int(draw.integers(len(others)))]
            hit.add(row)
    return replace(labelled, labels=columns), hit


def figures(study: Study, share: float, seeds: int) -> Iterator[tuple[str, list[tuple[float, float, float]]]]:
    """(attribute, of every seed: found in the first 2 x share, planted accused, clean accused)."""
    names = list(study.labelled.labels)
    for title, attributes in [*((name, [name]) for name in names), ("all", names)]:
        rows = []
        for seed in range(seeds):
            labelled, hit = planted(study.labelled, attributes, share, seed)
            found = audit(replace(study, labelled=labelled))
            order = found.ranking() if len(attributes) > 1 else found.attributes[title].ranking
            first = set(order[: round(2 * share * len(labelled.keys))].tolist())
            accused = set(np.flatnonzero(found.suspicion > 0.5).tolist())
            clean = len(labelled.keys) - len(hit)
            rows.append(
                (len(hit & first) / len(hit), len(hit & accused) / len(hit), len(accused - hit) / clean)
            )
        yield title, rows


def timed(count: int, width: int = 512, values: int = 20) -> None:
    """Print what an audit of `count` made-up vectors takes."""
    draw = np.random.default_rng(0)
    meaning = draw.standard_normal((values, width)).astype(np.float32)
    codes = draw.integers(0, values, count)
    features = draw.standard_normal((count, width), np.float32)
    features += 2 * meaning[codes]
    names = [f"v{code}" for code in range(values)]
    labelled = Labelled([f"k{row}" for row in range(count)], {"kind": [names[code] for code in codes]})
    texts = {"kind": TextFeatures(meaning + 0.1 * draw.standard_normal(meaning.shape), None, names)}
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    audit(Study(features, texts, labelled=labelled))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(
        f"{count} vectors x {width}, one attribute of {values} values: {time.perf_counter() - start:.0f} s, "
        f"{(after - before) / 1024:.0f} MiB above the vectors' {features.nbytes / 2**20:.0f} MiB\n"
    )


def main() -> None:
    """Read the options, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--vectors", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = drawn(Path(folder), asked.count)
    sys.stdout.write(
        f"{asked.count} procedural pictures an entity, {asked.share:.0%} relabelled, {asked.seeds} seeds; "
        f"mean (worst): planted in the first {2 * asked.share:.0%}, planted accused, clean accused\n"
    )
    for study in found:
        for title, rows in figures(study, asked.share, asked.seeds):
            first, accused, clean = np.array(rows).T
            sys.stdout.write(
                f"{study.entity:12} {title:12} {first.mean():7.1%} ({first.min():.1%})  "
                f"{accused.mean():7.1%} ({accused.min():.1%})  {clean.mean():6.2%} ({clean.max():.2%})\n"
            )
            sys.stdout.flush()
    if asked.vectors:
        timed(asked.vectors)


if __name__ == "__main__":
    main()
