"""The file for Embedding Atlas: the layout that its documentation asks for, with the index's own neighbours."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worlds import World

from clay_eval.evaluator.exports.atlas import write_atlas
from clay_eval.evaluator.exports.vector_stores import Records
from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition


@pytest.fixture(scope="module")
def index() -> ConditionalIndex:
    world = World(copies=30)
    labels = {**world.labelled.labels, "image": world.labelled.labels["color"]}
    found = ConditionalIndex(world.features, world.labelled.keys, labels, extras=world.extras)
    for name in ("color", "category"):
        texts = world.texts[name]
        found.add(Condition(name, texts.features, texts.values))
    return found


def test_pictures_labels_maps_and_neighbours(index: ConditionalIndex, tmp_path: Path) -> None:
    path = tmp_path / "new" / "things.parquet"
    assert write_atlas(Records(index), path, lambda row: f"picture {row}".encode()) == len(index)
    table = pq.read_table(path)
    near = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))])
    assert table.schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert table.schema.field("neighbors_color").type == near
    rows = table.to_pylist()
    assert [row["key"] for row in rows] == list(index.keys)
    assert rows[7]["image"] == {"bytes": b"picture 7", "path": index.keys[7]}
    assert [row["color"] for row in rows] == list(index.labels["color"])
    assert rows[3]["label_image"] == index.labels["image"][3], "a label does not hide a column"
    for name in ("color", "category"):
        assert all(0 <= row[f"projection_{axis}_{name}"] <= 1 for row in rows for axis in "xy")
        for place in (0, 5, 300):
            said = rows[place][f"neighbors_{name}"]
            found = index.query(index.keys[place], {name: 1}, top=10)
            assert said["ids"] == [one.row for one in found]
            assert said["distances"] == pytest.approx([1 - one.similarity for one in found], abs=1e-5)


def test_without_pictures_there_is_no_column_of_them(index: ConditionalIndex, tmp_path: Path) -> None:
    path = tmp_path / "things.parquet"
    write_atlas(Records(index, ["color"]), path)
    names = pq.read_schema(path).names
    assert "image" not in names
    assert {"key", "projection_x_color", "projection_y_color", "neighbors_color"} <= set(names)
    assert "neighbors_category" not in names
