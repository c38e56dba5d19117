"""Submissions that are wrong, forged or malicious are refused with the reason, and nothing is written."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from submission_world import Pictures

from clay_eval.evaluator.submissions import embeddings
from clay_eval.evaluator.submissions.pack import Form
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.fingerprint import file_sha256

Change = Callable[[dict[str, Any]], None]
Tensors = dict[str, np.ndarray[Any, Any]]


def rewrite(folder: Path, change: Change) -> None:
    """method.json with a change, and without a seal, as a stranger's tool may write it."""
    record = json.loads((folder / "method.json").read_text())
    record.pop("seal", None)
    change(record)
    (folder / "method.json").write_text(json.dumps(record))


def replace_file(folder: Path, write: Callable[[Path], None], place: int = 0) -> Path:
    """Another first part, with its sha256 in method.json."""

    def change(record: dict[str, Any]) -> None:
        part = record["parts"][place]
        write(folder / part["file"])
        part["sha256"] = file_sha256(folder / part["file"])

    rewrite(folder, change)
    return folder


def tensors(folder: Path, change: Callable[[Tensors], None]) -> Path:
    """Another first part of changed tensors, as the safetensors library writes it."""

    def write(path: Path) -> None:
        found = load_file(path)
        change(found)
        save_file({name: np.ascontiguousarray(value) for name, value in found.items()}, path)

    return replace_file(folder, write)


def refused(
    folder: Path, match: str, kind: type[ClayEvalError] = InputError, source: Any = None, **options: Any
) -> str:
    from clay_eval.evaluator.submissions.record import score_submission

    with pytest.raises(kind, match=match) as caught:
        score_submission(folder, source or Pictures(), **options)
    assert not (folder / "score.json").exists()
    message = str(caught.value)
    assert all(c.isprintable() or c == "\n" for c in message)
    return message


def test_what_the_library_writes_is_taken(clay_copy: Path, score: Callable[..., Any]) -> None:
    before = score(clay_copy)["results"]
    tensors(clay_copy, lambda found: None)
    assert score(clay_copy)["results"] == before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda r: r["data"].update(fingerprint="0" * 64), "for other data"),
        (lambda r: r["parts"].pop(0), "a set of conditions is missing"),
        (lambda r: r["parts"].append(r["parts"][0]), "two parts are of the same"),
        (lambda r: r["parts"][0].update(seed=7), "a set of conditions is missing"),
        (lambda r: r["parts"][0].update(entity="none"), "no such entity"),
        (lambda r: r["parts"][0].update(conditions=["age"]), "no such condition"),
        (lambda r: r["parts"][0].update(file="../../etc/passwd"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="/etc/passwd.safetensors"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="parts/../x.safetensors"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="parts\\x.safetensors"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="parts/x.safetensors\n"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="x.run"), "not the name of a file"),
        (lambda r: r["parts"][0].update(file="x.pkl"), "pickled"),
        (lambda r: r["parts"][0].update(file="x.PT"), "pickled"),
        (lambda r: r["parts"][0].update(file="nowhere.safetensors"), "is missing"),
        (lambda r: r["parts"][0].update(sha256="0" * 64), "not the file that method.json"),
        (lambda r: r["claimed"][3].update(value=r["claimed"][3]["value"] - 2e-4), "does not come out again"),
        (lambda r: r["claimed"][3].update(value=None), "does not come out again"),
        (lambda r: r["claimed"][3].update(metric="P@1"), "does not come out again"),
        (lambda r: r["left_out"].append({**_set(r), "reason": "hard"}), "both there and left out"),
        (lambda r: r["settings"].update(measures=["AP", "mAP"]), "unknown measure"),
        (lambda r: r["settings"].update(bootstrap_draws=10**12), "not a valid submission"),
        (lambda r: r["settings"].update(seeds=[0, 0]), "not a valid submission"),
        (lambda r: r["settings"].update(split="given"), "a split that was given"),
        (lambda r: r.update(schema="clay-eval/submission/9"), "not a valid submission"),
        (lambda r: r.update(code="javascript:alert(1)"), "not a valid submission"),
        (lambda r: r.pop("similarity"), "not a valid submission"),
        (lambda r: r.update(name=" "), "not a valid submission"),
        (lambda r: r.update(extra=1), "not a valid submission"),
    ],
)
def test_a_wrong_method_json(clay_copy: Path, change: Change, match: str) -> None:
    rewrite(clay_copy, change)
    refused(clay_copy, match, ClayEvalError)


def _set(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record["parts"][0][name] for name in ("entity", "conditions")}


@pytest.mark.parametrize("off", [0.0, 5e-5, -9e-5])
def test_claims_within_the_tolerance_are_taken(
    clay_copy: Path, score: Callable[..., Any], off: float
) -> None:
    rewrite(clay_copy, lambda r: r["claimed"][3].update(value=r["claimed"][3]["value"] + off))
    assert score(clay_copy)["results"]


