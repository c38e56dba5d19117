"""Texts of a release: YAML and Markdown that hold what they were given, whatever that is."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import Publish

from clay_eval.generator.publishing.facts import citation, size_category
from clay_eval.generator.publishing.pages import render, yaml_text
from clay_eval.generator.publishing.request import slug
from clay_eval.generator.publishing.texts import results_csv

SCALARS = st.text() | st.integers() | st.booleans() | st.none()
KEYS = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(
    lambda k: k not in {"y", "n", "on", "off", "yes", "no", "true", "false", "null"}
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@settings(max_examples=200, deadline=None)
def test_yaml_reads_back(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


@pytest.mark.parametrize(
    ("samples", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (14070, "10K<n<100K"), (10**6, "1M<n<10M")],
)
def test_size_categories(samples: int, name: str) -> None:
    assert size_category(samples) == name


@given(st.text(max_size=200))
def test_names_made_of_titles_are_plain(title: str) -> None:
    name = slug(title)
    assert 1 <= len(name) <= 95
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name[0] != "-"


HOSTILE = "`x` <script>alert(1)</script> | [a](javascript:b) --- {{ 7 * 7 }} ${x} \\"


def test_hostile_texts_are_shown_and_not_obeyed(
    plain_run: Path, publish_run: Publish, tmp_path: Path
) -> None:
    release = publish_run(
        plain_run, tmp_path / "r", title=HOSTILE, authors=[HOSTILE], contact=HOSTILE, notes=[HOSTILE]
    )
    assert release["title"] == HOSTILE
    for name in ("README.md", "datasheet.md", "CHANGELOG.md", "licences/README.md"):
        text = (tmp_path / "r" / name).read_text()
        head, _, body = text.partition("\n---\n") if name == "README.md" else ("", "", text)
        for fence in body.split("```")[1::2]:
            body = body.replace(fence, "")
        assert "<script>" not in body
        assert "](javascript" not in body.replace("\\](", "")
        assert "49" not in body.replace("499", "")
        if head:
            assert yaml.safe_load(head.removeprefix("---\n"))["pretty_name"] == HOSTILE


def test_the_same_values_give_the_same_text_and_unknown_ones_an_error() -> None:
    from jinja2 import UndefinedError

    log = [{"version": "1.0.0", "date": "2026-01-01", "kind": "first", "changes": ["a_b"]}]
    text = render("CHANGELOG.md", release={"log": log})
    assert text == render("CHANGELOG.md", release={"log": log})
    assert "- a\\_b\n" in text
    with pytest.raises(UndefinedError):
        render("CHANGELOG.md", release={})


def test_citations_hold_no_syntax_of_their_own() -> None:
    release = {
        "title": "A {B} \\ 50 % & more",
        "authors": ["A_B", "C"],
        "date": "2026-01-01",
        "version": "1.0.0",
        "url": None,
        "manifest": "0" * 64,
        "name": "a",
    }
    text = citation(release)
    assert "title = {{A B  50 \\% \\& more}}," in text
    assert "author = {A\\_B and C}," in text
    assert "url" not in text
    assert text.count("{") == text.count("}")


def test_results_are_a_table() -> None:
    row = {
        "entity": "e",
        "method": "clay(fusion=sum, n_components=3)",
        "encoder": "x",
        "conditions": ["a", "b"],
        "metric": "AP",
        "value": None,
        "ci_low": None,
        "ci_high": 0.5,
        "chance": 0.25,
        "queries": 3,
    }
    (found,) = csv.DictReader(io.StringIO(results_csv({"results": [row]})))
    assert found["method"] == row["method"]
    assert (found["conditions"], found["value"], found["ci_high"]) == ("a+b", "", "0.5")
