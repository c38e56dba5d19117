"""Questions with checked answers: a ladder of response formats, and a bounded loop of repairs.

The ladder: strict json_schema, json_object, plain text. A server that rejects a rung is not asked on it again; on the
lower rungs the schema stands in the question. Whatever the rung, the answer is checked here.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, TypeVar

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .answers import extract_object, schema_problems
from .client import ChatClient
from .errors import AnswerError, FormatRejectedError, ServerError
from .meter import Usage
from .replies import Reply
from .store import CallStore

RUNGS = ("json_schema", "json_object", "text")
_SHOWN = 4000
_HOTTEST = 1.3

Check = Callable[[dict[str, Any]], Sequence[str]]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Question:
    """What to ask: an instruction of prompts/instructions with its fields, and what an answer must be.

    check: the problems of an answer that fits the schema, for the model to read; none if it can be used.
    """

    instruction: str
    fields: Mapping[str, Any]
    schema: Mapping[str, Any]
    check: Check


def instruction_text(name: str) -> str:
    """The instruction `name`, as shipped."""
    return resources.files("clay_eval.prompts.instructions").joinpath(f"{name}.md").read_text("utf-8")


class Chat:
    """Questions to one client, every reply kept in `store`; safe to share between threads.

    parameters: sent with every request (temperature, seed, max_tokens), part of what determines an answer.
    attempts: how often a question is put, repairs included.
    """

    def __init__(
        self, client: ChatClient, store: CallStore, parameters: Mapping[str, Any], attempts: int = 3
    ) -> None:
        self.client = client
        self.store = store
        self.parameters = dict(parameters)
        self.attempts = attempts
        self._rung = 0
        self._lock = threading.Lock()

    @property
    def rung(self) -> str:
        """The response format in use."""
        return RUNGS[self._rung]

    def ask(self, question: Question, afresh: int = 0) -> dict[str, Any]:
        """The first answer that fits schema and check; AnswerError if none does.

        afresh: added to the seed, to put a question that was answered badly once more from the start; the temperature
        rises with it, for a small model goes on repeating what it began with.
        """
        parameters = {**self.parameters, "seed": self.parameters.get("seed", 0) + afresh}
        if afresh and "temperature" in parameters:
            parameters["temperature"] = round(min(_HOTTEST, parameters["temperature"] + 0.15 * afresh), 2)
        template = instruction_text(question.instruction)
        content = Template(template).substitute({k: str(v) for k, v in question.fields.items()}).strip()
        messages: list[dict[str, str]] = [
            {"role": "system", "content": instruction_text("system").strip()},
            {"role": "user", "content": content},
        ]
        earlier: list[str] = []
        problems: Sequence[str] = []
        path = Path()
        for _ in range(self.attempts):
            record, path = self._reply(question, template, messages, parameters)
            reply = record["reply"]
            if reply["refusal"] or reply["finish"] == "content_filter":
                raise _unusable("the model refuses to answer", question, path, reply["refusal"])
            made, problems = _judge(reply, question)
            if record.get("made") != made or record.get("problems") != list(problems):
                self.store.save(path.stem, {**record, "made": made, "problems": list(problems)})
            if made is not None and not problems:
                return made
            if reply["text"] in earlier:
                raise _unusable("the model repeats an answer that cannot be used", question, path, problems)
            earlier.append(reply["text"])
            repair = Template(instruction_text("repair")).substitute(
                problems="\n".join(f"- {p}" for p in problems)
            )
            # An empty turn is an error to some servers.
            shown = reply["text"][:_SHOWN] or "(nothing)"
            messages = [
                *messages[:2],
                {"role": "assistant", "content": shown},
                {"role": "user", "content": repair.strip()},
            ]
        raise _unusable(f"no usable answer in {self.attempts} attempts", question, path, problems)

    def ask_all(self, items: Iterable[T], ask: Callable[[T], R]) -> list[R]:
        """`ask` for each item, several at a time, in order of the items.

        The first fault ends it: what is under way is finished and kept, nothing new is begun. An interruption waits for
        nothing.
        """
        with ThreadPoolExecutor(max(1, self.client.limits.concurrency)) as pool:
            pending = [pool.submit(ask, item) for item in items]
            try:
                return [future.result() for future in pending]
            except Exception:
                pool.shutdown(cancel_futures=True)
                raise
            except BaseException:
                with self.client.abandoned():
                    pool.shutdown(cancel_futures=True)
                raise

    def _reply(
        self,
        question: Question,
        template: str,
        messages: Sequence[Mapping[str, str]],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Any], Path]:
        """The kept record of this conversation's next reply, asked for if there is none."""
        server = self.client.server
        identity = {
            "server": server.label,
            "model": server.model,
            "parameters": dict(parameters),
            "messages": list(messages),
            "json_schema": question.schema,
        }
        key = fingerprint(identity)
        kept = self.store.load(key)
        if kept is not None:
            self.client.meter.add(Usage(cached=1))
            return kept, self.store.path(key)
        record = {
            "instruction": question.instruction,
            "instruction_sha256": hashlib.sha256(template.encode()).hexdigest(),
            **identity,
        }
        try:
            reply, rung = self._climb(question, messages, parameters)
        except ServerError as error:
            if error.raw:
                path = self.store.save_fault(key, {**record, "raw": error.raw})
                error.where = f"{error.where}; what it sent is kept in {path}"
            raise
        record |= {
            "rung": rung,
            "reply": {
                "text": reply.text,
                "refusal": reply.refusal,
                "finish": reply.finish,
                "thought": reply.thought,
            },
            "raw": reply.raw,
            "usage": asdict(reply.usage),
        }
        return record, self.store.save(key, record)

    def _climb(
        self, question: Question, messages: Sequence[Mapping[str, str]], parameters: Mapping[str, Any]
    ) -> tuple[Reply, str]:
        """Ask on the highest rung that the server takes."""
        while True:
            rung = self._rung
            wanted: dict[str, Any] | None = None
            sent = list(messages)
            if rung == 0:
                shape = {"name": question.instruction, "strict": True, "schema": dict(question.schema)}
                wanted = {"type": "json_schema", "json_schema": shape}
            else:
                schema = json.dumps(question.schema, ensure_ascii=False)
                told = Template(instruction_text("schema")).substitute(schema=schema).strip()
                sent[1] = {**sent[1], "content": f"{sent[1]['content']}\n\n{told}"}
                wanted = {"type": "json_object"} if rung == 1 else None
            try:
                return self.client.complete(sent, parameters, wanted), RUNGS[rung]
            except FormatRejectedError:
                with self._lock:
                    self._rung = max(self._rung, rung + 1)


def _judge(reply: Mapping[str, str], question: Question) -> tuple[dict[str, Any] | None, list[str]]:
    """What was made of a reply (None: nothing), and its problems."""
    try:
        value = extract_object(reply["text"], question.schema)
    except InputError as error:
        cut = " (the answer reached the limit on its length: be brief)" if reply["finish"] == "length" else ""
        if thought := reply.get("thought"):
            return None, [f"the answer is empty: there is nothing but {thought}, the model's thoughts{cut}"]
        found = f": {error.found}" if error.found else ""
        return None, [f"{error.what}{found}{cut}"]
    problems = schema_problems(value, question.schema)
    return value, problems or list(question.check(value))


def _unusable(what: str, question: Question, path: Path, found: Sequence[str] | str) -> AnswerError:
    lines = found if isinstance(found, str) else "; ".join(found[:4])
    error = AnswerError(
        what,
        where=f"the question {question.instruction!r}; the raw reply is kept in {path}",
        found=lines[:600] or None,
        hint="take a stronger model, or another --llm-seed to have it asked anew",
    )
    error.reply = path.name
    return error
