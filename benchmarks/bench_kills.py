"""A rendering that is killed (SIGKILL) at random moments, again and again, beside one that is left alone.

python benchmarks/bench_kills.py --kills 50

The procedural renderer draws slowly, and a judge rejects every fifth picture by its seed, so that there are retries and
quarantine. Counts kills, samples lost, samples found twice, shards that `verify` rejects, and files that differ from those
of the undisturbed run. All but the first must be 0, or the script ends with exit code 1.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from clay_eval.generator.alignment.base import Verdict
from clay_eval.generator.plan.planning import SAMPLES, PlanRequest, write_plan
from clay_eval.generator.render.procedural import ProceduralRenderer
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import EntitySpec, load_entity
from clay_eval.schemas.files import remove_leftovers
from clay_eval.schemas.samples import SampleSpec, read_plan
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards

OPTIONS = RenderOptions(shard_size=16, batch_size=4, attempts=2)


class Slow(ProceduralRenderer):
    """Takes its time."""

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        time.sleep(0.02)
        return super().render(samples)


class Fifth:
    """Rejects by the seed, so that a second attempt may pass."""

    def __init__(self) -> None:
        self.identity: dict[str, Any] = {"type": "every fifth seed"}

    def prepare(self, spec: EntitySpec) -> None:
        pass

    def judge(self, samples: Sequence[SampleSpec], images: Sequence[Image.Image]) -> list[Verdict]:
        return [
            Verdict(False, {"prompt": 0.0}, ("the seed is a multiple of five",), ("prompt",))
            if s.seed % 5 == 0
            else Verdict(True, {"prompt": 1.0})
            for s in samples
        ]


def work(plan: Path, folder: Path) -> None:
    render_plan(plan, folder, Slow(64), OPTIONS, judge=Fifth())


def content(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(*options.work)
        return
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        plan, calm, killed = (Path(name) / part for part in ("plan", "calm", "killed"))
        write_plan(PlanRequest([load_entity("demo-object")], [None], options.samples), plan)
        began = time.perf_counter()
        work(plan, calm)
        whole = time.perf_counter() - began
        kills, finished = 0, False
        while kills < options.kills:
            if finished:
                # Done before it was killed often enough: half of the files are taken away, and it begins to work again.
                tars = sorted(killed.rglob("*.tar"))
                for path in rng.sample(tars, len(tars) // 2):
                    path.unlink()
            process = subprocess.Popen([sys.executable, __file__, "--work", str(plan), str(killed)])
            try:
                process.wait(timeout=rng.uniform(0.2, 2 + whole / 10))
                finished = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills, finished = kills + 1, False
        subprocess.run([sys.executable, __file__, "--work", str(plan), str(killed)], check=True)
        remove_leftovers(killed)
        keys = Counter(s.key for path in killed.rglob("*.tar") for s in read_shard(path))
        wanted = [s.key for s in read_plan(plan / SAMPLES)]
        faults = verify_shards(killed).faults
        sys.stdout.write("".join(f"{fault}\n" for fault in faults))
        before, after = content(calm), content(killed)
        bad = {
            "samples lost": sum(key not in keys for key in wanted),
            "samples twice": sum(count > 1 for count in keys.values()),
            "faults that verify finds": len(faults),
            "files that differ": sum(before.get(p) != after.get(p) for p in {*before, *after}),
        }
        sys.stdout.write(f"{kills} kills, {len(wanted)} samples in {len(list(killed.rglob('*.tar')))} tars\n")
        sys.stdout.write("".join(f"{name}: {count}\n" for name, count in bad.items()))
        sys.exit(any(bad.values()))


if __name__ == "__main__":
    main()
