"""One chat completion from any OpenAI-compatible server, with a deadline, bounded retries and a meter.

The deadline holds for the whole answer: a server that sends a byte now and then is cut off too. The key goes into the
request's header and nowhere else: what a server says is masked as it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import openai

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.secrets import known_secrets, of_key, of_url, without_userinfo

from ...servers.exchange import TooLargeError, open_client, received
from ...servers.refusals import complaint, named_fields, retry_after
from .errors import FormatRejectedError, ServerError
from .meter import Limits, Meter
from .replies import Reply, read_reply, reported_usage

MAX_ANSWER_BYTES = 8 << 20
KEY_PLACES = "OPENAI_API_KEY, or --llm-key-file"
_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_FORMAT_REJECTED = {400, 404, 415, 422, 501}
_FIELD_REJECTED = {400, 422}
_BOUND, _OTHER_BOUND = "max_tokens", "max_completion_tokens"
"""How servers call the most tokens of a reply; newer models of OpenAI's take the other name only."""
_BACKOFF = 0.5
_SHOWN = 600

Message = Mapping[str, str]


@dataclass(frozen=True)
class Server:
    """Where to ask whom. `label` stands for the server in records: no port of the moment, no secrets."""

    url: str
    model: str
    label: str
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class _Failure:
    """A try that failed: what to say, and the seconds to wait before the next (None: as the back-off says)."""

    what: str
    raw: str = ""
    wait: float | None = None
    hint: str | None = None


def _named(parameters: Mapping[str, Any], unwanted: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The parameters, the bound of a reply under its other name where servers do not take the first."""
    for name, value in parameters.items():
        yield (_OTHER_BOUND if name == _BOUND and name in unwanted else name), value


class ChatClient:
    """Asks `server` within `limits`; safe to share between threads."""

    def __init__(
        self,
        server: Server,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.server = server
        self.limits = limits or Limits()
        self._clock = clock
        self._unwanted: set[str] = set()
        self._secrets = known_secrets(*of_key("the key", server.key), *of_url("--llm", server.url))
        self._openai = open_client(
            server.url,
            server.key,
            timeout=self.limits.timeout,
            largest=MAX_ANSWER_BYTES,
            where="--llm",
            key_where=KEY_PLACES,
        )
        self._sleep = sleep or self._openai.wait
        self.meter = Meter(self.limits, clock, self._sleep)

    def abandoned(self) -> AbstractContextManager[None]:
        """As `Client.abandoned`: for threads that wait for answers which an interruption should not wait for."""
        return self._openai.abandoned()

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
            f"the LLM server failed {self.limits.retries + 1} times in a row",
            failure.what,
            failure.raw,
            failure.hint,
        )

    def _try(
        self,
        messages: Sequence[Message],
        parameters: Mapping[str, Any],
        response_format: Mapping[str, Any] | None,
    ) -> Reply | _Failure:
        self.meter.take()
        sent = {
            name: value for name, value in _named(parameters, self._unwanted) if name not in self._unwanted
        }
        body: dict[str, Any] = {"model": self.server.model, "messages": list(messages), **sent}
        if response_format is not None:
            body["response_format"] = response_format
        try:
            answer = self._openai.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            refused = self._refused(error, sent, response_format is not None)
            # What the server does not take is left out, so this ends.
            return refused or self._try(messages, parameters, response_format)
        except openai.APITimeoutError as error:
            return _Failure(f"no whole answer within {self.limits.timeout:g} s", self._received(error))
        except (openai.APIConnectionError, TooLargeError) as error:
            raw, cause = self._received(error), error.__cause__ or error
            if isinstance(cause, TooLargeError):
                raise self._error(
                    "the answer of the LLM server is too large", str(cause), raw[:4096]
                ) from None
            return _Failure(f"the connection failed: {type(cause).__name__}: {cause}", raw)
        return self._read(self._text(answer.http_response.content), messages)

    def _refused(
        self, error: openai.APIStatusError, parameters: Mapping[str, Any], formatted: bool
    ) -> _Failure | None:
        """Sort out an HTTP error: a passing one is a failed try, None says that it was mended, the rest ends here."""
        status, raw = error.status_code, self._text(error.response.content)
        words = complaint(raw)
        said = f"HTTP {status}: {words or error.response.reason_phrase}"
        if status in _RETRIED:
            wait = retry_after(error.response.headers)
            if wait is not None and wait > self.limits.longest_wait:
                raise self._error(
                    f"the LLM server asks to wait {min(wait, 1e9):.0f} s",
                    said,
                    hint="run the same command again later: every answer so far is kept",
                )
            return _Failure(said, raw, wait)
        if status in _FIELD_REJECTED and (unwanted := named_fields(words, parameters)):
            self._unwanted |= unwanted
            return None
        if formatted and status in _FORMAT_REJECTED:
            raise FormatRejectedError(
                "the LLM server does not take this response format", found=said[:_SHOWN]
            )
        if 300 <= status < 400:
            place = urljoin(self.server.url, error.response.headers.get("location", ""))
            raise self._error(
                "the LLM server sends its callers elsewhere, and the key does not go there by itself",
                f"{said}: {without_userinfo(place)}",
                hint="name the right address: --llm URL",
            )
        hint = f"check {KEY_PLACES}" if status in {401, 403} else None
        raise self._error(
            "the LLM server refuses the request", said, hint=hint or self._way_to_the_api(status)
        )

    def _read(self, raw: str, messages: Sequence[Message]) -> Reply | _Failure:
        """The chat completion in a body; what is none is a failed try."""
        try:
            reply = read_reply(raw, messages, self._secrets)
        except InputError as error:
            self.meter.add(reported_usage(None, messages, raw))
            kind = "an empty answer" if not raw.strip() else f"no chat completion: {raw.strip()[:80]!r}"
            why = f"{error.what}: {error.found}" if error.found else error.what
            return _Failure(f"{kind} ({why})", raw, hint=self._way_to_the_api(404))
        self.meter.add(reply.usage)
        return reply

    def _way_to_the_api(self, status: int) -> str | None:
        """What to try where this is no such API: its usual place, if the URL names no other."""
        if status not in {404, 405} or "/v1" in urlsplit(self.server.url).path:
            return None
        return f"the API usually lies under /v1: --llm {self.server.label.rstrip('/')}/v1"

    def _error(self, what: str, found: str, raw: str = "", hint: str | None = None) -> ServerError:
        error = ServerError(
            what,
            where=self.server.label,
            found=self._secrets.masked(found)[:_SHOWN] or None,
            hint=hint
            or "see whether the server works, then run the same command again: every answer is kept",
        )
        error.raw = raw
        return error

    def _received(self, error: openai.OpenAIError) -> str:
        return self._text(received(error))

    def _text(self, data: bytes) -> str:
        """A body as a text; servers like to repeat a wrong key in their errors."""
        return self._secrets.masked(data.decode("utf-8", "replace"))
