"""Names made of what strangers wrote: of conditions, entities and keys."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import NAME_LENGTH, in_names, is_condition_name, nfc

_ENTITY = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_KEY_LENGTH = 100


def condition_name(name: str, where: str | Path) -> str:
    """A column's name as a condition's: lower case, composed (NFC), other characters than letters of any script, their
    marks, digits, - and _ become _."""
    lowered = nfc(nfc(name.strip()).lower())
    parts = ("".join(run) if fits else "_" for fits, run in groupby(lowered, in_names))
    cleaned = "".join(parts).strip("_")
    if not is_condition_name(cleaned):
        raise InputError(
            "not usable as the name of a condition",
            where=where,
            expected=f"a name that begins with a letter, at most {NAME_LENGTH} characters",
            found=repr(name[:200]),
            hint="rename the column, or choose others with --condition",
        )
    return cleaned


def entity_name(name: str | None, path: Path) -> str:
    """The entity's name: as given (it must be a plain name), or made from the folder's, or "data"."""
    if name is not None:
        if not _ENTITY.match(name):
            raise InputError(
                "not usable as an entity's name", where="--entity", expected=_ENTITY.pattern, found=name
            )
        return name
    cleaned = re.sub(r"[^a-z0-9_-]+", "-", path.resolve().stem.lower()).strip("-_")[:60]
    return cleaned if _ENTITY.match(cleaned) else "data"


def unique_keys(names: Sequence[str], origins: Sequence[str]) -> list[str]:
    """Keys that match `^[a-z][A-Za-z0-9_-]*$`, one a name; names that would clash get a hash of their origin."""
    bases = []
    for name in names:
        cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", nfc(name)).strip("-")[:_KEY_LENGTH]
        bases.append(cleaned if re.match(r"[a-z]", cleaned) else f"s{cleaned}")
    counts = Counter(bases)
    return [
        base if counts[base] == 1 else f"{base}-{hashlib.sha256(nfc(origin).encode()).hexdigest()[:16]}"
        for base, origin in zip(bases, origins, strict=True)
    ]


def some(names: Iterable[str], most: int = 3, length: int = 60) -> str:
    """The first names, quoted and cut to `length` characters, and how many more there are."""
    return listed([repr(name if len(name) <= length else f"{name[: length - 3]}...") for name in names], most)


def listed(items: Sequence[str], most: int = 3) -> str:
    """The first items, and how many more there are."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


def count(number: int, noun: str) -> str:
    """`1 picture`, `2,000 pictures`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
