"""From a body to a chat completion, in the shapes that servers really send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.secrets import Secrets
from clay_eval.schemas.validate import parse_json

from ...servers.refusals import complaint
from .meter import Usage

_MOST_TOKENS = 10_000_000
"""What one answer may be said to cost; a larger number is a mistake, or meant to stop us."""
_THOUGHTS = ("reasoning_content", "reasoning")


@dataclass(frozen=True)
class Reply:
    """A chat completion: its text, the refusal if it is one, why it ended, the body as it came, and its cost.

    thought: the name of the field with the model's reasoning, if there is nothing else.
    """

    text: str
    refusal: str
    finish: str
    raw: str
    usage: Usage
    thought: str = ""


def read_reply(body: str, messages: Sequence[Mapping[str, str]], secrets: Secrets) -> Reply:
    """The chat completion in a body, without `secrets`.

    The body is a completion, or the events of one. Content is a text, or a list of parts. InputError for anything else.
    """
    try:
        record = _events(body) if is_event_stream(body) else parse_json(body, "the answer")
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError("an event is no part of a completion", where="the answer", found=error) from error
    # A key may be written in a way, or cut by events, so that it shows only now.
    plain = json.dumps(record, ensure_ascii=False)
    if (clean := secrets.masked(plain)) != plain:
        record, body = json.loads(clean), clean
    try:
        choice = record["choices"][0]
        message = choice["message"]
        text, said = _content(message.get("content"))
        refusal = message.get("refusal") or said
        if not isinstance(refusal, str):
            raise TypeError("the refusal is no text")
    except (LookupError, TypeError, AttributeError) as error:
        raise InputError(str(error), where="the answer", found=_error_in(record)) from error
    thought = next((n for n in _THOUGHTS if isinstance(message.get(n), str) and message[n].strip()), "")
    return Reply(
        text,
        refusal,
        str(choice.get("finish_reason") or ""),
        body,
        reported_usage(record.get("usage"), messages, text),
        "" if text.strip() or refusal else thought,
    )


def reported_usage(told: Any, messages: Sequence[Mapping[str, str]], text: str) -> Usage:
    """What an answer cost: as the server tells, or, where it tells nothing that can be, four characters a token."""
    if isinstance(told, dict):
        prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
        if _can_be(prompt, 1 if messages else 0) and _can_be(completion, 1 if text else 0):
            return Usage(prompt_tokens=prompt, completion_tokens=completion)
    sent = len(json.dumps(list(messages), ensure_ascii=False))
    return Usage(prompt_tokens=-(-sent // 4), completion_tokens=-(-len(text) // 4), estimated=1)


def _can_be(number: Any, least: int) -> TypeGuard[int]:
    return type(number) is int and least <= number <= _MOST_TOKENS


def _content(content: Any) -> tuple[str, str]:
    """The text of a message, and the refusal in it; parts of other kinds (thoughts, audio) are left out."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list):
        raise TypeError("the content is neither text nor parts")
    texts, refusals = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part.get("text"), str) and part.get("type", "text") in ("text", "output_text"):
            texts.append(part["text"])
        elif isinstance(part.get("refusal"), str):
            refusals.append(part["refusal"])
    return "".join(texts), "".join(refusals)


def _error_in(record: Any) -> str | None:
    """What a body says that is an error in spite of its status."""
    held = isinstance(record, dict) and any(name in record for name in ("error", "message", "detail"))
    return complaint(json.dumps(record))[:300] if held else None


def is_event_stream(body: str) -> bool:
    """Whether a body is a stream of server-sent events, which nobody asked for."""
    return body.lstrip("\ufeff \r\n").startswith(("data:", "event:", "id:", "retry:", ":"))


def _events(body: str) -> dict[str, Any]:
    """One completion of the events that a server sent; InputError for a stream that is cut or broken."""
    parts: dict[str, list[str]] = {"content": []}
    finish: str | None = None
    whole: dict[str, Any] = {}
    ended = False
    for data in _data_of_events(body):
        if data == "[DONE]":
            ended = True
            break
        event = parse_json(data, "an event of the answer")
        if not isinstance(event, dict) or event.get("error"):
            raise InputError("an event of the answer is an error", found=complaint(data)[:300])
        whole |= {name: value for name, value in event.items() if value is not None and name != "choices"}
        for choice in (event.get("choices") or ())[:1]:
            part = choice.get("delta") or choice.get("message") or {}
            text, refusal = _content(part.get("content"))
            parts["content"].append(text)
            for name in ("refusal", *_THOUGHTS):
                parts.setdefault(name, []).append(part.get(name) or "")
            parts["refusal"].append(refusal)
            finish = choice.get("finish_reason") or finish
    if not ended and not finish:
        raise InputError("the event stream is cut off")
    message = {name: "".join(pieces) for name, pieces in parts.items()}
    return {**whole, "choices": [{"index": 0, "finish_reason": finish, "message": message}]}


def _data_of_events(body: str) -> Iterator[str]:
    """The data of each event. An event of a completion is one line, and not all servers part them by empty ones."""
    for line in body.replace("\r", "\n").split("\n"):
        if line.startswith("data:") and (data := line.removeprefix("data:").strip()):
            yield data
