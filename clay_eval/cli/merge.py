"""clay-eval merge"""

from __future__ import annotations

import typer

from clay_eval.stages.folders import RunFolder

from .common import Json, Out, progress_bar
from .render import conclude

EPILOG = """
**Example**

    clay-eval render --out runs/big --model models/my-sd --part 1/2     # on one machine

    clay-eval render --out runs/big --model models/my-sd --part 2/2     # on another

    clay-eval merge --out runs/big

Checks that all parts in parts/ are there, finished, undamaged and of one plan and one configuration, and brings their shards
to shards/ with one labels.csv and one manifest.json: the same that an undivided rendering writes. Files are linked where the
file system can do that, else copied; parts/ may be deleted afterwards. Interrupted, the same command ends in the same files.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="merge", epilog=EPILOG)(merge)


def merge(out: Out, json: Json = False) -> None:
    """Bring the parts of a divided rendering together."""
    from clay_eval.generator.plan.planning import read_plan_record
    from clay_eval.generator.shards.parts import merge_parts

    run = RunFolder(out)
    with progress_bar("merge", read_plan_record(run.plan)["samples"]) as advance:
        manifest = merge_parts(run.plan, run.parts, run.shards, advance)
    again = "clay-eval render with the same options, but without --part, draws these alone"
    conclude(run, manifest, json, again)
