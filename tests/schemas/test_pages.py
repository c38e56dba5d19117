"""Pages: what templates may do with strangers' values, and what a page's policy lets run."""

from __future__ import annotations

import base64
import hashlib

import pytest
from jinja2 import UndefinedError

from clay_eval.schemas import pages
from clay_eval.schemas.escaping import embedded, markdown, script_json

HOSTILE = "</script><b>\u202e"


def test_every_value_is_cleaned_and_escaped_and_a_missing_one_is_an_error() -> None:
    html = pages.environment("nowhere").from_string("{{ value }}")
    assert html.render(value=HOSTILE) == "&lt;/script&gt;&lt;b&gt; "
    assert "<" not in pages.environment("nowhere", markdown).from_string("{{ value }}").render(value=HOSTILE)
    with pytest.raises(UndefinedError):
        html.render()


def test_a_policy_lets_one_script_run() -> None:
    digest = base64.b64encode(hashlib.sha256(b"run()").digest()).decode()
    assert pages.policy(pages.PICTURES_BESIDE, pages.only_script("run()")) == (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:; "
        + f"script-src 'sha256-{digest}'"
    )


def test_data_in_a_script_cannot_end_it() -> None:
    assert script_json([HOSTILE]) == r'["\u003c/script\u003e\u003cb\u003e\u202e"]'
    assert embedded({HOSTILE: 1}) == r'{"\u003c/script\u003e\u003cb\u003e ":1}'


def test_markdown_is_tidied() -> None:
    assert pages.tidied("\n# a\n\n\n\nb\n\n") == "# a\n\nb\n"