def test_the_claim_that_is_farthest_off_is_named(clay_copy: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["claimed"][3]["value"] += 0.01
        record["claimed"][6]["value"] += 0.2

    rewrite(clay_copy, change)
    assert "claimed[6]" in refused(clay_copy, "does not come out again")


def test_a_broken_seal(clay_copy: Path) -> None:
    path = clay_copy / "method.json"
    path.write_text(path.read_text().replace('"a method"', '"another"'))
    refused(clay_copy, "changed after it was sealed", IntegrityError)


def _nan(found: Tensors) -> None:
    found["database"][3, 0] = np.nan


def _inf(found: Tensors) -> None:
    found["queries"][0, 0] = np.inf


def _keys(found: Tensors, name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = change(found[name].tobytes().split(b"\n"))
    found[name] = np.frombuffer(b"\n".join(lines), np.uint8)


def _wider(found: Tensors) -> None:
    found["queries"] = np.ones((len(found["queries"]), 99), np.float32)


def _short(found: Tensors, name: str, keys: str) -> None:
    found[name] = found[name][1:]
    _keys(found, keys, lambda lines: lines[1:])


def _swap(found: Tensors) -> None:
    found["query_keys"], found["database_keys"] = found["database_keys"], found["query_keys"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_nan, "not a finite number"),
        (_inf, "not a finite number"),
        (_wider, "different widths"),
        (_swap, "not one key a row"),
        (lambda f: _short(f, "queries", "query_keys"), "queries are missing"),
        (lambda f: _short(f, "database", "database_keys"), "database images are missing"),
        (lambda f: _keys(f, "database_keys", lambda k: [k[1], *k[1:]]), "stands twice in database_keys"),
        (lambda f: _keys(f, "query_keys", lambda k: [k[1], *k[1:]]), "stands twice in query_keys"),
        (
            lambda f: _keys(f, "query_keys", lambda k: [b"\\u001b[31m", *k[1:]]),
            "a picture that the data do not have",
        ),
        (
            lambda f: _keys(f, "query_keys", lambda k: [b"\\ud800", *k[1:]]),
            "a picture that the data do not have",
        ),
        (lambda f: _keys(f, "query_keys", lambda k: [b"\xff\xfe", *k[1:]]), "cannot be read"),
        (lambda f: _keys(f, "query_keys", lambda k: [b'a", "b', *k[1:]]), "cannot be read"),
        (lambda f: f.update(database=f["database"].astype(np.float64)), "not a whole safetensors"),
        (lambda f: f.update(database=f["database"].astype(np.int32)), "not a whole safetensors"),
        (lambda f: f.update(database=f["database"][:, :0]), "not a table of embeddings"),
        (lambda f: f.update(database=f["database"].ravel()), "not a table of embeddings"),
        (lambda f: f.update(database=np.ones((500, 3), np.float32)), "not a table of embeddings"),
        (lambda f: f.update(database_keys=np.full(10**6, 65, np.uint8)), "not a list of keys"),
        (lambda f: f.update(other=np.ones(3, np.float32)), "not the tensors of a part"),
        (lambda f: f.pop("query_keys"), "rows without keys"),
        (lambda f: f.pop("database"), "not the tensors of a part"),
    ],
)
def test_wrong_embeddings(clay_copy: Path, change: Callable[[Tensors], None], match: str) -> None:
    refused(tensors(clay_copy, change), match)


HEADER = (
    '{"database":{"dtype":"F32","shape":[%s,4],"data_offsets":[0,%s]},'
    '"database_keys":{"dtype":"U8","shape":[1],"data_offsets":[%s,%s]}}'
)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04\x95",
        pickle.dumps({"database": [1, 2, 3]}),
        (2**63).to_bytes(8, "little") + b"{}",
        (10).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        (4).to_bytes(8, "little") + b"null",
        *(
            len(text).to_bytes(8, "little") + text.encode() + b"\0" * 40
            for text in (
                HEADER % (2**60, 2**62, 2**62, 2**62 + 1),
                HEADER % (2, 32, 32, 34),
                HEADER % (2, 32, 31, 32),
                HEADER % (-2, -32, 0, 1),
                HEADER % ("true", 16, 16, 17),
                '{"database":1,"database_keys":2}',
                '{"database":{"dtype":["F32"],"shape":[1,1],"data_offsets":[0,4]},"database_keys":{}}',
            )
        ),
    ],
)
def test_files_that_are_no_safetensors(clay_copy: Path, data: bytes) -> None:
    replace_file(clay_copy, lambda path: path.write_bytes(data) and None)
    refused(clay_copy, ".", ClayEvalError)


