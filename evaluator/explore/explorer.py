"""All that the page can show: a workbench an entity, where conditions' texts come from, and where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.files import write_text
from clay_eval.schemas.fingerprint import canonical_json
from clay_eval.schemas.texts import TEMPLATE

from .conditions import Worded, of_texts, of_values, require_name, require_values, texts_record
from .selections import decisions_record, keys_table
from .thumbnails import Thumbnails
from .workbench import Workbench

Words = Callable[[str, str, Sequence[str]], tuple[str, Worded]]
"""(entity, name, values) as they were typed -> the condition's name and its texts; without values, of the name alone."""


def typed_values(entity: str, name: str, values: Sequence[str]) -> tuple[str, Worded]:
    """One text a value; raises InputError where there are none."""
    return require_name(name), of_values(entity, name, values, TEMPLATE)


class Explorer:
    """workbenches: entity -> workbench.

    title: what the data are called; encoder: what made the vectors, in words. words: makes texts of what was typed.
    folder: where texts are kept, None where nothing is. private: paths that no answer may name.
    """

    def __init__(
        self,
        workbenches: Mapping[str, Workbench],
        title: str,
        encoder: str,
        words: Words = typed_values,
        folder: Path | None = None,
        private: Sequence[str] = (),
    ) -> None:
        self.workbenches, self.title, self.encoder, self.words = dict(workbenches), title, encoder, words
        self.folder, self.private = folder, tuple(private)
        self._thumbnails = Thumbnails()

    def about(self) -> dict[str, Any]:
        """What the page needs to know first."""
        return {
            "title": self.title,
            "encoder": self.encoder,
            "keeps": self.folder is not None,
            "entities": {name: bench.about() for name, bench in self.workbenches.items()},
        }

    def workbench(self, entity: str) -> Workbench:
        """The workbench of an entity; raises InputError for one that there is not."""
        if entity not in self.workbenches:
            raise InputError(
                "no such entity", where="entity", expected=list(self.workbenches), found=entity[:80]
            )
        return self.workbenches[entity]

    def picture(self, entity: str, row: int, side: str) -> bytes:
        """A picture as a JPEG; raises InputError where there is none, IntegrityError where it changed or is damaged."""
        collection = self.workbench(entity).collection
        row, read = collection.require_row(row), collection.read
        if read is None:
            raise InputError("these vectors came without pictures", where=collection.keys[row])
        return self._thumbnails.get((entity, row), side, collection.keys[row], lambda: read(row))

    def uploaded(self, entity: str, name: str, side: str) -> bytes:
        """A picture that was dropped in, as a JPEG."""
        bench = self.workbench(entity)
        return self._thumbnails.get((entity, name), side, "the picture", lambda: bench.uploaded(name))

    def word(
        self, entity: str, name: str, values: Sequence[str], items: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Add a condition to an entity: from texts as edited, from values, or from its name alone.

        Raises InputError for what cannot be a condition, and where its texts cannot be encoded.
        """
        bench = self.workbench(entity)
        if values:
            require_values(name, list(dict.fromkeys(values)))
        named, worded = (
            (require_name(name), of_texts(entity, name, items)) if items else self.words(entity, name, values)
        )
        return bench.add(named, worded)

    def texts(self, entity: str) -> dict[str, Any]:
        """All conditions of an entity as a condition-texts file."""
        return texts_record(entity, self.workbench(entity).worded())

    def save(self, entity: str) -> str:
        """Keep the conditions of an entity, to be there when the page is opened again; return the file's name."""
        if self.folder is None:
            raise InputError("nothing is kept here", where="conditions", hint="download the texts")
        path = kept_texts(self.folder, entity)
        write_text(path, canonical_json(self.texts(entity)) + "\n")
        return path.name

    def selection_table(self, entity: str, rows: Sequence[Any]) -> str:
        """The selected pictures' keys, names and labels as CSV."""
        collection = self.workbench(entity).collection
        numbers = _rows(self.workbench(entity), rows)
        labels = {
            attribute if attribute != "key" else "label key": [column[i] for i in numbers]
            for attribute, column in collection.labels.items()
        }
        return keys_table([collection.keys[i] for i in numbers], labels)

    def selection_decisions(self, entity: str, rows: Sequence[Any], reason: str) -> dict[str, Any]:
        """Decisions to remove the selected pictures, as a review saves them."""
        bench = self.workbench(entity)
        if bench.collection.manifest is None:
            raise InputError(
                "a review decides on shards made by clay-eval, and these are none",
                where="selection",
                hint="export the keys",
            )
        keys = [bench.collection.keys[i] for i in _rows(bench, rows)]
        return decisions_record(keys, bench.collection.manifest, reason)


def kept_texts(folder: Path, entity: str) -> Path:
    """Where the conditions of an entity are kept."""
    return folder / f"texts-{entity}.json"


def _rows(bench: Workbench, rows: Sequence[Any]) -> list[int]:
    return sorted({bench.collection.require_row(row) for row in rows})
