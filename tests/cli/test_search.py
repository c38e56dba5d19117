"""clay-eval search, and the export of conditional vectors: over a run, a folder without labels, and given vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clay_eval.schemas.texts import load_texts

Cli = Callable[..., Any]


@pytest.fixture
def photographs(
    drawn: list[tuple[str, str, Image.Image]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """48 pictures without labels in two folders, one that is none, and a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photographs"
    for number, (color, _, image) in enumerate(drawn):
        (folder / color).mkdir(parents=True, exist_ok=True)
        image.save(folder / color / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"none")
    return folder


def found(outcome: Any) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    record: dict[str, Any] = json.loads(outcome.out)
    return record


def test_a_run_is_searched_by_the_texts_of_its_conditions(cli: Cli, a_run: Path, tiny_encoder: Path) -> None:
    first = found(
        cli("search", "--out", a_run, "--encoder", tiny_encoder, "--entity", "demo-object", "--query",
            key_of(a_run), "--condition", "color=2", "--condition", "category", "--top", 4, "--json")
    )  # fmt: skip
    assert first["conditions"] == {"color": 2.0, "category": 1.0}
    assert first["method"] == "clay(fusion=sum)"
    neighbours = first["neighbours"]
    assert len(neighbours) == 4
    assert [one["similarity"] for one in neighbours] == sorted(
        (one["similarity"] for one in neighbours), reverse=True
    )
    assert key_of(a_run) not in [one["key"] for one in neighbours]
    assert set(neighbours[0]["labels"]) == {"category", "subcategory", "color"}
    assert Path(neighbours[0]["path"]).is_file()
    assert 0 < neighbours[0]["likely"]["color"]["chance"] <= 1
    several = cli(
        "search", "--out", a_run, "--encoder", tiny_encoder, "--query", "nothing", "--condition", "color"
    )
    assert (several.code, "several entities" in several.err) == (2, True)


def key_of(run: Path) -> str:
    lines = (run / "plan" / "plan.jsonl").read_text().splitlines()
    return next(
        str(key) for key in (json.loads(line)["key"] for line in lines) if str(key).startswith("demo-object")
    )


def test_pictures_without_labels_are_embedded_once_and_found_by_words(
    cli: Cli, photographs: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    options = (
        "--data",
        photographs,
        "--encoder",
        tiny_encoder,
        "--condition",
        "color: red, green, blue",
        "--top",
        3,
    )
    query = photographs / "red" / "00.png"
    first = cli("search", *options, "--query", query, "--save-texts", tmp_path / "texts.json")
    assert first.code == 0, first.err
    assert "red-00" not in first.out
    assert len(first.out.splitlines()) == 3
    assert all(str(photographs) in line for line in first.out.splitlines())
    assert "broken.png" in first.err
    assert load_texts(tmp_path / "texts.json").conditions["color"][0].value == "red"
    again = cli("search", *options, "--query", "red-00")
    assert again.out == first.out
    other = tmp_path / "other.png"
    Image.open(query).resize((70, 70)).save(other)
    outside = found(cli("search", *options, "--query", other, "--json"))
    assert len(outside["neighbours"]) == 3
    assert outside["neighbours"][0]["labels"] == {}
    kept = found(
        cli("search", "--data", photographs, "--encoder", tiny_encoder, "--texts", tmp_path / "texts.json",
            "--condition", "color", "--query", "red-00", "--top", 3, "--json")
    )  # fmt: skip
    assert [one["key"] for one in kept["neighbours"]] == [line.split()[1] for line in first.out.splitlines()]


def test_given_vectors_say_which_texts_they_lack(cli: Cli, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    vectors, texts, listed = tmp_path / "images.npy", tmp_path / "texts.npy", tmp_path / "needed.txt"
    np.save(vectors, draw.standard_normal((30, 8)).astype(np.float32))
    vectors.with_suffix(".keys.txt").write_text("".join(f"k{i}\n" for i in range(30)))
    asked = ("search", "--features", vectors, "--out", tmp_path / "kept", "--condition", "color: red, blue=2")
    lacking = cli(*asked, "--query", "k3")
    assert lacking.code == 2
    assert "no features of 2 texts" in lacking.err
    assert "--write-texts" in lacking.err
    assert cli(*asked, "--write-texts", listed).code == 0
    assert listed.read_text() == "a photo of red\na photo of blue\n"
    np.save(texts, draw.standard_normal((2, 8)).astype(np.float32))
    texts.with_suffix(".keys.txt").write_text(listed.read_text())
    record = found(cli(*asked, "--query", "k3", "--text-features", texts, "--top", 2, "--json"))
    assert record["neighbours"][0]["path"] is None
    wrong = cli(*asked, "--query", "k33", "--text-features", texts)
    assert (wrong.code, "did you mean 'k3'" in wrong.err) == (2, True)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("color=", "cannot read this weight"),
        ("color=-2", "cannot read this weight"),
        ("color=nan", "cannot read this weight"),
        ("color: red", "single value"),
        ("mood", "nothing says what 'mood' is"),
        ("7", "not a condition's name"),
    ],
)
def test_what_cannot_be_asked(
    cli: Cli, a_run: Path, tiny_encoder: Path, condition: str, message: str
) -> None:
    outcome = cli("search", "--out", a_run, "--encoder", tiny_encoder, "--entity", "demo-object",
                  "--query", "x", "--condition", condition)  # fmt: skip
    assert outcome.code == 2
    assert message in outcome.err


def test_conditional_vectors_are_exported_with_keys_and_labels(
    cli: Cli, a_run: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    lancedb, qdrant = pytest.importorskip("lancedb"), pytest.importorskip("qdrant_client")
    options = ("export", "--out", a_run, "--encoder", tiny_encoder, "--entity", "demo-object", "--to", tmp_path,
               "--condition", "color", "--condition", "category", "--format", "lancedb", "--format", "qdrant")  # fmt: skip
    record = found(cli(*options, "--json"))
    assert set(record["files"]) == {"lancedb", "qdrant"}
    key = key_of(a_run)
    expected = found(
        cli("search", "--out", a_run, "--encoder", tiny_encoder, "--entity", "demo-object", "--query", key,
            "--condition", "color", "--top", 5, "--json")
    )["neighbours"]  # fmt: skip
    table = lancedb.connect(tmp_path / "lancedb").open_table("demo-object")
    own = table.search().where(f"key = '{key}'").to_list()[0]["vector_color"]
    hits = (
        table.search(own, vector_column_name="vector_color")
        .distance_type("dot")
        .where(f"key != '{key}'")
        .limit(5)
    )
    assert [hit["key"] for hit in hits.to_list()] == [one["key"] for one in expected]
    client = qdrant.QdrantClient(path=str(tmp_path / "qdrant"))
    points = client.query_points("demo-object", query=own, using="vector_color", limit=6).points
    assert [point.payload["key"] for point in points if point.payload["key"] != key] == [
        one["key"] for one in expected
    ]
    assert points[1].payload["labels"] == expected[0]["labels"]
    client.close()
    again = cli(*options)
    assert (again.code, "--replace" in again.err) == (2, True)
    assert cli(*options, "--replace").code == 0
    bare = cli("export", "--out", a_run, "--encoder", tiny_encoder, "--format", "lancedb")
    assert (bare.code, "--condition" in bare.err) == (2, True)
