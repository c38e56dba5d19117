"""What stands before every answer: the host that was asked for, the token in the address, where a request comes from.

A page of a stranger may send requests to this machine from the user's browser, under a name of its own that resolves to
127.0.0.1 too (DNS rebinding). It knows neither the token nor may it use another host's name, and the browser says of its
requests that they come from another site.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clay_eval.schemas.errors import InputError

HOSTS = ("127.0.0.1", "localhost")
"""Names under which the page may be asked for; any port, so that a port can be forwarded."""
_OWN_SITE = ("same-origin", "none")
_TOKEN_BYTES = 24


def new_token() -> str:
    """A random part of the address, which nobody can guess: 32 letters, digits, - and _."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Guard:
    """Lets a request through to `app` if it names this host, comes from this page, and begins with the token.

    The token becomes the root path of what `app` sees. Every answer, refusals too, gets `headers`.
    """

    def __init__(self, app: ASGIApp, token: str, headers: Mapping[str, str]) -> None:
        self._app, self._token, self._headers = app, token, dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it; what is neither HTTP nor a server's beginning and end is closed."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        root = f"{scope.get('root_path', '')}/{self._token}"
        await self._app({**scope, "root_path": root}, receive, answer)

    def _refusal(self, headers: Headers, scope: Scope) -> PlainTextResponse | None:
        if host_name(headers.get("host", "")) not in HOSTS:
            return PlainTextResponse("This page answers on 127.0.0.1 only.\n", 421)
        if scope["path"] == "/favicon.ico":  # browsers ask for it by themselves, without the token
            return PlainTextResponse("", 204)
        parts = str(scope["path"]).split("/", 2)
        if len(parts) < 3 or not secrets.compare_digest(parts[1].encode(), self._token.encode()):
            return PlainTextResponse("The address lacks its token: copy all of it from the terminal.\n", 404)
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != headers["host"]
        # A click on a link in another program's page is a navigation, and harmless: it only shows the page.
        visit = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
        if foreign or (headers.get("sec-fetch-site", "none") not in _OWN_SITE and not visit):
            return PlainTextResponse("This page answers itself only.\n", 403)
        return None


def host_name(header: str) -> str:
    """The name in a Host header, without its port; "" for none that can be read."""
    name, _, port = header.partition(":")
    return name.lower() if not port or port.isdigit() else ""


async def bounded_body(request: Request, limit: int, what: str) -> bytes:
    """The body of a request; InputError as soon as more than `limit` bytes are announced or have come."""
    said = request.headers.get("content-length", "0")
    size = int(said) if said.isdigit() else 0
    data = bytearray()
    if size <= limit:
        async for piece in request.stream():
            data += piece
            if len(data) > limit:
                break
    if max(size, len(data)) > limit:
        raise TooLargeError(f"{what} is too large", expected=f"at most {limit >> 20} MB")
    return bytes(data)


class TooLargeError(InputError):
    """A request's body is larger than it may be."""
