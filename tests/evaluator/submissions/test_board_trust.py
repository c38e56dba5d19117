"""A leaderboard computes scores from the data, or says in its head that they are claims, and ranks none of them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from submission_world import Pictures

from clay_eval.evaluator.submissions.board import build_board
from clay_eval.evaluator.submissions.pack import About
from clay_eval.evaluator.submissions.pages import render_html, render_markdown
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import sealed_text
from clay_eval.schemas.validate import check, read_sealed

Change = Callable[[dict[str, Any]], None]


def perfect(record: dict[str, Any]) -> None:
    """Every number of a score record as good as can be."""
    for row in record["results"] + record["means"]:
        for name in ("value", "ci_low", "ci_high"):
            row[name] = 1.0
    for one in record["per_query"]:
        for found in one["sets"]:
            for group in found["groups"]:
                group["values"] = [1.0] * len(group["values"])


def forge(folder: Path, change: Change = perfect) -> None:
    """Change a score record and seal it again, as anyone can."""
    record = read_sealed(folder / "score.json", "score")
    del record["seal"]
    change(record)
    (folder / "score.json").write_text(sealed_text(record))
    read_sealed(folder / "score.json", "score")


@pytest.fixture(scope="session")
def scored(submit: Callable[..., Path], score: Callable[..., Any], tmp_path_factory: Any) -> Path:
    """Scored submissions of two methods. Not to be altered."""
    folder: Path = tmp_path_factory.mktemp("trust")
    score(submit("clay(n_components=4)", to=folder / "clay", about=About("CLAY")))
    score(submit("raw", to=folder / "raw", about=About("RAW")))
    return folder


@pytest.fixture
def folder(scored: Path, tmp_path: Path) -> Path:
    """A copy of `scored`."""
    return Path(shutil.copytree(scored, tmp_path / "submissions"))


def by_name(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["submission"]: row for table in board["tables"] for row in table["rows"]}


def test_a_forged_record_changes_nothing_where_there_are_data(scored: Path, folder: Path) -> None:
    honest = build_board(scored, [Pictures()], randomisations=500)
    assert honest["notes"] == []
    forge(folder / "raw")
    (folder / "clay" / "score.json").unlink()
    board = build_board(folder, [Pictures()], randomisations=500)
    assert (board["scores"], board["tables"]) == ("computed", honest["tables"])
    assert by_name(board)["clay"]["rank"] == 1
    (note,) = board["notes"]
    assert note["submission"] == "raw"
    assert "claims other scores" in note["note"]
    for page in (render_html(board), render_markdown(board)):
        assert "computed anew" in page
        assert "claims other scores" in page
    check(board, "leaderboard", "board")


def test_what_lies_beside_is_not_needed_and_not_believed(folder: Path) -> None:
    for damage, said in ((b"", "not valid JSON"), (b"{}", "changed or cut"), (None, "expected a file")):
        path = folder / "raw" / "score.json"
        path.unlink()
        path.write_bytes(damage) if damage is not None else path.mkdir()
        board = build_board(folder, [Pictures()], randomisations=50)
        assert set(by_name(board)) == {"clay", "raw"}
        (note,) = board["notes"]
        assert said in note["note"] or "not scored yet" in note["note"]


def test_submissions_for_other_data_are_left_out(folder: Path) -> None:
    with pytest.raises(InputError, match="can be scored") as caught:
        build_board(folder, [Pictures(fingerprint="ef" * 32)])
    assert "for other data" in str(caught.value)


def test_claims_are_listed_as_claims(folder: Path, submit: Callable[..., Path]) -> None:
    submit("raw", to=folder / "unscored")
    for name in ("altered", "exchanged"):
        shutil.copytree(folder / "raw", folder / name)
    path = folder / "altered" / "score.json"
    path.write_text(path.read_text().replace('"value": 0.', '"value": 0.9', 1))
    shutil.copy(folder / "clay" / "method.json", folder / "exchanged" / "method.json")
    forge(folder / "raw")
    board = build_board(folder)
    check(board, "leaderboard", "board")
    assert board["scores"] == "claimed"
    assert "on trust" in board["said"]
    (table,) = board["tables"]
    assert [row["submission"] for row in table["rows"]] == ["raw", "clay"], "in the order of what they claim"
    for row in table["rows"]:
        assert (row["rank"], row["tied"], row["p"]) == (None, False, None)
        assert {cell["sign"] for cell in [row["all"], row["combinations"], *row["cells"]]} == {""}
    reasons = {one["submission"]: one["reason"] for one in board["excluded"]}
    assert set(reasons) == {"unscored", "altered", "exchanged"}
    assert "not scored yet" in reasons["unscored"]
    assert "changed" in reasons["altered"]
    assert "not the one that was scored" in reasons["exchanged"]
    html, text = render_html(board), render_markdown(board)
    for page, head in ((html, html.partition("<main>")[0]), (text, text.partition("\n## ")[0])):
        assert "Not verified." in head
        assert "Scores are taken on trust" in head
        assert "computed anew" not in page
        assert "leads" not in page
    assert "rank</button>" not in html
    assert 'class="first"' not in html
    assert "claimed mean of all" in html
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")}
    assert len(bars) == 1


def other_fingerprint(record: dict[str, Any]) -> None:
    record["fingerprint"] = "12" * 32


def no_means(record: dict[str, Any]) -> None:
    record["means"] = []


def no_queries(record: dict[str, Any]) -> None:
    record["per_query"] = []


def another_entity(record: dict[str, Any]) -> None:
    record["data"]["entities"]["another"] = {"images": 3, "conditions": ["x"]}


def another_split(record: dict[str, Any]) -> None:
    record["settings"]["split"] = "<b>"


def no_measures(record: dict[str, Any]) -> None:
    record["settings"]["measures"] = []


def more_settings(record: dict[str, Any]) -> None:
    record["settings"]["zzz"] = 1


def another_name(record: dict[str, Any]) -> None:
    record["method"]["name"] = "the best"


def never_told(record: dict[str, Any]) -> None:
    record["method"]["privileged"] = True


@pytest.mark.parametrize(
    "change",
    [
        *(other_fingerprint, no_means, no_queries, another_entity, another_split),
        *(no_measures, more_settings, another_name, never_told),
    ],
)
def test_a_claim_that_contradicts_itself_is_left_out(folder: Path, change: Change) -> None:
    forge(folder / "raw", change)
    board = build_board(folder)
    assert set(by_name(board)) == {"clay"}
    assert [one["submission"] for one in board["excluded"]] == ["raw"]
    assert json.loads(json.dumps(board)) == board
