"""One chat completion from any OpenAI-compatible server, with a deadline, bounded retries and a meter.

The deadline holds for the whole answer: a server that sends a byte now and then is cut off too. The key goes into the
request's header and nowhere else.
"""

from __future__ import annotations

import email.utils
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import parse_json

from .errors import FormatRejectedError, ServerError
from .meter import Limits, Meter, Usage

MAX_ANSWER_BYTES = 8 << 20
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_FORMAT_REJECTED = {400, 404, 415, 422, 501}
_BACKOFF = 0.5

Message = Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """Where to ask whom. `label` stands for the server in records: no port of the moment, no secrets."""

    url: str
    model: str
    label: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reply:
    """A chat completion: its text, the refusal if it is one, why it ended, the body as it came, and its cost."""

    text: str
    refusal: str
    finish: str
    raw: str
    usage: Usage


@dataclass(frozen=True)
class _Failure:
    """A try that failed: what to say, and the seconds to wait before the next (None: as the back-off says)."""

    what: str
    raw: str = ""
    wait: float | None = None


class ChatClient:
    """Asks `server` within `limits`; safe to share between threads."""

    def __init__(
        self,
        server: Server,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = server
        self.limits = limits or Limits()
        self.meter = Meter(self.limits, clock, sleep)
        self._clock = clock
        self._sleep = sleep
        self._unwanted: set[str] = set()
        try:
            # A header cannot be empty; servers without keys ignore this one.
            self._openai = openai.OpenAI(
                base_url=server.url,
                api_key=server.key or "none",
                max_retries=0,
                timeout=self.limits.timeout,
                # A proxy cannot reach this machine's own ports.
                http_client=openai.DefaultHttpxClient(trust_env=not _is_loopback(server.url)),
            )
        except _transport_errors(openai.OpenAIError, ValueError) as error:
            raise InputError("not the URL of a server", where="--llm", found=server.label) from error

    def close(self) -> None:
        """Close the connections."""
        self._openai.close()

    def complete(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        response_format: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Ask, again after passing faults, and return the answer.

        Raises FormatRejectedError if the server does not take `response_format`, BudgetError, and ServerError for the
        rest.
        """
        failure = _Failure("")
        for number in range(self.limits.retries + 1):
            if number:
                self._sleep(_BACKOFF * 2 ** (number - 1) if failure.wait is None else failure.wait)
            outcome = self._try(messages, parameters, response_format)
            if isinstance(outcome, Reply):
                return outcome
            failure = outcome
        raise self._error(
            f"the LLM server failed {self.limits.retries + 1} times in a row", failure.what, failure.raw
        )

    def _try(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        response_format: Mapping[str, Any] | None,
    ) -> Reply | _Failure:
        self.meter.take()
        body: dict[str, Any] = {
            "model": self.server.model,
            "messages": list(messages),
            **{name: value for name, value in parameters.items() if name not in self._unwanted},
        }
        if response_format is not None:
            body["response_format"] = response_format
        deadline = self._clock() + self.limits.timeout
        data = b""
        try:
            with self._openai.chat.completions.with_streaming_response.create(**body) as response:
                for block in response.iter_bytes():
                    data += block
                    if self._clock() > deadline:
                        return _Failure(f"no whole answer within {self.limits.timeout:g} s", _text(data))
                    if len(data) > MAX_ANSWER_BYTES:
                        raise self._error("the answer of the LLM server is too large", "", _text(data[:4096]))
        except openai.APIStatusError as error:
            return self._refused(error, parameters, response_format is not None)
        except openai.APITimeoutError:
            return _Failure(f"no answer within {self.limits.timeout:g} s", _text(data))
        except _transport_errors(openai.APIConnectionError) as error:
            return _Failure(f"the connection failed: {type(error).__name__}: {error}", _text(data))
        return self._read(_text(data), messages)

    def _refused(
        self, error: openai.APIStatusError, parameters: Mapping[str, Any], formatted: bool
    ) -> _Failure:
        """Sort out an HTTP error: a passing one is a failed try, what can be mended is, the rest ends here."""
        status, said = error.status_code, self._clean(error.message)
        if status in _RETRIED:
            wait = _retry_after(error.response.headers)
            if wait is not None and wait > self.limits.longest_wait:
                raise self._error(
                    f"the LLM server asks to wait {wait:.0f} s",
                    f"HTTP {status}: {said}",
                    hint="run the same command again later: every answer so far is kept",
                )
            return _Failure(f"HTTP {status}: {said}", said, wait)
        if status == 400 and (unwanted := {n for n in parameters if n in said} - self._unwanted):
            self._unwanted |= unwanted
            return _Failure(f"HTTP {status}: {said}", said, 0.0)
        if formatted and status in _FORMAT_REJECTED:
            raise FormatRejectedError("the LLM server does not take this response format", found=said)
        hint = "check OPENAI_API_KEY, or --llm-key-file" if status in {401, 403} else None
        raise self._error("the LLM server refuses the request", f"HTTP {status}: {said}", hint=hint)

    def _read(self, raw: str, messages: Sequence[Message]) -> Reply | _Failure:
        """The chat completion in a body; what is none is a failed try."""
        try:
            record = parse_json(raw, "the answer")
            choice = record["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content") or "", message.get("refusal") or ""
            if not isinstance(text, str) or not isinstance(refusal, str):
                raise TypeError("the content is no text")
            usage = _usage(record.get("usage"), messages, text)
        except (InputError, LookupError, TypeError, AttributeError) as error:
            kind = "an empty answer" if not raw.strip() else f"no chat completion: {raw.strip()[:80]!r}"
            self.meter.add(_usage(None, messages, raw))
            return _Failure(f"{kind} ({str(error).splitlines()[0]})", raw)
        self.meter.add(usage)
        return Reply(text, refusal, str(choice.get("finish_reason") or ""), raw, usage)

    def _error(self, what: str, found: str, raw: str = "", hint: str | None = None) -> ServerError:
        error = ServerError(
            what,
            where=self.server.label,
            found=self._clean(found) or None,
            hint=hint
            or "see whether the server works, then run the same command again: every answer is kept",
        )
        error.raw = self._clean(raw)
        return error

    def _clean(self, text: str) -> str:
        """Servers like to repeat a wrong key in their errors."""
        return text.replace(self.server.key, "***") if self.server.key else text


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _transport_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """`others` and the errors of openai's HTTP library, which is not the same in all versions: what breaks while a body
    is read comes as one of these.
    """
    loaded = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (*others, *(module.HTTPError for module in loaded))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by the header Retry-After: a number, or a date; None without it."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        parsed = email.utils.parsedate_tz(value)
        return None if parsed is None else max(0.0, email.utils.mktime_tz(parsed) - time.time())


def _usage(told: Any, messages: Sequence[Message], text: str) -> Usage:
    if isinstance(told, dict):
        prompt, completion = told.get("prompt_tokens"), told.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            return Usage(prompt_tokens=prompt, completion_tokens=completion)
    sent = len(json.dumps(list(messages), ensure_ascii=False))
    return Usage(prompt_tokens=-(-sent // 4), completion_tokens=-(-len(text) // 4), estimated=1)
