"""An OpenAI-style images endpoint as a renderer: a fleet behind SGLang, vLLM-Omni and the like, or a hosted model.

Requests carry `seed` and `negative_prompt` beside OpenAI's own fields, as these servers take them. The key and the URL are
in no record and no message: the same model behind another address is the same renderer.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from PIL import Image

from clay_eval.schemas.decoding import MAX_PIXELS, decode_image
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.samples import SampleSpec
from clay_eval.schemas.secrets import known_secrets, of_key, of_url, without_userinfo
from clay_eval.schemas.validate import parse_json

from ..servers import MAX_SECONDS
from ..servers.refusals import complaint, retry_after

URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"
_SHOWN = 200
_ENVELOPE = 1 << 20
_BYTES_A_PIXEL = 8
"""What an answer may have at most: more than raw pixels with alpha take in base64."""
_ALWAYS_BASE64 = "gpt-image"


@dataclass(frozen=True)
class EndpointOptions:
    """Where the server is and how it is asked.

    base_url, api_key: None takes OPENAI_BASE_URL and OPENAI_API_KEY; servers without keys need none. size: pixels.
    steps, guidance: sent as num_inference_steps and guidance_scale; None leaves them to the server.
    extras: whether to send fields that OpenAI's own service does not know (seed, negative_prompt, steps, guidance).
    concurrency: requests at a time. timeout: seconds a request. retries: after 408, 409, 429, 5xx and lost connections.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    size: int = 1024
    steps: int | None = None
    guidance: float | None = None
    extras: bool = True
    concurrency: int = 4
    timeout: float = 300.0
    retries: int = 5

    def __post_init__(self) -> None:
        if self.size < 1 or self.concurrency < 1 or not 0 < self.timeout <= MAX_SECONDS or self.retries < 0:
            raise InputError(
                "size, concurrency and timeout are positive, retries not negative",
                where="--size, --concurrency, --timeout, --retries",
                expected=f"a timeout of at most {MAX_SECONDS:.0f} s",
                found=f"{self.size}, {self.concurrency}, {self.timeout}, {self.retries}",
            )
        if self.size**2 > MAX_PIXELS:
            raise InputError(
                "a picture of more pixels than are read",
                where="--size",
                expected=f"at most {math.isqrt(MAX_PIXELS)}",
                found=self.size,
            )
        if self.guidance is not None and not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise InputError(
                "guidance is a number from 0 up", where="--guidance", expected=">= 0", found=self.guidance
            )
        if not self.extras and (self.steps is not None or self.guidance is not None):
            raise InputError("steps and guidance are extra fields", where="--no-extras, --steps, --guidance")


