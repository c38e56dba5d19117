"""What share of right and of wrong pictures the alignment judge accepts, on drawings whose labels are exact.

python benchmarks/bench_judge.py --judge embedded --pictures 100

Every drawing is judged with its own labels (right), and once for each core attribute with that label swapped (wrong): for
a sibling where the attribute has a parent, for any other value where it has none; a child of a swapped parent gets one of
the values that are possible then. "attribute" counts the margin of the attribute in question alone, "verdict" all of them.
--texts spec reads values by the spec's own phrases, as for entities that have no condition texts.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from clay_eval.generator.alignment.loading import load_judge
from clay_eval.generator.alignment.texts import PROMPT
from clay_eval.generator.plan.combinations import Plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.texts import ConditionTexts

Scores = Mapping[str, float]


def swapped(spec: EntitySpec, sample: SampleSpec, name: str, rng: random.Random) -> SampleSpec:
    """`sample` with another value of the attribute `name`, and of those below it; its prompt says so too."""
    labels = dict(sample.labels)
    changed: set[str] = set()
    for attribute in spec.ordered():
        if attribute.name != name and attribute.parent not in changed:
            continue
        parent = labels[attribute.parent] if attribute.parent else None
        others = [v.name for v in attribute.choices[parent] if v.name != sample.labels[attribute.name]]
        labels[attribute.name] = rng.choice(others)
        changed.add(attribute.name)
    words = {a.name: a.phrase(labels[a.name], labels.get(a.parent or "")) for a in spec.attributes}
    words |= {a.name: a.phrase(sample.diversity[a.name]) for a in spec.diversity}
    return replace(sample, labels=labels, prompt=spec.prompts[0].format_map(words))


def share(rows: Sequence[Scores], names: Sequence[str], margin: float) -> float:
    """Percent of pictures whose margins in `names` are all at least `margin`."""
    return 100 * sum(all(row[name] >= margin for name in names) for row in rows) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", default="embedded")
    parser.add_argument("--entities", nargs="+", default=["demo-object", "demo-human"])
    parser.add_argument("--pictures", type=int, default=100, help="an entity")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--texts", choices=("shipped", "spec"), default="shipped")
    parser.add_argument("--margins", type=float, nargs="+", default=[0.0, 0.02, 0.05])
    arguments = parser.parse_args()
    none = {name: ConditionTexts(name, {}, {}) for name in arguments.entities}
    judge = load_judge(arguments.judge, texts=none if arguments.texts == "spec" else None, device="cpu")
    renderer = ProceduralRenderer(arguments.size)
    out = sys.stdout
    for entity in arguments.entities:
        spec = load_entity(entity)
        judge.prepare(spec)
        rng = random.Random(arguments.seed)
        samples = list(Plan(spec, count=arguments.pictures, seed=arguments.seed))
        images = renderer.render(samples)
        start = time.process_time()
        right = [verdict.scores for verdict in judge.judge(samples, images)]
        cost = (time.process_time() - start) / len(samples)
        names = [name for name in right[0] if name != PROMPT]
        wrong = {
            name: [v.scores for v in judge.judge([swapped(spec, s, name, rng) for s in samples], images)]
            for name in names
        }
        out.write(
            f"{entity}, judge {arguments.judge}, texts {arguments.texts}, {len(samples)} drawings of "
            f"{arguments.size} pixels, {1000 * cost:.0f} ms CPU a picture; accepted, percent\n"
        )
        out.write(f"{'margin':>7} {'':14} {'right: attribute':>17} {'wrong: attribute':>17} {'verdict':>8}\n")
        for margin in arguments.margins:
            for name in names:
                out.write(
                    f"{margin:7.3f} {name:14} {share(right, [name], margin):17.1f} "
                    f"{share(wrong[name], [name], margin):17.1f} {share(wrong[name], names, margin):8.1f}\n"
                )
            out.write(f"{margin:7.3f} {'whole verdict':14} {share(right, names, margin):17.1f}\n")
        prompts = [sorted(row[PROMPT] for row in rows) for rows in (right, *wrong.values())]
        middle = [f"{values[len(values) // 2]:.3f}" for values in prompts]
        out.write(
            f"median cosine with the prompt: right {middle[0]}, wrong "
            + ", ".join(f"{name} {value}" for name, value in zip(names, middle[1:], strict=True))
            + "\n"
        )
        out.flush()


if __name__ == "__main__":
    main()
