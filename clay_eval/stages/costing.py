"""The stage that says what a draft will cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .drafting import reply_bound, source_of

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.drafting import DraftOptions


def estimated_cost(
    sources: Sequence[str], options: DraftOptions, max_tokens: int | None = None, local: bool = False
) -> dict[str, Any]:
    """What drafting `sources` will take, without asking anybody or writing anything; see generator.plan.llm.estimating.

    Steps by the name of their instruction, and all together: requests, prompt and completion tokens. max_tokens: of a reply.
    """
    from clay_eval.generator.plan.llm.estimating import ATTEMPTS, StepCost, estimate, total

    steps_: dict[str, StepCost] = {}
    for source in sources:
        for name, cost in estimate(source_of(source), options, max_tokens or reply_bound(local)).items():
            steps_[name] = total({"before": steps_.get(name, StepCost()), "now": cost})
    return {
        "steps": {name: vars(cost) for name, cost in steps_.items()},
        **vars(total(steps_)),
        "attempts": ATTEMPTS,
    }
