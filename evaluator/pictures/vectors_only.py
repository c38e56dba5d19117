"""Vectors whose pictures and labels are not here: keys alone, as an `ImageSource`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .labelled import Labelled, Unit
from .names import entity_name


class VectorsOnly:
    """The keys of vectors made elsewhere; the entity is called as the file `where` they lie in."""

    pictured = False

    def __init__(self, keys: Sequence[str], where: Path, entity: str | None = None) -> None:
        name = entity_name(entity, where)
        self.entities: Mapping[str, Labelled] = {name: Labelled(tuple(keys), {}, {}, name)}
        self.fingerprint = fingerprint({"entity": name, "keys": list(keys)})

    def units(self) -> tuple[Unit, ...]:
        """None: there is nothing to embed."""
        return ()

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Raises InputError: there are no pictures."""
        raise InputError("these vectors came without pictures", where=unit.name)
