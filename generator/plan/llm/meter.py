"""What the requests cost, and when to stop: budgets of requests and tokens, requests a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from clay_eval.schemas.errors import InputError

from ...servers import MAX_SECONDS
from .errors import BudgetError


@dataclass(frozen=True)
class Limits:
    """How much may be asked, and how.

    requests, tokens: budgets of one run (None: no limit); requests_per_minute: None for no limit; concurrency: requests
    at a time; timeout: seconds for a whole answer; retries: further tries of a request that failed; longest_wait:
    seconds, the longest Retry-After that is waited for.
    """

    requests: int | None = None
    tokens: int | None = None
    requests_per_minute: float | None = None
    concurrency: int = 4
    timeout: float = 120.0
    retries: int = 4
    longest_wait: float = 90.0

    def __post_init__(self) -> None:
        if not 0 < self.timeout <= MAX_SECONDS:
            raise InputError(
                "no such time for an answer",
                where="--llm-timeout",
                expected=f"above 0, at most {MAX_SECONDS:.0f} seconds",
                found=self.timeout,
            )


@dataclass(frozen=True)
class Usage:
    """What a call, or a run, cost.

    requests counts every try, failed ones too; cached counts answers that lay on disk; estimated counts answers whose
    server told no token numbers (four characters count as one token then).
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: int = 0
    estimated: int = 0

    def __add__(self, other: Usage) -> Usage:
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def __str__(self) -> str:
        text = (
            f"{self.requests} requests, {self.prompt_tokens} prompt and {self.completion_tokens} completion tokens, "
            f"{self.cached} answers from the cache"
        )
        return f"{text} ({self.estimated} estimated)" if self.estimated else text


class Meter:
    """Counts, spaces and stops requests; safe to share between threads."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._usage = Usage()
        self._next = clock()

    @property
    def usage(self) -> Usage:
        """What was spent so far."""
        with self._lock:
            return self._usage

    def take(self) -> None:
        """Count one request that is about to be sent; wait for its turn; raise BudgetError if a budget is spent."""
        limits = self.limits
        with self._lock:
            usage = self._usage
            tokens = usage.prompt_tokens + usage.completion_tokens
            if limits.requests is not None and usage.requests >= limits.requests:
                raise self._stop("requests", limits.requests)
            if limits.tokens is not None and tokens >= limits.tokens:
                raise self._stop("tokens", limits.tokens)
            self._usage += Usage(requests=1)
            now = self._clock()
            wait = 0.0
            if limits.requests_per_minute:
                turn = max(now, self._next)
                self._next = turn + 60.0 / limits.requests_per_minute
                wait = turn - now
        if wait > 0:
            self._sleep(wait)

    def add(self, usage: Usage) -> None:
        """Count what an answer cost."""
        with self._lock:
            self._usage += usage

    def _stop(self, what: str, limit: int) -> BudgetError:
        return BudgetError(
            f"the budget of {what} is spent",
            where=f"--llm-budget-{what}",
            expected=f"at most {limit} {what}",
            found=str(self._usage),
            hint="run the same command again, with a larger budget if need be: every answer so far is kept and costs "
            "nothing then",
        )
