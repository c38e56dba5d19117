"""The folder for FiftyOne: its serialised layout, read back as its importer reads it."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import World

from clay_eval.evaluator.exports.fiftyone import field_names, write_fiftyone
from clay_eval.evaluator.exports.vector_stores import Records
from clay_eval.evaluator.index.conditional_index import ConditionalIndex
from clay_eval.evaluator.index.conditions import Condition
from clay_eval.schemas.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def records() -> Records:
    world = World(copies=25)
    labels = {**world.labelled.labels, "tags": world.labelled.labels["color"], "the colour!": ['"<&'] * 300}
    found = ConditionalIndex(world.features, world.labelled.keys, labels, extras=world.extras)
    found.add(Condition("color", world.texts["color"].features, world.texts["color"].values))
    return Records(found)


def vector(value: dict[str, Any]) -> np.ndarray:
    """An array in extended JSON, as `fiftyone.core.utils.deserialize_numpy_array` reads it."""
    assert set(value) == {"$binary"}
    assert value["$binary"]["subType"] == "00"
    data = zlib.decompress(base64.b64decode(value["$binary"]["base64"]))
    found: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    return found


def test_samples_with_label_fields_and_vectors(records: Records, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "things.fiftyone"
    assert write_fiftyone(records, folder, lambda row: PNG + str(row).encode()) == 300
    metadata = json.loads((folder / "metadata.json").read_text())
    assert "version" not in metadata, "FiftyOne then reads sample by sample"
    samples = json.loads((folder / "samples.json").read_text())["samples"]
    assert [sample["key"] for sample in samples] == list(records.index.keys)
    for row, sample in enumerate(samples):
        assert (folder / sample["filepath"]).read_bytes() == PNG + str(row).encode()
        assert not Path(sample["filepath"]).is_absolute()
        assert sample["color"] == {"_cls": "Classification", "label": records.index.labels["color"][row]}
        assert sample["tags"] == []
        assert sample["label_tags"]["label"] == records.index.labels["tags"][row]
        assert sample["the_colour"]["label"] == '"<&'
    np.testing.assert_array_equal(vector(samples[290]["vector_color"]), records.index.vectors("color")[290])
    assert np.linalg.norm(vector(samples[5]["vector"])) == pytest.approx(1, abs=1e-5)


def test_a_folder_that_is_there_is_not_overwritten(records: Records, tmp_path: Path) -> None:
    folder = tmp_path / "things.fiftyone"
    write_fiftyone(records, folder, lambda _: PNG)
    with pytest.raises(InputError, match="there is a folder"):
        write_fiftyone(records, folder, lambda _: PNG)
    write_fiftyone(records, folder, lambda _: PNG + b"2", replace=True)
    assert (folder / "data/000/000000.png").read_bytes() == PNG + b"2"
    other = tmp_path / "mine"
    other.mkdir()
    (other / "precious.txt").write_text("kept")
    with pytest.raises(InputError, match="there is a folder"):
        write_fiftyone(records, other, lambda _: PNG, replace=True)
    assert (other / "precious.txt").read_text() == "kept"


def test_field_names_are_plain_and_each_stands_once() -> None:
    names = field_names(dict.fromkeys(["id", "a b", "a_b", "_x", "7", "...", "Metadata", "farbe ä"]))
    found = list(names.values())
    assert len(set(found)) == len(found)
    assert all(name.isascii() and name.isidentifier() and name[0].isalpha() for name in found)
    assert not {name.lower() for name in found} & {"id", "metadata", "tags", "filepath"}
