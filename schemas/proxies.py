"""Which proxy leads to a server, as the environment says, and what is wrong with it if it cannot be used."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import InputError
from .secrets import without_userinfo

_SCHEMES = ("http", "https", "socks5", "socks5h")


def is_loopback(host: str | None) -> bool:
    """Whether a host name means this machine."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def proxy_for(url: str) -> str | None:
    """The URL of the proxy that leads to `url`, or None; a proxy cannot reach this machine's own ports.

    Raises InputError for one that cannot be used.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname) or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    for scheme in (parts.scheme, "all"):
        if proxy := proxies.get(scheme):
            if fault := _fault(scheme, proxy):
                raise fault
            return _with_scheme(proxy)
    return None


def proxy_fault() -> InputError | None:
    """What is wrong with the proxies of the environment: of use after a library that reads them all has failed."""
    proxies = getproxies()
    faults = (_fault(scheme, proxies[scheme]) for scheme in ("http", "https", "all") if proxies.get(scheme))
    return next(filter(None, faults), None)


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _fault(scheme: str, proxy: str) -> InputError | None:
    """What is wrong with the proxy that is set for a scheme, None if nothing is."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    where = next((name for name in names if os.environ.get(name)), names[1])
    proxy = _with_scheme(proxy)
    found = without_userinfo(proxy)
    hint = f"set {where} to a proxy that works, unset it, or name the server in NO_PROXY"
    try:
        parts = urlsplit(proxy)
        sound = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        expected = "http://, https://, socks5:// or socks5h://, a host and a port"
        return InputError("this is no proxy", where=where, expected=expected, found=found, hint=hint)
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        return InputError(
            "a SOCKS proxy is set, and the package for such proxies is missing",
            where=where,
            expected="the package socksio",
            found=found,
            hint=f"pip install socksio; or {hint}",
        )
    return None