class EndpointRenderer:
    """Asks a server for each picture; a failed request names its sample. Close it to close its connections."""

    def __init__(self, model: str, options: EndpointOptions | None = None) -> None:
        # openai's library takes long to load.
        from ..servers.exchange import open_client

        options = options or EndpointOptions()
        url = (options.base_url or os.environ.get(URL_VARIABLE) or "").strip()
        if not url.startswith(("http://", "https://")):
            raise InputError(
                "where is the images endpoint?",
                where=f"--base-url, or {URL_VARIABLE}",
                expected="a URL such as http://localhost:8000/v1",
                found=known_secrets().masked(without_userinfo(url)) or None,
            )
        self._options = options
        self._model = model
        key = (options.api_key or os.environ.get(KEY_VARIABLE) or "").strip()
        self._secrets = known_secrets(*of_key(KEY_VARIABLE, key), *of_url("--base-url", url))
        self._client = open_client(
            url,
            key,
            timeout=options.timeout,
            largest=_BYTES_A_PIXEL * options.size**2 + _ENVELOPE,
            retries=options.retries,
            where="--base-url" if options.base_url else URL_VARIABLE,
            key_where=KEY_VARIABLE,
        )
        self._early: dict[tuple[str, int], Any] = {}
        self.identity: dict[str, Any] = {
            "type": "endpoint",
            "model": model,
            "size": options.size,
            "steps": options.steps,
            "guidance": options.guidance,
            "seed": options.extras,
            "negative_prompt": options.extras,
        }

    def check(self, spec: EntitySpec) -> None:
        """Whatever has a prompt can be asked for."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """One RGB picture a sample, `concurrency` requests at a time.

        Raises ClayEvalError that names the sample for a request that failed for good and for an answer that is no picture
        of the size asked for. What the batch's other requests brought is kept for the next call: nothing is paid for twice.
        """
        wanted = [s for s in samples if (s.key, s.seed) not in self._early]
        with ThreadPoolExecutor(self._options.concurrency) as threads:
            waiting = [threads.submit(self._attempt, sample) for sample in wanted]
            try:
                for sample, future in zip(wanted, waiting, strict=True):
                    self._early[sample.key, sample.seed] = future.result()
            except BaseException:
                with self._client.abandoned():
                    threads.shutdown(cancel_futures=True)
                raise
        for sample in samples:
            if isinstance(self._early[sample.key, sample.seed], ClayEvalError):
                raise self._early.pop((sample.key, sample.seed))
        return [self._early.pop((sample.key, sample.seed)) for sample in samples]

    def _attempt(self, sample: SampleSpec) -> Image.Image | ClayEvalError:
        try:
            return self._one(sample)
        except ClayEvalError as error:
            return error

    def _one(self, sample: SampleSpec) -> Image.Image:
        image = decode_image(self._bytes(sample), sample.key)
        wanted = (self._options.size, self._options.size)
        if image.size != wanted:
            raise ClayEvalError(
                "the server sent a picture of another size",
                where=sample.key,
                expected="{} x {}".format(*wanted),
                found=f"{image.width} x {image.height}",
                hint="use a --size that the model can make",
            )
        return image

    def _bytes(self, sample: SampleSpec) -> bytes:
        """The encoded picture that the server sends for a sample."""
        body = self._ask(sample)
        try:
            answer = parse_json(body, "the answer")
        except InputError as error:
            streamed = body.lstrip().startswith(("data:", "event:"))
            page = body.lstrip().startswith("<")
            raise ClayEvalError(
                f"the server's answer {'holds no picture' if page else 'cannot be read'}",
                where=sample.key,
                expected="JSON as of OpenAI's images endpoint",
                found="a stream of events" if streamed else self._shown(body) or "nothing",
                hint=f"{_WAY_TO_THE_API}; the answer is {error.what}",
            ) from error
        data = answer.get("data") if isinstance(answer, dict) else None
        first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
        encoded, url = first.get("b64_json"), first.get("url")
        if encoded is None and isinstance(url, str) and url.startswith("data:"):
            encoded = url
        if encoded is None and url:
            raise ClayEvalError(
                "the server sent a link instead of a picture, and links are not followed",
                where=sample.key,
                expected="b64_json",
                hint="have the server answer with response_format b64_json",
            )
        if not isinstance(encoded, str) or not encoded:
            raise ClayEvalError(
                "the server's answer holds no picture",
                where=sample.key,
                expected="data[0].b64_json",
                found=self._shown(complaint(body) or body),
                hint=_WAY_TO_THE_API,
            )
        try:
            return picture_bytes(encoded)
        except (binascii.Error, ValueError) as error:
            raise ClayEvalError(
                "the server's picture is not base64", where=sample.key, found=self._shown(encoded)
            ) from error

    def _ask(self, sample: SampleSpec) -> str:
        """The body of the server's answer, without keys."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        from ..servers.exchange import TooLargeError

        try:
            answer = self._client.images.with_raw_response.generate(**self._request(sample))
        except APITimeoutError as error:
            raise ClayEvalError(
                "the server did not answer in time",
                where=sample.key,
                expected=f"within {self._options.timeout:g} s, {self._options.retries + 1} times",
                hint="a longer --timeout, or a lower --concurrency",
            ) from error
        except (APIConnectionError, TooLargeError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, TooLargeError):
                raise ClayEvalError(
                    "the server's answer is too large for a picture", where=sample.key, found=cause
                ) from error
            raise ClayEvalError(
                "the server cannot be reached",
                where=sample.key,
                found=self._shown(str(cause)),
                hint="see that it runs, and --base-url",
            ) from error
        except APIStatusError as error:
            raise self._refused(error.status_code, error.response, sample) from error
        return self._secrets.masked(answer.http_response.content.decode("utf-8", "replace"))

    def _refused(self, status: int, response: Any, sample: SampleSpec) -> ClayEvalError:
        """What to say of an HTTP error."""
        words = complaint(self._secrets.masked(response.content.decode("utf-8", "replace")))
        what = "the server refuses this request" if status < 500 else "the server keeps failing"
        hint = _WAYS_OUT.get(status, "run the same command again to go on from here")
        if 300 <= status < 400:
            what = "the server sends its callers elsewhere, and the key does not go there by itself"
            words = without_userinfo(response.headers.get("location", "")) or words
            hint = "name the right address: --base-url URL"
        elif (wait := retry_after(response.headers)) is not None:
            words = f"{words} (it asks to wait {min(wait, 1e9):.0f} s)"
        return ClayEvalError(
            what,
            where=sample.key,
            found=self._shown(f"HTTP {status}: {words or response.reason_phrase}"),
            hint=hint,
        )

    def _request(self, sample: SampleSpec) -> dict[str, Any]:
        options = self._options
        request: dict[str, Any] = {
            "model": self._model,
            "prompt": sample.prompt,
            "n": 1,
            "size": f"{options.size}x{options.size}",
        }
        if not self._model.startswith(_ALWAYS_BASE64):
            request["response_format"] = "b64_json"
        if options.extras:
            extras = {
                "seed": sample.seed,
                "negative_prompt": sample.negative_prompt or None,
                "num_inference_steps": options.steps,
                "guidance_scale": options.guidance,
            }
            request["extra_body"] = {name: value for name, value in extras.items() if value is not None}
        return request

    def _shown(self, text: str) -> str:
        """The beginning of what a server said, on one line, without the key."""
        return " ".join(self._secrets.masked(text).split())[:_SHOWN]


def picture_bytes(text: str) -> bytes:
    """What base64 stands for, as servers write it: with "data:...," before it, broken into lines, in the alphabet for URLs,
    without padding. ValueError for anything else.
    """
    if text.startswith("data:"):
        text = unquote(text.partition(",")[2])
    text = re.sub(r"\s+", "", text).rstrip("=").translate(_FOR_URLS)
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


_FOR_URLS = str.maketrans("-_", "+/")
_WAY_TO_THE_API = "--base-url must lead to an OpenAI-style API, usually ending in /v1"
_WAYS_OUT: Mapping[int, str] = {
    400: "a server that knows no seed or negative prompt needs --no-extras; a refused prompt needs other words",
    401: f"set {KEY_VARIABLE}",
    403: f"see what {KEY_VARIABLE} may do",
    404: "see --model and --base-url; the URL usually ends in /v1",
    422: "a server that knows no seed or negative prompt needs --no-extras",
    429: "a lower --concurrency; run the same command again to go on from here",
}
