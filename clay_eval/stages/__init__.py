"""The stages of the pipeline as Python functions: plan, render, embed, evaluate, publish, and experiments.

    run = RunFolder(Path("runs/demo"))
    plan(run, PlanOptions(["demo-object"], count=100))
    render(run, Drawing("procedural"))
    report = evaluate(Inputs(run))

Each takes a `progress`, which is called with a name, how much is done, and of how much. What is there already, of the same
settings, is kept; nothing is printed.
"""

from __future__ import annotations

from .drafting import LlmOptions, draft_plans
from .drawing import Drawing
from .embedding import embed
from .evaluation import evaluate
from .experiments import experiment
from .folders import Note, Progress, RunFolder
from .inputs import Inputs
from .planning import PlanOptions, plan, plan_drafts
from .publishing import publish
from .rendering import render
from .wording import AskedModel, condition_in_words

__all__ = [
    "AskedModel",
    "Drawing",
    "Inputs",
    "LlmOptions",
    "Note",
    "PlanOptions",
    "Progress",
    "RunFolder",
    "condition_in_words",
    "draft_plans",
    "embed",
    "evaluate",
    "experiment",
    "plan",
    "plan_drafts",
    "publish",
    "render",
]
