"""Clear stops of the LLM planner."""

from __future__ import annotations

from clay_eval.schemas.errors import ClayEvalError


class PlannerError(ClayEvalError):
    """The language model, its server or the budget for it ended the work; answers so far are kept."""

    exit_code = 7


class ServerError(PlannerError):
    """The server did not give a chat completion; `raw` is what it sent instead, if anything."""

    raw: str = ""


class FormatRejectedError(PlannerError):
    """The server does not take this response format."""


class BudgetError(PlannerError):
    """The budget of requests or tokens is spent."""


class AnswerError(PlannerError):
    """The model answered, and no answer could be used; `reply` is the name of the last one's file."""

    reply: str = ""

    @property
    def brief(self) -> str:
        """The error in one line, for notes: the same wherever the folder lies."""
        return "; ".join(filter(None, [self.what, (self.found or "")[:160], f"reply: calls/{self.reply}"]))
