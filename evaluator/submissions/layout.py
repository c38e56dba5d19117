"""What a submission is: a folder with method.json, which says where a method's embeddings or runs lie.

    method.json                                 schema "submission"; sealed where clay-eval wrote it
    parts/ENTITY/CONDITIONS[/GROUP]/seed-0.safetensors       or any other place that method.json names

`parts` names a file for each entity, set of conditions, database and seed. A part without `group` or `seed` serves all
databases or seeds: a method that knows neither needs one file a set of conditions, of all pictures. A set of conditions
that no part is of stands in `left_out`, with the reason.

embeddings, NAME.safetensors:

| tensor | holds |
|---|---|
| database | (N, k) float16 or float32, a row a picture of the database |
| database_keys | uint8: the keys of these rows, UTF-8, one a line; backslash, quotes and control characters as in JSON |
| queries, query_keys | the same of the queries; left out where a query's row is that of the same picture in `database` |

Scores are inner products ("similarity": "inner"), or cosines ("cosine").

runs, NAME.run or NAME.run.gz: TREC lines `query Q0 document rank score tag`, blanks, control characters and % in keys
written %20 and so on. Of each query all pictures of the database (the query itself apart) or the best `depth`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import SEAL, file_sha256, is_sealed
from clay_eval.schemas.validate import check, parse_json, read_text

from ..pictures.labelled import Labelled
from ..retrieval.condition_sets import Conditions

METHOD = "method.json"
SCORE = "score.json"
PARTS = "parts"
SCHEMA = "clay-eval/submission/1"
EMBEDDINGS, RUNS = "embeddings", "runs"
ENDINGS: Mapping[str, tuple[str, ...]] = {EMBEDDINGS: (".safetensors",), RUNS: (".run", ".run.gz")}
MOST_METHOD_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9_=,()+-][A-Za-z0-9._=,()+-]*")
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".ckpt", ".joblib")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A file of a submission: of one entity and set of conditions, and of one database or seed or all of them."""

    entity: str
    conditions: Conditions
    group: str | None
    seed: int | None
    file: str
    sha256: str


def read_method(folder: Path) -> dict[str, Any]:
    """Return method.json of a submission, checked; a seal must fit where there is one.

    Raises InputError for what is missing or breaks the schema, IntegrityError for a broken seal.
    """
    path = folder / METHOD
    if not folder.is_dir():
        raise InputError("a submission is a folder", where=folder, expected=f"a folder with a {METHOD}")
    text = read_text(_regular(path, METHOD), limit=MOST_METHOD_BYTES)
    record = parse_json(text, path)
    check(record, "submission", path)
    if SEAL in record and not is_sealed(text, record):
        raise IntegrityError(
            "the file was changed after it was sealed", where=path, hint=f'or leave "{SEAL}" out of it'
        )
    found: dict[str, Any] = record
    return found


def parts_of(record: Record, labelled: Mapping[str, Labelled]) -> list[Part]:
    """Return the parts of a submission, their conditions in the order of the data.

    Raises InputError for entities and conditions that the data do not have, paths that lead out of the submission, and names
    that are not those of the format.
    """
    found = []
    for number, part in enumerate(record["parts"]):
        where = f"{METHOD} at parts[{number}]"
        conditions = ordered(part["entity"], part["conditions"], labelled, where)
        check_path(part["file"], record["format"], where)
        found.append(
            Part(
                part["entity"], conditions, part.get("group"), part.get("seed"), part["file"], part["sha256"]
            )
        )
    return found


def ordered(entity: str, conditions: list[str], labelled: Mapping[str, Labelled], where: str) -> Conditions:
    """Return `conditions` in the order of the data; raises InputError for an entity or a condition that is not there."""
    if entity not in labelled:
        raise InputError(
            "the data have no such entity",
            where=where,
            expected=f"one of {sorted(labelled)}",
            found=shown(entity),
        )
    known = list(labelled[entity].labels)
    if unknown := [name for name in conditions if name not in known]:
        raise InputError(
            f"{entity} has no such condition",
            where=where,
            expected=f"some of {known}",
            found=shown(unknown[0]),
        )
    return tuple(sorted(conditions, key=known.index))


def check_path(name: str, form: str, where: str) -> None:
    """Raise InputError unless `name` is a plain path inside a submission, with an ending of its format."""
    low = name.lower()
    if low.endswith(_PICKLES):
        raise InputError(
            "files that may hold pickled objects or other formats are not read",
            where=where,
            expected=" or ".join(ENDINGS[form]),
            found=shown(name),
        )
    pieces = name.split("/")
    if not all(map(_NAME.fullmatch, pieces)) or not name.endswith(ENDINGS[form]) or len(pieces) > 16:
        raise InputError(
            "not the name of a file of this submission",
            where=where,
            expected=f"a relative path of letters, digits and ._=,()+-, which ends in {' or '.join(ENDINGS[form])}",
            found=shown(name),
        )


def open_part(folder: Path, part: Part, most: int) -> Path:
    """Return the path of a part: a regular file reached through no link, of at most `most` bytes and the recorded sha256.

    The size is looked at before anything is read. Raises InputError or IntegrityError.
    """
    place = folder
    for piece in PurePosixPath(part.file).parts:
        place = place / piece
        if place.is_symlink():
            raise InputError(
                "links are not followed", where=place, expected="a file of the submission itself"
            )
    path = _regular(place, part.file)
    size = path.stat().st_size
    if size > most:
        raise InputError(
            "larger than anything that the data can need",
            where=path,
            expected=f"at most {most} bytes",
            found=f"{size} bytes",
        )
    if file_sha256(path) != part.sha256:
        raise IntegrityError(
            f"not the file that {METHOD} speaks of", where=path, expected=f"sha256 {part.sha256}"
        )
    return path


def shown(text: str, limit: int = 200) -> str:
    """A stranger's text for a message: nothing in it can reach the terminal but printable ASCII."""
    return ascii(text[:limit]) + ("..." if len(text) > limit else "")


def missing_keys(missing: Sequence[str], of: int, what: str, where: Path) -> InputError:
    """The error for `what` that a part lacks."""
    some = ", ".join(shown(key, 60) for key in missing[:3])
    return InputError(
        f"{what} are missing",
        where=where,
        expected=f"all {of}",
        found=f"{len(missing)} missing, such as {some}",
    )


def _regular(path: Path, name: str) -> Path:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError as error:
        raise InputError("a file of the submission is missing", where=path, expected=shown(name)) from error
    if not stat.S_ISREG(mode):
        raise InputError("not a regular file", where=path, expected="a file, no folder, link or pipe")
    return path
