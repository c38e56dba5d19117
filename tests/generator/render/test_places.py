"""Whatever is rejected and whatever fails, every planned sample is in one place, and ends where it would have ended."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_judges import FakeJudge, Picky
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.generator.plan.planning import PlanRequest, write_plan
from clay_eval.generator.shards.rendering import render_plan
from clay_eval.generator.shards.work import RenderOptions
from clay_eval.schemas.entity import load_entity
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.samples import SampleSpec, attempt_seed, read_plan
from clay_eval.schemas.shards import read_shard
from clay_eval.schemas.verify import verify_shards

ATTEMPTS, COUNT = 2, 6
OPTIONS = RenderOptions(shard_size=3, image_format="png", batch_size=2, attempts=ATTEMPTS)
NEVER, FAILS = ATTEMPTS + 1, -1
FATES = (1, 2, NEVER, FAILS)
"""Accepted at the first or the second attempt, never (more attempts than there are), not drawable."""


def accepted_at(fate: int) -> int | None:
    """The attempt at which a sample is accepted; None: never."""
    return fate if 1 <= fate <= ATTEMPTS else None


class Fate(FakeJudge):
    """Accepts a sample at its given attempt."""

    def __init__(self, planned: Sequence[SampleSpec], fates: Sequence[int]) -> None:
        super().__init__()
        self.accepted = {
            (sample.key, attempt_seed(sample.seed, at))
            for sample, fate in zip(planned, fates, strict=True)
            if (at := accepted_at(fate))
        }

    def rejected(self, key: str, seed: int) -> bool:
        return (key, seed) not in self.accepted


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "plan"
    specs = [load_entity(name) for name in ("demo-object", "demo-human")]
    write_plan(PlanRequest(specs, [None, None], COUNT, 0), folder)
    return folder


def places(folder: Path) -> dict[str, list[str]]:
    """Key -> the places where it is."""
    found: dict[str, list[str]] = {}
    for place in ("", "quarantine"):
        for tar in sorted((folder / place).glob("*.tar")):
            for sample in read_shard(tar):
                found.setdefault(sample.key, []).append(place or "shards")
    for path in (folder / "failures").glob("*"):
        for line in path.read_text().splitlines():
            found.setdefault(json.loads(line)["key"], []).append("failures")
    return found


def content(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file() and p.name != ".lock"
    }


@settings(max_examples=8, deadline=None)
@given(fates=st.lists(st.sampled_from(FATES), min_size=2 * COUNT, max_size=2 * COUNT))
def test_every_sample_is_in_one_place(plan: Path, fates: list[int]) -> None:
    planned = list(read_plan(plan / "plan.jsonl"))
    expected = {
        sample.key: "failures" if fate == FAILS else "shards" if accepted_at(fate) else "quarantine"
        for sample, fate in zip(planned, fates, strict=True)
    }
    counts = Counter(expected.values())

    def draw(folder: Path, fails: bool) -> None:
        renderer = Picky(lambda key: fails and expected[key] == "failures")
        render_plan(plan, folder, renderer, OPTIONS, judge=Fate(planned, fates))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not counts["shards"]:
            with pytest.raises(ClayEvalError, match="not one picture is left"):
                draw(folder / "a", fails=True)
            assert places(folder / "a") == {key: [place] for key, place in expected.items()}
            return
        draw(folder / "a", fails=True)
        assert places(folder / "a") == {key: [place] for key, place in expected.items()}
        found = read_manifest(folder / "a")["filter"]
        assert {n: found[n] for n in ("planned", "accepted", "quarantined", "failed", "first_try")} == {
            "planned": len(planned),
            "accepted": counts["shards"],
            "quarantined": counts["quarantine"],
            "failed": counts["failures"],
            "first_try": fates.count(1),
        }
        assert verify_shards(folder / "a").faults == []
        draw(folder / "a", fails=False)
        draw(folder / "b", fails=False)
        assert content(folder / "a") == content(folder / "b")
        assert verify_shards(folder / "a").faults == []


def test_a_list_of_failures_that_outlived_them_goes(plan: Path, tmp_path: Path) -> None:
    """As a run leaves it that was killed between the quarantine, which took the last failed sample, and the list."""
    planned = list(read_plan(plan / "plan.jsonl"))
    judge = Fate(planned, [NEVER, *[1] * (2 * COUNT - 1)])
    render_plan(plan, tmp_path, Picky(), OPTIONS, judge=judge)
    before = content(tmp_path)
    listed = tmp_path / "failures" / "demo-object-test-00000.tar.jsonl"
    listed.parent.mkdir(exist_ok=True)
    listed.write_text(json.dumps({"key": planned[0].key, "error": "no"}) + "\n")
    assert not verify_shards(tmp_path).ok
    renderer = Picky()
    render_plan(plan, tmp_path, renderer, OPTIONS, judge=judge)
    assert renderer.asked == []
    assert content(tmp_path) == before
