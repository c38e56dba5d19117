"""`clay-eval review`: sheets of a run, decisions applied to it, and the run whole afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def rendered(cli: Cli, tmp_path: Path) -> Path:
    """A plan of 6 objects, drawn."""
    run = tmp_path / "run"
    assert cli("plan", "demo-object", "--count", 6, "--out", run).code == 0
    assert cli("render", "--out", run, "--renderer", "procedural", "--size", 64).code == 0
    return run


def keys(run: Path) -> list[str]:
    with (run / "shards" / "labels.csv").open(newline="") as stream:
        return [row["key"] for row in csv.DictReader(stream)]


def decide(run: Path, *removed: str, **fields: Any) -> Path:
    manifest = json.loads((run / "shards" / "manifest.json").read_text())
    record = {
        "schema": "clay-eval/decisions/1",
        "manifest": manifest["fingerprint"],
        "date": "2026-01-01",
        "decisions": {key: {"decision": "remove", "reason": "color is wrong"} for key in removed},
        **fields,
    }
    path = run / "decisions.json"
    path.write_text(json.dumps(record))
    return path


def test_sheets_then_decisions_then_rendering_again(cli: Cli, rendered: Path) -> None:
    made = json.loads(cli("review", "--out", rendered, "--json").out)
    assert (made["pictures"], made["quarantined"], made["unreadable"]) == (6, 0, 0)
    assert Path(made["page"]) == rendered / "review" / "index.html"
    before = keys(rendered)
    path = decide(rendered, before[1], before[4])
    tried = cli("review", "--out", rendered, "--apply", path, "--dry-run")
    assert tried.code == 0, tried.err
    assert f"{before[1]}: by hand: color is wrong" in tried.out
    assert "2 would be removed, 0 would be accepted: 6 pictures before, 4 after" in tried.out
    assert keys(rendered) == before
    done = cli("review", "--out", rendered, "--apply", path)
    assert "2 removed, 0 accepted: 6 pictures before, 4 after" in done.out
    assert "balance" in done.out
    left = [key for key in before if key not in (before[1], before[4])]
    assert keys(rendered) == left
    again = cli("review", "--out", rendered, "--apply", path)
    assert (again.code, "applied already" in again.out) == (0, True)
    assert cli("render", "--out", rendered, "--renderer", "procedural", "--size", 64).code == 0
    assert keys(rendered) == left
    made = json.loads(cli("review", "--out", rendered, "--json").out)
    assert (made["pictures"], made["quarantined"]) == (6, 2)
    accepted = decide(rendered, decisions={before[1]: {"decision": "accept"}})
    record = json.loads(cli("review", "--out", rendered, "--apply", accepted, "--json").out)
    assert (record["accepted"], record["samples"]) == (1, {"before": 4, "after": 5})
    assert record["decisions"] == {before[1]: "by hand: accepted"}
    assert all(change["after"] == change["before"] + 1 for change in record["balance"])
    assert keys(rendered) == [key for key in before if key != before[4]]
    verified = cli("verify", rendered)
    assert verified.code == 0, verified.out


def test_what_is_refused(cli: Cli, rendered: Path, tmp_path: Path) -> None:
    key = keys(rendered)[0]
    apply = ["review", "--out", rendered, "--apply"]
    cli(*apply, decide(rendered, key, manifest="0" * 64)).refused(3, "made for other shards")
    cli(*apply, decide(rendered, "nobody")).refused(2, "not planned", "nobody")
    cli(*apply, decide(rendered, *keys(rendered))).refused(2, "no picture would be left")
    path = decide(rendered, key)
    path.write_text(path.read_text()[:-9])
    cli(*apply, path).refused(2, "not valid JSON", "decisions.json")
    cli(*apply, tmp_path / "none.json").refused(2, "not found")
    cli("review", "--out", tmp_path / "none").refused(2, "no shards here")
    cli("review", "--out", rendered, "--dry-run").refused(2, "--apply")
    cli("review", "--out", rendered, "--thumbnail", 5).refused(2, "--thumbnail")
