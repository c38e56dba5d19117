"""What a draft will cost, before anything is sent: the draft is made with a model that is only pretended.

Its answers are made-up words, as many as are asked for, so that the questions are those of a model whose every first answer
can be used. Of what only a model can say, this is taken: where a sentence lists no attributes, three; no attribute depends
on another; two further attributes of four phrases; one contradiction in twelve pairs of values. Four characters are a token,
and the schema that goes with a question counts as prompt. Answers that have to be repaired come on top: up to `ATTEMPTS`
requests a question, each longer than the one before; thinking of a model that thinks first is not in it either.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from string import Template
from typing import Any

from .asking import Chat, Question, instruction_text
from .client import ChatClient, Server
from .drafting import DraftOptions, draft
from .store import CallStore

ATTEMPTS = 3
_CHARACTERS_A_TOKEN = 4
_ONE_CONTRADICTION_IN = 12
_SYLLABLES = ("ba", "de", "fi", "go", "lu", "ma", "ne", "po", "ri", "tu", "va", "zo")


@dataclass
class StepCost:
    """Requests of one step, and tokens in and out."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def estimate(source: str | Mapping[str, Any], options: DraftOptions, max_tokens: int) -> dict[str, StepCost]:
    """What each step of `draft` takes, by the name of its instruction, in the order of the steps.

    max_tokens: of a reply. Nothing is sent and nothing written. Raises InputError as `draft` does.
    """
    pretender = _Pretender(max_tokens)
    try:
        draft(pretender, source, options, lambda _: None)
    finally:
        pretender.client.close()
    return pretender.costs


def total(costs: Mapping[str, StepCost]) -> StepCost:
    """All steps together."""
    return StepCost(
        sum(one.requests for one in costs.values()),
        sum(one.prompt_tokens for one in costs.values()),
        sum(one.completion_tokens for one in costs.values()),
    )


class _Pretender(Chat):
    """Answers every question by itself and counts what a server would have been sent and would have said."""

    def __init__(self, max_tokens: int) -> None:
        server = Server("http://127.0.0.1/v1", "none", "nobody")
        super().__init__(ChatClient(server), CallStore(Path("nowhere")), {"max_tokens": max_tokens})
        self.costs: dict[str, StepCost] = {}
        self._words = _words()
        self._counting = threading.Lock()

    def ask(self, question: Question, afresh: int = 0) -> dict[str, Any]:
        """A made-up answer that is usable."""
        template = Template(instruction_text(question.instruction))
        content = template.substitute({k: str(v) for k, v in question.fields.items()}).strip()
        system = instruction_text("system").strip()
        sent = json.dumps([{"role": "system", "content": system}, {"role": "user", "content": content}])
        with self._counting:
            said, counted = self._answer(question)
            cost = self.costs.setdefault(question.instruction, StepCost())
            cost.requests += 1
            cost.prompt_tokens += _tokens(sent + json.dumps(question.schema))
            cost.completion_tokens += min(_tokens(json.dumps(counted)), int(self.parameters["max_tokens"]))
        question.check(said)  # it keeps what it finds usable
        return said

    def _answer(self, question: Question) -> tuple[dict[str, Any], Any]:
        """(what goes on to be worked with, what is counted)."""
        said: dict[str, Any]
        match question.instruction:
            case "outline":
                names = [next(self._words) for _ in range(3)]
                said = {"attributes": [{"name": name, "parent": None} for name in names]}
            case "parents":
                said = dict.fromkeys(question.schema["properties"])
            case "values":
                said = {"values": self._phrases(int(question.fields["number"]), 1)}
            case "core":
                said = {"template": str(question.fields["example"])}
            case "opening" | "closing":
                said = {"phrases": self._phrases(int(question.fields["number"]), 4)}
            case "diversity":
                said = {
                    "attributes": [
                        {"name": next(self._words), "phrases": self._phrases(4, 3)} for _ in range(2)
                    ]
                }
            case "contradictions":
                pairs = len(str(question.fields["first_values"]).split(", ")) * len(
                    str(question.fields["second_values"]).split(", ")
                )
                one = {"first": "a" * 8, "second": "b" * 8, "reason": "c" * 60}
                return {"contradictions": []}, [one] * -(-pairs // _ONE_CONTRADICTION_IN)
            case _:
                said = {"wordings": self._phrases(int(question.fields["number"]), 2)}
        return said, said

    def _phrases(self, number: int, words: int) -> list[str]:
        return [" ".join(islice(self._words, words)) for _ in range(number)]


def _words() -> Iterator[str]:
    """Words that mean nothing, each once, as long as English ones are."""
    for number in count():
        parts: Sequence[int] = [number // len(_SYLLABLES) ** place % len(_SYLLABLES) for place in range(5)]
        yield "".join(_SYLLABLES[part] for part in parts)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_A_TOKEN)
