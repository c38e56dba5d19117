"""TREC files of strangers: what is read, and what is refused with file and line."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from clay_eval.evaluator.trec.files import Documents, Limits, read_qrels, read_run
from clay_eval.schemas.errors import InputError, IntegrityError

RUN = b"q1 Q0 a 1 0.5 mine\nq2 Q0 a 1 -3e-2 mine\n\nq1\tQ0\tb  7 +2.25 mine\r\n"
ZIPPED = gzip.compress(RUN, mtime=0)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.run", "a.run.gz"])
def test_a_run_is_read_query_by_query(tmp_path: Path, name: str) -> None:
    documents: Documents = {}
    run = read_run(written(tmp_path / name, RUN), documents)
    assert list(run.queries) == ["q1", "q2"]
    assert run.tag == "mine"
    assert documents == {b"a": 0, b"b": 1}
    np.testing.assert_array_equal(run.queries["q1"].documents, [0, 1])
    np.testing.assert_array_equal(run.queries["q1"].values, [0.5, 2.25])
    np.testing.assert_array_equal(run.queries["q2"].values, [-0.03])


@pytest.mark.parametrize("name", ["a.run", "a.run.gz"])
def test_byte_order_marks_are_no_part_of_a_name(tmp_path: Path, name: str) -> None:
    documents: Documents = {}
    mark = b"\xef\xbb\xbf"
    together = mark + b"q1 Q0 a 1 0.5 t\n" + mark + b"q1 Q0 b 2 0.4 t\n" + mark + b"q2 Q0 a 1 0.5 t\n"
    run = read_run(written(tmp_path / name, together), documents)
    qrels = read_qrels(written(tmp_path / f"q.{name}", mark + b"q1 0 b 1\n"), documents)
    assert (list(run.queries), list(qrels.queries), list(documents)) == (["q1", "q2"], ["q1"], [b"a", b"b"])
    np.testing.assert_array_equal(run.queries["q1"].documents, [0, 1])


@pytest.mark.parametrize("name", ["a.run", "a.run.gz"])
def test_comments_and_what_follows_a_tag_are_ignored(tmp_path: Path, name: str) -> None:
    mark, plain = b"\xef\xbb\xbf", read_run(written(tmp_path / f"plain.{name}", RUN), {})
    lines = RUN.splitlines()
    noted = b"\n".join(
        [mark + b"# made by hand", lines[0] + b" and more text", b"  # 1 2 3 4 5 6", *lines[1:-1], b"#"]
    )
    run = read_run(written(tmp_path / name, noted + b"\n" + lines[-1] + b"s\t(2nd try)\n"), {})
    assert list(run.queries) == list(plain.queries)
    for query, listed in plain.queries.items():
        np.testing.assert_array_equal(run.queries[query].documents, listed.documents)
        np.testing.assert_array_equal(run.queries[query].values, listed.values)
    assert (plain.tag, run.tag) == ("mine", "mines"), "the last line's, as trec_eval has it"
    commented = b"#q1 0 a 1\n# q1 0 a 1\n\t#\nq1 0 a#1 2\n"
    qrels = read_qrels(written(tmp_path / f"q.{name}", commented), documents := {})
    assert (list(qrels.queries), list(documents)) == (["q1"], [b"a#1"])
    with pytest.raises(InputError, match="lists nothing"):
        read_run(written(tmp_path / f"none.{name}", b"# q1 Q0 a 1 0.5 mine\n"), {})


def test_a_grade_is_the_last_of_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another number of columns"):
        read_qrels(written(tmp_path / "q.txt", b"q1 0 a 1 sure\n"), {})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("name", ["a.run", "a.run.gz"])
def test_wide_text_is_named(tmp_path: Path, encoding: str, name: str) -> None:
    path = written(tmp_path / name, RUN.decode().encode(encoding))
    with pytest.raises(InputError, match="not UTF-8 text") as caught:
        read_run(path, {})
    assert "UTF-16" in str(caught.value)
    assert "iconv" in str(caught.value)


def test_one_unicode_form_of_a_name(tmp_path: Path) -> None:
    documents: Documents = {}
    run = read_run(written(tmp_path / "a.run", "caf\u00e9 Q0 re\u0301d 1 0.5 t\n".encode()), documents)
    qrels = read_qrels(written(tmp_path / "q.txt", "cafe\u0301 0 r\u00e9d 1\n".encode()), documents)
    assert list(run.queries) == list(qrels.queries)
    assert len(documents) == 1
    latin = read_run(written(tmp_path / "b.run", b"q Q0 d\xe9 1 0.5 t\n"), {})
    assert list(latin.queries) == ["q"]


def test_qrels_share_the_documents(tmp_path: Path) -> None:
    documents: Documents = {}
    read_run(written(tmp_path / "a.run", RUN), documents)
    qrels = read_qrels(written(tmp_path / "q.txt", b"q1 0 c 2\nq1 0 b -1\nq3 x a 0"), documents)
    np.testing.assert_array_equal(qrels.queries["q1"].documents, [2, 1])
    np.testing.assert_array_equal(qrels.queries["q1"].values, [2, -1])
    np.testing.assert_array_equal(qrels.queries["q3"].documents, [0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"q1 Q0 c 1 0.5", ["number of columns", "6 columns: query Q0 document rank score tag", "5 columns"]),
        (b"q1 Q0 c d 1 0.5 tag", ["7 columns"]),
        (b"q1 Q0 c 2 1 0.5 tag", ["7 columns"]),
        (b"q 1 Q0 c 1 0.5 tag", ["7 columns"]),
        (b"q1 Q0 c 1 nan t", ["query q1, document c", "a finite number", "nan"]),
        (b"q1 Q0 c 1 -inf t", ["-inf"]),
        (b"q1 Q0 c 1 1e999 t", ["1e999"]),
        (b"q1 Q0 c 1 1_0 t", ["1_0"]),
        (b"q1 Q0 c 1 high t", ["score", "high"]),
        (b"q1 Q0 c 1 \xd9\xa3 t", ["score"]),
        (b"q1 Q0 b 9 0.1 t", ["twice under one query", "query q1, document b", "in line 4"]),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, said: list[str]) -> None:
    path = written(tmp_path / "a.run", RUN + line + b"\n")
    with pytest.raises(InputError) as caught:
        read_run(path, {})
    for text in [f"{path} line 5", *said]:
        assert text in str(caught.value)


@pytest.mark.parametrize("grade", [b"1.5", b"yes", b"99999", b"1001", b"", b"--1", b"+1"])
def test_a_grade_is_a_whole_number(tmp_path: Path, grade: bytes) -> None:
    path = written(tmp_path / "q.txt", b"q1 0 a 1\nq1 0 b " + grade + b"\n")
    with pytest.raises(InputError, match="line 2"):
        read_qrels(path, {})


def test_the_first_of_several_repetitions_is_named(tmp_path: Path) -> None:
    lines = [b"q1 0 a 1", b"q2 0 a 1", b"q2 0 b 1", b"q2 0 b 1", b"q1 0 a 1", b"q2 0 a 0"]
    with pytest.raises(InputError) as caught:
        read_qrels(written(tmp_path / "q.txt", b"\n".join(lines)), {})
    assert "line 4, query q2, document b" in str(caught.value)
    assert "in line 3" in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(line=18), "line is too long"),
        (Limits(total=60), "file is too large"),
        (Limits(lines=2), "file is too long"),
    ],
)
@pytest.mark.parametrize("name", ["a.run", "a.run.gz"])
def test_what_is_too_large_is_refused(tmp_path: Path, limits: Limits, said: str, name: str) -> None:
    path = written(tmp_path / name, RUN)
    with pytest.raises(InputError, match=said):
        read_run(path, {}, limits)
    assert read_run(path, {}, Limits(line=30, total=len(RUN), lines=4)).queries


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    one_line = written(tmp_path / "a.run.gz", b"\0" * (64 << 20))
    with pytest.raises(InputError, match="line is too long"):
        read_run(one_line, {})
    blank_lines = written(tmp_path / "b.run.gz", b"\n" * (4 << 20))
    with pytest.raises(InputError, match="file is too large"):
        read_run(blank_lines, {}, Limits(total=1 << 20))


@pytest.mark.parametrize("content", [ZIPPED[:-12], ZIPPED[:20], RUN, b"\x1f\x8b\x08"])
def test_a_damaged_gzip_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.run.gz"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="not a whole gzip file"):
        read_run(path, {})


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "not found"), (tmp_path, "folder")):
        with pytest.raises(InputError, match=said):
            read_run(path, {})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe.gz").symlink_to("pipe")
    for name in ("pipe", "pipe.gz"):
        with pytest.raises(InputError, match="named pipe"):
            read_run(tmp_path / name, {})
    with pytest.raises(InputError, match="lists nothing"):
        read_run(written(tmp_path / "empty", b"\n\n"), {})


def test_names_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "a.run", b"q\x1b[31m Q0 d\x07 1 nan t\n")
    with pytest.raises(InputError) as caught:
        read_run(path, {})
    assert str(caught.value).replace("\n", "").isprintable()
    with pytest.raises(InputError, match="not UTF-8"):
        read_run(written(tmp_path / "b.run", b"q\xff Q0 d 1 0.5 t\n"), {})
