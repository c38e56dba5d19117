"""Runs and qrels: what is written reads back as the same ranking, for us and for trec_eval."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from clay_eval.evaluator.scoring import retrieval_scores
from clay_eval.evaluator.scoring.measures import parse_measures
from clay_eval.evaluator.trec.files import Documents, read_qrels, read_run
from clay_eval.evaluator.trec.scores import score_run
from clay_eval.evaluator.trec.writing import (
    Ranking,
    export_rankings,
    safe_name,
    score_blocks,
    write_qrels,
    write_run,
)
from clay_eval.schemas.errors import InputError

MEASURES = parse_measures(["AP", "P@5", "nDCG", "Rprec"])
QUERIES, DATABASE = [f"q{i}" for i in range(9)], [f"d{i:02d}" for i in range(40)]


def spaces(seed: int, own: bool = False) -> tuple[Any, Any, Any, Any]:
    """Unit rows of few different values, so that scores tie, with codes of queries and database."""
    generator = np.random.default_rng(seed)
    database = generator.integers(-1, 2, (40, 4)).astype(np.float32) + np.float32(0.1)
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    codes = generator.integers(0, 4, 40)
    if own:
        return database[:9], database, codes[:9], codes
    queries = generator.normal(size=(9, 4)).astype(np.float32)
    return (
        queries / np.linalg.norm(queries, axis=1, keepdims=True),
        database,
        generator.integers(0, 4, 9),
        codes,
    )


@pytest.mark.parametrize("own", [None, np.array([*range(8), -1])])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_ranking_reads_back_with_the_same_measures(tmp_path: Path, own: Any, ending: str) -> None:
    queries, database, query_codes, codes = spaces(1, own is not None)
    qrels, run = tmp_path / f"qrels.txt{ending}", tmp_path / f"a.run{ending}"
    pairs = write_qrels(qrels, QUERIES, DATABASE, query_codes, codes, own=own)
    blocks = score_blocks([(queries, database)])
    lines = write_run(run, QUERIES, DATABASE, blocks, tag="my method", depth=0, own=own)
    left_out = 0 if own is None else 8
    assert lines == 9 * 40 - left_out
    assert pairs == (query_codes[:, None] == codes).sum() - left_out
    documents: Documents = {}
    read = read_run(run, documents)
    assert read.tag == "my%20method"
    scores = score_run(read, read_qrels(qrels, documents), MEASURES)
    expected = retrieval_scores([(queries, database)], query_codes, codes, MEASURES, own=own)
    for name, values in scores.values.items():
        kept = ~np.isnan(expected[name])
        assert scores.queries == tuple(q for q, k in zip(QUERIES, kept, strict=True) if k)
        np.testing.assert_allclose(values, expected[name][kept], atol=1e-12)


def test_trec_eval_reads_them(tmp_path: Path) -> None:
    scores = np.random.default_rng(2).permutation(9 * 40).reshape(9, 40).astype(np.float32) / 7 - 20
    _, _, query_codes, codes = spaces(2)
    write_qrels(tmp_path / "q", QUERIES, DATABASE, query_codes, codes)
    write_run(tmp_path / "r", QUERIES, DATABASE, [scores[:5], scores[5:]], tag="t", depth=0)
    with (tmp_path / "q").open() as q, (tmp_path / "r").open() as r:
        found = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(q), {"map"}).evaluate(
            pytrec_eval.parse_run(r)
        )
    documents: Documents = {}
    run, qrels = read_run(tmp_path / "r", documents), read_qrels(tmp_path / "q", documents)
    ours = score_run(run, qrels, MEASURES)
    for query, value in zip(ours.queries, ours.values["AP"], strict=True):
        assert value == pytest.approx(found[query]["map"], abs=1e-12)


def lines_of(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


def test_order_is_by_score_then_key_and_ranks_count_from_one(tmp_path: Path) -> None:
    scores = np.array([[0.5, -1, 0.5, 2]], np.float32)
    write_run(tmp_path / "r", ["q"], ["z", "y", "a", "b"], [scores], tag="t")
    assert lines_of(tmp_path / "r") == [
        ["q", "Q0", "b", "1", "2.0", "t"],
        ["q", "Q0", "a", "2", "0.5", "t"],
        ["q", "Q0", "z", "3", "0.5", "t"],
        ["q", "Q0", "y", "4", "-1.0", "t"],
    ]


@given(st.integers(0, 25), st.integers(0, 10), st.integers(-1, 19))
@settings(max_examples=60, deadline=None)
def test_depth_keeps_the_head_of_the_whole_run(
    tmp_path_factory: pytest.TempPathFactory, depth: int, seed: int, own: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    scores = np.random.default_rng(seed).integers(0, 6, (1, 20)).astype(np.float32)
    keys = [f"k{i * 7 % 20:02d}" for i in range(20)]
    write_run(folder / "all", ["q"], keys, [scores], tag="t", depth=0, own=[own])
    write_run(folder / "head", ["q"], keys, [scores], tag="t", depth=depth, own=[own])
    whole = lines_of(folder / "all")
    expected = sorted((-scores[0, i], keys[i]) for i in range(20) if i != own)
    assert [line[2] for line in whole] == [key for _, key in expected]
    assert lines_of(folder / "head") == (whole[:depth] if depth else whole)


def test_scores_keep_every_bit(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    for kind in (np.float32, np.float64):
        scores = np.tanh(generator.normal(size=(4, 300))).astype(kind)
        scores[0, :3] = [1e-30, np.nextafter(kind(0.5), kind(1)), 0.5]
        keys = [f"d{i:03d}" for i in range(300)]
        write_run(tmp_path / "r", ["a", "b", "c", "d"], keys, [scores], tag="t", depth=0)
        for query, _, document, _, score, _ in lines_of(tmp_path / "r"):
            assert kind(score) == scores["abcd".index(query), int(document[1:])]


def test_blanks_in_names_do_not_break_columns(tmp_path: Path) -> None:
    keys = ["a b", "a%20b", "tab\tnew\nline", "ü\u2003ß"]
    write_run(tmp_path / "r", ["my query"], keys, [np.zeros((1, 4), np.float32)], tag="t u")
    write_qrels(tmp_path / "q", ["my query"], keys, [1], [1, 1, 0, 0])
    found = lines_of(tmp_path / "r")
    assert {line[0] for line in found} == {"my%20query"}
    assert {line[2] for line in found} == {"a%20b", "a%2520b", "tab%09new%0Aline", "ü%E2%80%83ß"}
    assert [line[2] for line in lines_of(tmp_path / "q")] == ["a%20b", "a%2520b"]


def test_names_that_look_like_comments_come_back(tmp_path: Path) -> None:
    keys, documents = ["#1", "a#1", "%231"], {}
    write_run(tmp_path / "r", keys, keys, [np.eye(3, dtype=np.float32)], tag="# mine")
    write_qrels(tmp_path / "q", keys, keys, [0, 1, 2], [0, 1, 2])
    scores = score_run(
        read_run(tmp_path / "r", documents), read_qrels(tmp_path / "q", documents), parse_measures(["AP"])
    )
    assert scores.queries == ("%231", "a#1", "%25231")
    assert (scores.values["AP"] == 1).all()


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([np.zeros((2, 3), np.float32)], "2 rows of 4 scores"),
        ([np.zeros((1, 4), np.float32)], "1 rows"),
        ([np.zeros((2, 4)), np.zeros((1, 4))], "do not fit"),
        ([np.zeros((1, 4)), np.full((1, 4), np.nan)], "row 1, column 0"),
        ([np.full((2, 4), np.inf)], "finite"),
    ],
)
def test_scores_that_do_not_fit_leave_no_file(tmp_path: Path, blocks: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        write_run(tmp_path / "r", ["a", "b"], list("wxyz"), blocks, tag="t")
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_keys_must_differ(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="different"):
        write_run(tmp_path / "r", ["a", "a"], ["x"], [np.zeros((2, 1))], tag="t")
    with pytest.raises(InputError, match="different"):
        write_qrels(tmp_path / "q", ["a"], ["x", ""], [0], [0, 0])


def test_safe_names_are_different_files() -> None:
    for name in ("clay(fusion=sum, n_components=30)", "a/b", "a:b", "..", ".hidden", "é", "x" * 300, "CON "):
        made = safe_name(name)
        assert made == Path(made).name
        assert made not in ("", ".", "..")
        assert not made.startswith(".")
        assert len(made) < 120
    assert len({safe_name(name) for name in ("a/b", "a:b", "a_b", "x" * 300, "x" * 301)}) == 5
    assert safe_name("clay-values") == "clay-values"


def rankings(count: list[int]) -> Iterator[Ranking]:
    queries, database, query_codes, codes = spaces(4)
    for method in ("raw", "clay(fusion=sum)"):
        for group in (None, "category=shoes & bags"):
            count.append(1)
            yield Ranking(
                "things", method, ("color", "shape"), group, 7, QUERIES, DATABASE, query_codes, codes, None,
                lambda: score_blocks([(queries, database)]),
            )  # fmt: skip


@pytest.mark.parametrize("compress", [False, True])
def test_an_export_is_a_folder_with_an_index(tmp_path: Path, compress: bool) -> None:
    done: list[int] = []
    index = export_rankings(
        rankings([]), tmp_path, fingerprint="f" * 64, depth=5, compress=compress, progress=done.append
    )
    assert done == [1, 1, 1, 1]
    assert json.loads((tmp_path / "index.json").read_text()) == index
    assert (index["report"], index["depth"]) == ("f" * 64, 5)
    assert [(r["method"], r["group"], r["seed"]) for r in index["runs"]][1] == (
        "raw",
        "category=shoes & bags",
        7,
    )
    assert index["runs"][0]["qrels"] == index["runs"][2]["qrels"]
    assert len({r["run"] for r in index["runs"]}) == 4
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"index.json", *(r[what] for r in index["runs"] for what in ("run", "qrels"))}
    for run in index["runs"]:
        content = (tmp_path / run["run"]).read_bytes()
        text = gzip.decompress(content) if compress else content
        assert text.count(b"\n") == 9 * 5
    before = {name: (tmp_path / name).read_bytes() for name in files}
    export_rankings(rankings([]), tmp_path, fingerprint="f" * 64, depth=5, compress=compress)
    assert {name: (tmp_path / name).read_bytes() for name in files} == before


def test_blocks_of_scores_join_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    from clay_eval.evaluator.trec import writing as trec

    queries, database, _, _ = spaces(5)
    whole = queries @ database.T
    monkeypatch.setattr(trec, "_BLOCK", 100)
    blocks = list(score_blocks([(queries, database)]))
    assert [len(block) for block in blocks] == [2, 2, 2, 2, 1]
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)
    twice = score_blocks([(queries, database), (queries, database)], lambda parts: parts[0] - 2 * parts[1])
    np.testing.assert_allclose(np.concatenate(list(twice)), -whole, atol=1e-6)
