"""The pictures of one entity as the page shows them: keys, names, labels, and where a picture is read from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.escaping import visible
from clay_eval.schemas.words import nfc

_LONGEST_NAME = 300


class Collection:
    """N pictures.

    names: what each is called, a file's name or the key. labels: attribute -> N values, none for pictures that nobody has
    labelled. read: row -> its encoded picture; None for vectors without pictures. manifest: the fingerprint of the shards
    they lie in, for decisions that a review applies; None where there is none. notes: what was left out, a sentence each.
    """

    def __init__(
        self,
        entity: str,
        keys: Sequence[str],
        names: Sequence[str] | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
        read: Callable[[int], bytes] | None = None,
        manifest: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.entity, self.keys, self.names = entity, tuple(keys), tuple(names or keys)
        self.labels, self.read, self.manifest, self.notes = dict(labels or {}), read, manifest, tuple(notes)
        self._folded = [nfc(name).casefold() for name in self.names]
        self._rows = {key: row for row, key in enumerate(self.keys)}

    def row(self, key: str) -> int | None:
        """The row of a key, None for one that there is not."""
        return self._rows.get(key)

    def require_row(self, row: object) -> int:
        """`row` as a number of a picture; raises InputError for any other."""
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < len(self.keys):
            raise InputError(
                "no such picture",
                where="row",
                expected=f"a whole number from 0 to {len(self.keys) - 1}",
                found=repr(row)[:80],
            )
        return row

    def shown(self, row: int) -> dict[str, Any]:
        """What a page says of a picture."""
        return {
            "row": row,
            "key": self.keys[row],
            "name": visible(self.names[row])[:_LONGEST_NAME],
            "labels": {attribute: visible(values[row]) for attribute, values in self.labels.items()},
        }

    def find(self, text: str, most: int) -> list[int]:
        """Rows of pictures whose names hold every word of `text`, whatever the case; those that begin with it first."""
        words = nfc(text).casefold().split()
        first: list[int] = []
        later: list[int] = []
        for row, name in enumerate(self._folded):
            if all(word in name for word in words):
                (first if words and name.startswith(words[0]) else later).append(row)
                if len(first) >= most:
                    break
        return (first + later)[:most]
