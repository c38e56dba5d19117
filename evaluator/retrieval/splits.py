"""Which images are queries and which are the database: masks, drawn or read; `split_kinds` has the kinds there are."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_text
from clay_eval.schemas.words import nfc

from ..pictures.labelled import Labelled, require_unique

Mask = npt.NDArray[np.bool_]
_ROLES = ("query", "database", "unused")


@dataclass(frozen=True, eq=False)
class Split:
    """is_query and is_database, (N,) bool each; an image that is both is left out of its own ranking."""

    is_query: Mask
    is_database: Mask


def everyone(keys: Sequence[str]) -> Mask:
    """Return (N,) bool, True for all; raises InputError for fewer than two."""
    if len(keys) < 2:
        raise _too_few("images", len(keys))
    return np.ones(len(keys), np.bool_)


def split_queries(keys: Sequence[str], seed: int, query_share: float = 0.1) -> Mask:
    """Return (N,) bool, True for queries, False for the database.

    The draw depends on the set of keys and the seed alone, not on the order of the keys. The share is met to
    the nearest image, with one query and one database image at least.

    Raises InputError for fewer than two keys, duplicate keys, and a share outside (0, 1).
    """
    require_unique(keys)
    _check_share(query_share)
    if len(keys) < 2:
        raise _too_few("images", len(keys))
    in_order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    mask = np.zeros(len(keys), np.bool_)
    mask[in_order[_drawn(len(keys), seed, query_share)]] = True
    return mask


def split_combinations(labelled: Labelled, seed: int, query_share: float = 0.1) -> Mask:
    """Return (N,) bool, True for queries: whole combinations of labels, `query_share` of the combinations.

    The draw depends on the set of combinations and the seed, not on the order of images.

    Raises InputError for fewer than two combinations, and a share outside (0, 1).
    """
    _check_share(query_share)
    combinations = list(zip(*labelled.labels.values(), strict=True))
    distinct = sorted(set(combinations))
    if len(distinct) < 2:
        raise _too_few("combinations of labels", len(distinct))
    chosen = {distinct[i] for i in _drawn(len(distinct), seed, query_share)}
    return np.array([combination in chosen for combination in combinations])


def read_split(path: Path, labelled: Labelled) -> Split:
    """Read a CSV with the columns `key` and `split` (query, database or unused); every image stands in it once.

    Raises InputError, naming the line, for other roles, unknown keys and keys that stand twice, and for images that
    are missing.
    """
    place = {nfc(key): row for row, key in enumerate(labelled.keys)}
    roles: dict[int, str] = {}
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        if reader.fieldnames is None or not {"key", "split"} <= set(reader.fieldnames):
            raise InputError(
                "a split needs two columns",
                where=path,
                expected="key,split",
                found=reader.fieldnames or "nothing",
            )
        for line in reader:
            key, role = nfc(line["key"] or ""), line["split"]
            if role not in _ROLES or key not in place or place[key] in roles:
                raise InputError(
                    "a key stands twice"
                    if key in place and place[key] in roles
                    else "a line of the split does not fit",
                    where=f"{path} line {reader.line_num}",
                    expected=f"a key of the data, once, and one of {_ROLES}",
                    found=f"{key!r}, {role!r}",
                )
            roles[place[key]] = role
    except csv.Error as error:
        line_number = reader.reader.line_num
        raise InputError("not a readable CSV", where=f"{path} line {line_number}", found=error) from error
    if missing := [key for key, row in place.items() if row not in roles]:
        raise InputError(
            "images of the data are not in the split",
            where=path,
            expected=f"all {len(place)} keys (use the role unused for those to leave out)",
            found=f"{len(missing)} missing, such as {', '.join(missing[:3])}",
        )
    named = np.array([roles[row] for row in range(len(place))])
    return Split(named == "query", named == "database")


def combination_codes(labelled: Labelled) -> npt.NDArray[np.int64]:
    """Return integers (N,), equal where two images share all their labels."""
    return labelled.combinations


def _drawn(count: int, seed: int, share: float) -> npt.NDArray[np.int64]:
    size = min(max(math.floor(share * count + 0.5), 1), count - 1)
    return np.random.Generator(np.random.PCG64(seed)).permutation(count)[:size]


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise InputError(
            "the share of queries must lie between 0 and 1",
            where="query_share",
            expected="0 < x < 1",
            found=share,
        )


def _too_few(what: str, found: int) -> InputError:
    return InputError(f"too few {what} to split", where="data", expected="two or more", found=found)
