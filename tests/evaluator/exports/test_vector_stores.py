"""Conditional vectors in LanceDB (embedded) and Qdrant (local mode): what their own clients find is what the index finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clay_eval.evaluator.exports.vector_stores import Records, write_lancedb, write_qdrant
from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition
from clay_eval.schemas.errors import InputError

IMAGES, WIDTH = 400, 24


@pytest.fixture(scope="module", params=["clay(fusion=sum)", "label-posterior"])
def index(request: pytest.FixtureRequest) -> ConditionalIndex:
    draw = np.random.default_rng(5)
    pictures = (3 * draw.standard_normal((IMAGES, WIDTH)) + 4).astype(np.float32)
    labels = {"color": [("red", "it's blue")[i % 2] for i in range(IMAGES)], "größe": ["x"] * IMAGES}
    index = ConditionalIndex(pictures, [f"p{i:03}" for i in range(IMAGES)], labels, method=request.param)
    for name in ("color", "time-of_day"):
        texts = draw.standard_normal((12, WIDTH)) + 2
        index.add(Condition(name, texts, [str(i % 3) for i in range(12)]))
    return index


def found_by(index: ConditionalIndex, key: str, condition: str) -> list[tuple[str, float]]:
    return [(one.key, one.similarity) for one in index.query(key, {condition: 1}, top=15)]


def same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [s for _, s in found] == pytest.approx([s for _, s in expected], abs=2e-6)


def test_lancedb_finds_what_the_index_finds(index: ConditionalIndex, tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    files = [f"a/{key}.png" for key in index.keys]
    assert write_lancedb(Records(index, files=files), tmp_path / "db", "cups") == IMAGES
    table = lancedb.connect(tmp_path / "db").open_table("cups")
    for condition in index.conditions:
        own = table.search().where("key = 'p007'").limit(1).to_list()[0][f"vector_{condition}"]
        hits = (
            table.search(np.asarray(own, np.float32), vector_column_name=f"vector_{condition}")
            .distance_type("dot")
            .where("key != 'p007'")
            .limit(15)
            .to_list()
        )
        same([(hit["key"], 1 - hit["_distance"]) for hit in hits], found_by(index, "p007", condition))
    assert (hits[0]["labels"]["color"], hits[0]["file"]) == (
        index.labels["color"][index.row(hits[0]["key"])],
        f"a/{hits[0]['key']}.png",
    )
    red = (
        table.search(own, vector_column_name="vector_time-of_day")
        .where("labels.color = 'red'")
        .limit(5)
        .to_list()
    )
    assert {hit["labels"]["color"] for hit in red} == {"red"}


def test_qdrant_finds_what_the_index_finds(index: ConditionalIndex, tmp_path: Path) -> None:
    qdrant = pytest.importorskip("qdrant_client")
    assert write_qdrant(Records(index), tmp_path / "q", "cups") == IMAGES
    client = qdrant.QdrantClient(path=str(tmp_path / "q"))
    models = qdrant.models
    for condition in index.conditions:
        hits = client.query_points(
            "cups", query=index.row("p007"), using=f"vector_{condition}", limit=15, with_payload=True
        ).points
        same([(hit.payload["key"], hit.score) for hit in hits], found_by(index, "p007", condition))
        vector = index.transform(condition, index.features[7])[0].tolist()
        first = client.query_points("cups", query=vector, using=f"vector_{condition}", limit=1).points[0]
        assert first.score >= hits[0].score
    blue = models.Filter(
        must=[models.FieldCondition(key="labels.color", match=models.MatchValue(value="it's blue"))]
    )
    hits = client.query_points("cups", query=3, using="vector_color", query_filter=blue, limit=5).points
    assert {hit.payload["labels"]["color"] for hit in hits} == {"it's blue"}
    client.close()


def test_vectors_that_are_left_as_they_are_answer_a_rewritten_query(
    index: ConditionalIndex, tmp_path: Path
) -> None:
    """(W z) . v / |W^T v|: an inner product with the encoder's own vectors, and one number a picture."""
    lancedb = pytest.importorskip("lancedb")
    if not index.is_one_product("color"):
        with pytest.raises(InputError, match="more than one product"):
            index.rewritten("color", "p007")
        return
    write_lancedb(Records(index, ["color"]), tmp_path / "db", "cups")
    table = lancedb.connect(tmp_path / "db").open_table("cups")
    hits = (
        table.search(index.rewritten("color", "p007"), vector_column_name="vector")
        .distance_type("dot")
        .where("key != 'p007'")
        .limit(IMAGES)
        .to_list()
    )
    scored = sorted(
        ((hit["key"], (1 - hit["_distance"]) / hit["length_color"]) for hit in hits), key=lambda x: -x[1]
    )
    same(scored[:15], found_by(index, "p007", "color"))
    units = index.features / np.linalg.norm(index.features, axis=1, keepdims=True)
    lengths = index.lengths("color")
    assert units @ index.rewritten("color", "p007") / lengths == pytest.approx(
        index.similarities("p007", {"color": 1}), abs=3e-6
    )


@pytest.mark.parametrize("write", [write_lancedb, write_qdrant])
def test_what_is_there_stays_unless_it_may_go(index: ConditionalIndex, tmp_path: Path, write: Any) -> None:
    pytest.importorskip("lancedb" if write is write_lancedb else "qdrant_client")
    write(Records(index, ["color"]), tmp_path / "db", "cups")
    with pytest.raises(InputError, match="of this name"):
        write(Records(index, ["color"]), tmp_path / "db", "cups")
    assert write(Records(index, ["color"]), tmp_path / "db", "cups", replace=True) == IMAGES
    write(Records(index, ["color"]), tmp_path / "db", "plates")
    with pytest.raises(InputError, match="no condition to export"):
        Records(ConditionalIndex(index.features, index.keys))
    with pytest.raises(InputError, match="no condition 'colour'"):
        Records(index, ["colour"])


def test_a_server_that_does_not_answer_is_said(index: ConditionalIndex) -> None:
    pytest.importorskip("qdrant_client")
    with pytest.raises(InputError, match="the Qdrant server"):
        write_qdrant(Records(index, ["color"]), "http://127.0.0.1:9", "cups")
