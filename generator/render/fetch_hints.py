"""Ways out of the faults of fetching a model."""

from __future__ import annotations

import re

_PROXY = re.compile(r"prox(y|ies)|socks", re.IGNORECASE)
_OWN_CODE = re.compile(r"remote.code|custom code", re.IGNORECASE)


def fetch_hint(error: Exception) -> str:
    """The way out for what the libraries raise while they fetch a model; running its code only where they ask for it."""
    text = f"{error} {error.__cause__ or ''}"
    if _PROXY.search(text):
        return "this is about the network: see HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
    if isinstance(error, AttributeError) or _OWN_CODE.search(text):
        return "a model with code of its own needs --trust-remote-code; read that code first"
    if isinstance(error, ImportError):
        return "install the package that is named"
    return "fetch the whole model again; or diffusers may be too old for it"