def test_a_size_is_refused_before_anything_is_read(clay_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(path: Path) -> None:
        with path.open("r+b") as stream:
            stream.truncate(1 << 40)

    monkeypatch.setattr(f"{__name__}.file_sha256", lambda path: "0" * 64)
    replace_file(clay_copy, grow)
    refused(clay_copy, "larger than anything that the data can need")


def test_links_folders_and_pipes_are_not_read(clay_copy: Path, tmp_path: Path) -> None:
    first = json.loads((clay_copy / "method.json").read_text())["parts"][0]["file"]
    path = clay_copy / first
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    refused(clay_copy, "links are not followed")
    path.unlink()
    os.mkfifo(path)
    refused(clay_copy, "not a regular file")
    path.unlink()
    path.mkdir()
    refused(clay_copy, "not a regular file")
    (clay_copy / "parts").rename(tmp_path / "parts")
    (clay_copy / "parts").symlink_to(tmp_path / "parts")
    refused(clay_copy, "links are not followed")


def test_method_json_that_is_none(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "a submission is a folder")
    refused(tmp_path, "is missing")
    (tmp_path / "method.json").write_text("{")
    refused(tmp_path, "not valid JSON")


def test_parts_for_all(clay_copy: Path, score: Callable[..., Any]) -> None:
    rewrite(clay_copy, lambda r: r["parts"][0].update(seed=None, group=None))
    assert score(clay_copy)["results"]


def test_cosines_have_no_lengths(clay_copy: Path, score: Callable[..., Any]) -> None:
    before = score(clay_copy)["results"]
    (clay_copy / "score.json").unlink()

    def longer(found: Tensors) -> None:
        found["database"] *= np.arange(1, len(found["database"]) + 1, dtype=np.float32)[:, None]

    tensors(clay_copy, longer)
    refused(clay_copy, "does not come out again")
    rewrite(clay_copy, lambda r: r.update(similarity="cosine"))
    for row, other in zip(score(clay_copy)["results"], before, strict=True):
        assert row["value"] == pytest.approx(other["value"], abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_no_flipped_byte_passes(clay_copy: Path, seed: int) -> None:
    generator = random.Random(seed)
    files = [clay_copy / "method.json", *sorted((clay_copy / "parts").rglob("*.safetensors"))]
    for _ in range(8):
        path = generator.choice(files)
        before = path.read_bytes()
        at = generator.randrange(len(before))
        path.write_bytes(before[:at] + bytes([before[at] ^ (1 << generator.randrange(8))]) + before[at + 1 :])
        refused(clay_copy, ".", ClayEvalError)
        path.write_bytes(before[:at])
        refused(clay_copy, ".", ClayEvalError)
        path.write_bytes(before)


@pytest.fixture
def run_copy(submit: Callable[..., Path]) -> Path:
    """A submission of runs, without claims."""
    folder = submit("raw", Form("runs", compress=False))
    rewrite(folder, lambda r: r.pop("claimed"))
    return folder


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    return lambda path: path.write_text("".join(change(path.read_text().splitlines(keepends=True)))) and None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: f[1:], "database images are missing"),
        (lambda f: [f[0], *f], "stands twice"),
        (lambda f: [line for line in f if line.split()[0] != f[0].split()[0]], "queries are missing"),
        (lambda f: [f[0].replace("object", "other"), *f[1:]], "what is no query|not in the database"),
        (lambda f: ["object-001 Q0 evil 1 0.5 t\n", *f[1:]], "not in the database"),
        (lambda f: ["object-999 Q0 object-001 1 0.5 t\n", *f[1:]], "what is no query|not in the database"),
        (lambda f: [" ".join([*f[0].split()[:4], "nan", "t"]) + "\n", *f[1:]], "no number one can rank by"),
        (lambda f: ["1 2 3\n"], "another number of columns"),
        (lambda f: f * 3, "too long"),
        (lambda f: [], "lists nothing"),
        (lambda f: ["x" * 10**6], "too long"),
    ],
)
def test_wrong_runs(run_copy: Path, change: Callable[[list[str]], list[str]], match: str) -> None:
    replace_file(run_copy, lines(change))
    refused(run_copy, match)


def test_a_bomb_is_not_unpacked(submit: Callable[..., Path]) -> None:
    folder = submit("raw", Form("runs"))
    line = b"object-001 Q0 object-002 1 0.5 t\n"
    replace_file(folder, lambda path: path.write_bytes(gzip.compress(line * 10**6)) and None)
    refused(folder, "too long|too large")


def test_what_files_may_hold_follows_from_the_data(clay_folder: Path) -> None:
    keys = Pictures().entities["object"].keys
    assert all(p.stat().st_size < embeddings.most_bytes(keys) for p in clay_folder.rglob("*.safetensors"))
    assert embeddings.most_bytes(keys) < 2 * (len(keys) * 4 * 65536 + 100 * len(keys)) + 100_000


def test_products_beyond_all_numbers_are_refused(clay_copy: Path) -> None:
    def huge(found: Tensors) -> None:
        found["database"][2] = 3e38

    refused(tensors(clay_copy, huge), "products are beyond float32")
    wide = np.full(embeddings.MOST_WIDTH, embeddings.MOST_NUMBER, np.float32)
    assert np.isfinite(wide @ wide)
