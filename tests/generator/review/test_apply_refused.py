"""Decisions that cannot be applied are refused, and nothing is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from decided_runs import accept, apply, keys, mixed, remove, tree, write

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError, ConfigChangedError, InputError, IntegrityError


def refused(run: Path, path: Path, error: type[ClayEvalError], said: str) -> None:
    before = tree(run)
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            apply(run, path, dry_run=dry_run)
        assert said in str(caught.value)
        assert tree(run) == before


def test_decisions_for_another_manifest(run: Path) -> None:
    path = write(run, remove(keys(run)[0]), manifest="0" * 64)
    refused(run, path, ConfigChangedError, "made for other shards")
    path = write(run, remove(keys(run)[0]))
    old = path.read_text()
    apply(run, write(run, remove(keys(run)[1])))
    path.write_text(old)
    refused(run, path, ConfigChangedError, "made for other shards")
    refused(run, write(run, {}, manifest="0" * 64), ConfigChangedError, "made for other shards")


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        (remove("nobody"), "not planned"),
        ({"../x": {"decision": "remove"}}, "decisions"),
        ({"k": {"decision": "burn"}}, "decisions"),
        ({"k": {"decision": "accept", "reason": "nice"}}, "decisions"),
        ({"k": "remove"}, "decisions"),
        (remove("k", reason=""), "decisions"),
        (remove("k", reason="a" * 201), "decisions"),
        (remove("k", reason="Accepted"), "reason"),
        (remove("k", reason="two\nlines"), "reason"),
        (remove("k", reason="\u202eright to left"), "reason"),
        (remove("k", reason=" spaces "), "reason"),
    ],
)
def test_decisions_that_cannot_be(run: Path, decisions: dict[str, Any], said: str) -> None:
    refused(run, write(run, decisions), InputError, said)


def test_decisions_on_the_wrong_side(run: Path) -> None:
    refused(run, write(run, accept(keys(run)[0])), InputError, "does not fit")
    refused(run, write(run, remove(keys(run, quarantined=True)[0])), InputError, "does not fit")


def test_an_entity_keeps_a_picture(run: Path) -> None:
    everyone = [key for key in keys(run) if key.startswith("demo-human")]
    refused(run, write(run, remove(*everyone)), InputError, "no picture would be left")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"decisions": {', '"decisions": {"a": {"decision": "accept"}, "a": '),
        lambda text: text.replace("clay-eval/decisions/1", "clay-eval/decisions/2"),
        lambda text: "[]",
        lambda text: text.replace("2026-02-03T04:05:06Z", "yesterday"),
    ],
)
def test_a_damaged_file(run: Path, damage: Callable[[str], str]) -> None:
    path = write(run, remove(keys(run)[0]))
    path.write_text(damage(path.read_text()))
    refused(run, path, InputError, "decisions.json")


def test_no_such_file(run: Path) -> None:
    refused(run, run / "nothing.json", InputError, "not found")


def test_damaged_or_foreign_shards_are_not_touched(run: Path) -> None:
    path = write(run, mixed(run))
    tar = run / "shards" / "quarantine" / "demo-object-test-00001.tar"
    tar.write_bytes(tar.read_bytes()[:-2000])
    refused(run, path, IntegrityError, tar.name)
    tar.unlink()
    refused(run, path, IntegrityError, tar.name)


def test_another_plan(run: Path, tmp_path: Path) -> None:
    path = write(run, mixed(run))
    shutil.rmtree(run / "plan")
    write_plan(PlanRequest([load_entity("demo-object")], [None], 10, 1), run / "plan")
    refused(run, path, ConfigChangedError, "not made from this plan")
