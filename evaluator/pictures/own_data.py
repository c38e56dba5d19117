"""What all of the user's own data have in common, pictures or only their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clay_eval.schemas.fingerprint import fingerprint

from .label_tables import LabelTable
from .labelled import Labelled, Unit


class OwnData:
    """One entity, a checked table of labels, a fingerprint over all of it.

    notes: what was left out or changed while reading, a sentence each.
    """

    def __init__(self, entity: str, table: LabelTable, units: Sequence[Unit], notes: Sequence[str]) -> None:
        self._units = tuple(units)
        self.notes = tuple(notes)
        keys = tuple(key for unit in units for key in unit.keys)
        labels = Labelled(keys, table.labels, table.parents, entity)
        self.entities: Mapping[str, Labelled] = {entity: labels}
        self.fingerprint: str = fingerprint(
            {
                "entity": entity,
                "units": [[unit.name, unit.sha256] for unit in units],
                "keys": list(keys),
                "labels": {name: list(column) for name, column in table.labels.items()},
                "parents": dict(table.parents),
            }
        )

    def units(self) -> tuple[Unit, ...]:
        """All units, in order."""
        return self._units
