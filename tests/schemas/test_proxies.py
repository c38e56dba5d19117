"""Which proxy leads where."""

from __future__ import annotations

import pytest

from clay_eval.schemas.proxies import is_loopback, proxy_fault, proxy_for

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES)):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "0.0.0.0",  # noqa: S104  # the name of a host, nothing is bound
        "::ffff:127.0.0.1",
    ],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "localhost.example.org", "10.0.0.1", "127.0.0.1.example.org", "fe80::1%eth0"]
)
def test_other_machines(host: str | None) -> None:
    assert not is_loopback(host)


def test_the_scheme_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://example.org") is None
    monkeypatch.setenv("ALL_PROXY", "every:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://tls:2")
    monkeypatch.setenv("NO_PROXY", "inside.org,*.inside.org")
    assert proxy_for("https://example.org") == "http://tls:2"
    assert proxy_for("http://example.org") == "http://every:1"
    assert proxy_for("http://inside.org") is None
    assert proxy_for("http://a.inside.org") is None
    assert proxy_for("http://[::1]:8000/v1") is None
    assert proxy_fault() is None


def test_a_fault_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://u:hunter22@h")
    fault = proxy_fault()
    assert fault is not None
    assert (fault.where, fault.found) == ("https_proxy", "gopher://h")
