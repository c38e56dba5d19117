"""The whole of `clay-eval evaluate` on given vectors, from the shell to its end, beside the scoring alone.

    python benchmarks/bench_evaluate_command.py

2,000 made-up vectors of 1,024 dimensions with two conditions, so three sets of conditions, raw and CLAY, no pictures. The
command is timed with and without pages in a new run folder, again after an edit of one condition's texts, and with nothing
changed; scoring is `evaluate_features` and the intervals and tests, in a process that has everything imported.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from clay_eval import Inference, Labelled, TextFeatures, evaluate_features, prepare_methods, results_of
from clay_eval.evaluator.retrieval.splits import combination_codes
from clay_eval.evaluator.statistics.scoreboard import comparisons_of

IMAGES, DIMENSION, WORDINGS = 2_000, 1_024, 7
VALUES = {"gender": ("female", "male"), "age": ("child", "young", "middle-aged", "old")}
MAIN = "from clay_eval.cli import main; main()"


def world(folder: Path) -> tuple[np.ndarray, Labelled, dict[str, TextFeatures]]:
    """Vectors, labels and texts; written to `folder` as the command takes them, texts-edited.json with one text fewer."""
    generator = np.random.default_rng(0)
    meaning = {v: generator.standard_normal(DIMENSION) for values in VALUES.values() for v in values}
    keys = [f"face{i:04d}" for i in range(IMAGES)]
    columns = {name: generator.choice(values, IMAGES).tolist() for name, values in VALUES.items()}
    images = generator.standard_normal((IMAGES, DIMENSION)) * 3 + generator.standard_normal(DIMENSION) * 2
    for column in columns.values():
        images += np.stack([meaning[value] for value in column])
    images = (images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32)
    texts, encoded = {}, {}
    for name, values in VALUES.items():
        named = [value for value in values for _ in range(WORDINGS)]
        rows = (
            np.stack([meaning[v] for v in named]) + generator.standard_normal((len(named), DIMENSION)) * 0.3
        )
        texts[name] = [{"text": f"{name} {i}", "value": value} for i, value in enumerate(named)]
        encoded[name] = TextFeatures(rows.astype(np.float32), None, named)
    for file, rows, words in (
        ("images", images, keys),
        (
            "texts",
            np.concatenate([found.features for found in encoded.values()]),
            [item["text"] for items in texts.values() for item in items],
        ),
    ):
        np.save(folder / f"{file}.npy", rows)
        (folder / f"{file}.keys.txt").write_text("".join(f"{word}\n" for word in words))
    rows_of = zip(keys, *columns.values(), strict=True)
    (folder / "labels.csv").write_text("".join(f"{','.join(row)}\n" for row in [("key", *columns), *rows_of]))
    origin = {"author": "made up", "method": "template"}
    record = {
        "schema": "clay-eval/condition-texts/1",
        "entity": "faces",
        "origin": origin,
        "conditions": texts,
    }
    (folder / "texts.json").write_text(json.dumps(record))
    texts["age"] = texts["age"][1:]
    (folder / "texts-edited.json").write_text(json.dumps(record))
    return images, Labelled(keys, columns, {}), encoded


def scoring(images: np.ndarray, labelled: Labelled, texts: dict[str, TextFeatures]) -> None:
    """Scores, intervals and tests, in this process."""
    methods, measures = prepare_methods(["raw", "clay"]), ["AP"]
    outcomes, _ = evaluate_features(images, labelled, texts, methods, entity="faces", encoder="made up")
    clusters = combination_codes(labelled)
    results_of(outcomes, measures, Inference(), clusters)
    comparisons_of(outcomes, "clay", measures[0], Inference(), clusters)


def command(folder: Path, *more: str, texts: str = "texts.json") -> None:
    """Run it as a process of its own."""
    arguments = [
        *("evaluate", "--labels", folder / "labels.csv", "--out", folder / "out"),
        *("--features", folder / "images.npy", "--text-features", folder / "texts.npy"),
        *("--texts", folder / texts, "--method", "raw", "--method", "clay"),
    ]
    subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments), *more],
        check=True,
        capture_output=True,
        timeout=600,
    )


def best(repeats: int, work: Callable[[], None], before: Callable[[], None] = lambda: None) -> float:
    """The shortest of some runs, in seconds; `before` runs untimed before each."""
    times = []
    for _ in range(repeats):
        before()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print a line a way to run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = world(folder)

        def fresh() -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)

        def evaluated() -> None:
            fresh()
            command(folder)

        rows = {
            "scoring alone": best(repeats, lambda: scoring(*made)),
            "command, --no-pages": best(repeats, lambda: command(folder, "--no-pages"), fresh),
            "command, new run folder": best(repeats, lambda: command(folder), fresh),
            "command, after an edit": best(
                repeats, lambda: command(folder, "--replace", texts="texts-edited.json"), evaluated
            ),
            "command, nothing changed": best(repeats, lambda: command(folder), evaluated),
        }
    print(f"{IMAGES:,} x {DIMENSION:,}, three sets of conditions, raw and CLAY, best of {repeats}")
    for name, seconds in rows.items():
        print(f"{name:<26} {seconds:5.2f} s")


if __name__ == "__main__":
    main()
