"""Labels without pictures: what vectors that were made elsewhere are scored by.

>>> source = LabelsOnly(Path("faces/labels.csv"))                                  # doctest: +SKIP
>>> source.entities["faces"].labels["gender"][:2]                                  # doctest: +SKIP
('male', 'female')
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.fingerprint import fingerprint

from .label_tables import read_label_tables
from .labelled import UNIT_IMAGES, Unit
from .names import entity_name
from .own_data import OwnData

TABLES = (".csv", ".jsonl")
NOTE = "none of the pictures is here, only labels and vectors: thumbnails and contact sheets are left out"


class LabelsOnly(OwnData):
    """A table of labels whose pictures are not here: a column `key`, or `file`, then a column a condition.

    The entity is called as the table's folder is. written: key -> how the table has it, with and without its extension, as
    vectors may be keyed.

    Raises InputError as `ImageFolder` does for the table, and for pictures when they are asked for.
    """

    pictured = False

    def __init__(
        self,
        path: Path,
        entity: str | None = None,
        parents: Mapping[str, str] | None = None,
        conditions: Sequence[str] | None = None,
    ) -> None:
        table = read_label_tables(path.parent, [path], parents, conditions, pictures=False)
        name = entity_name(entity, path.resolve().parent)
        self._path = path
        self.written = {
            key: (name, str(PurePosixPath(name).with_suffix("")))
            for key, name in zip(table.keys, table.files, strict=True)
        }
        units = []
        for start in range(0, len(table.keys), UNIT_IMAGES):
            keys = table.keys[start : start + UNIT_IMAGES]
            content = fingerprint({"keys": list(keys), "pictures": None})
            units.append(Unit(f"{name}-{start // UNIT_IMAGES:05d}", content, name, keys))
        super().__init__(name, table, units, [NOTE, *table.notes])

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Raises InputError: there is none."""
        raise InputError(
            "pictures are needed, and there are only labels",
            where=self._path,
            expected="the folder of the pictures, with their labels",
            hint="name it with --data; vectors of pictures are scored with --features and --labels",
        )
