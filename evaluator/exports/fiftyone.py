"""A folder that FiftyOne imports as a `FiftyOneDataset`: pictures, label fields, and embeddings under conditions.

    fiftyone.Dataset.from_dir(dataset_dir="things.fiftyone", dataset_type=fiftyone.types.FiftyOneDataset)

data/000/000017.png    the pictures as they are
samples.json           a sample a picture: filepath, key, a Classification a label, a vector a condition
metadata.json          where it comes from

A `metadata.json` that names no version has FiftyOne read samples one by one, in the layout that any version of it takes.
Vectors are arrays as it stores them: zlib over NumPy's own format, in base64.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import storage_errors, write_text

from ..vectors.arrays import FloatArray
from .vector_stores import Records

_ROWS = 256
_KINDS = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"RIFF", ".webp"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
)
_OTHER = ".jpg"
_A_FOLDER = 1000
_RESERVED = (
    "filepath",
    "tags",
    "metadata",
    "id",
    "key",
    "created_at",
    "last_modified_at",
    "frames",
    "sample_id",
)


def write_fiftyone(
    records: Records, folder: Path, picture: Callable[[int], bytes], *, replace: bool = False
) -> int:
    """Write the pictures of an index to `folder`; return how many. picture: reads the encoded picture of a row.

    Raises InputError for a folder that is there, unless it is one of these and `replace`.
    """
    ours = (folder / "samples.json").is_file() and (folder / "metadata.json").is_file()
    if folder.exists() and not (replace and ours):
        raise InputError(
            "there is a folder of that name", where=folder, hint="--replace, or another place with --to"
        )
    building = folder.with_name(f".{folder.name}.building")
    with storage_errors(folder):
        shutil.rmtree(building, ignore_errors=True)
        (building / "data").mkdir(parents=True)
        with (building / "samples.json").open("w", encoding="utf-8") as stream:
            stream.write('{"samples": [')
            for block in records.blocks(_ROWS):
                vectors = records.vectors(block)
                for place in range(len(records.index.keys[block])):
                    row = block.start + place
                    sample = _sample(records, row, {n: array[place] for n, array in vectors.items()})
                    data = picture(row)
                    sample["filepath"] = _written(building, row, data)
                    stream.write(("," if row else "") + "\n" + json.dumps(sample, ensure_ascii=False))
            stream.write("\n]}\n")
        info = {
            "made_by": "clay-eval",
            "method": records.index.method,
            "conditions": list(records.conditions),
        }
        write_text(
            building / "metadata.json", json.dumps({"info": info}, indent=2, ensure_ascii=False) + "\n"
        )
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    return len(records.index)


def serialised(vector: FloatArray) -> dict[str, Any]:
    """A vector (k,) as FiftyOne keeps arrays in JSON."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(vector), allow_pickle=False)
    data = base64.b64encode(zlib.compress(stream.getvalue())).decode("ascii")
    return {"$binary": {"base64": data, "subType": "00"}}


def field_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Attribute -> a field's name: letters, digits and underscores, none that FiftyOne has itself, each once."""
    found: dict[str, str] = {}
    for name in names:
        field = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "label"
        while field.lower() in _RESERVED or field in found.values() or not field[0].isalpha():
            field = f"label_{field}"
        found[name] = field
    return found


def _sample(records: Records, row: int, vectors: Mapping[str, FloatArray]) -> dict[str, Any]:
    index = records.index
    fields = field_names({**index.labels, **dict.fromkeys(vectors)})
    return {
        "filepath": "",
        "tags": [],
        "key": index.keys[row],
        **{
            fields[attribute]: {"_cls": "Classification", "label": values[row]}
            for attribute, values in index.labels.items()
        },
        **{fields[name]: serialised(vector) for name, vector in vectors.items()},
    }


def _written(folder: Path, row: int, data: bytes) -> str:
    suffix = next((suffix for start, suffix in _KINDS if data.startswith(start)), _OTHER)
    path = folder / "data" / f"{row // _A_FOLDER:03d}" / f"{row:06d}{suffix}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path.relative_to(folder).as_posix()
