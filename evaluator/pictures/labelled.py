"""What labelled pictures are: an entity's keys and labels, and the units in which they are embedded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.errors import InputError

Codes = npt.NDArray[np.int64]
UNIT_IMAGES = 512


@dataclass(frozen=True)
class Unit:
    """Pictures that are embedded and stored together: a shard, or a slice of a folder.

    `sha256` changes whenever a picture or a key in it does.
    """

    name: str
    sha256: str
    entity: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Labelled:
    """Labels of images: row i of every list belongs to keys[i].

    keys: unique names of the N images; labels: attribute -> N values; parents: attribute -> the attribute that its values
    depend on; entity: what the images show, where they come from a source.

    Raises InputError for duplicate keys, lists of other lengths, empty values, and parents that are unknown or
    form a cycle.
    """

    keys: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    parents: Mapping[str, str] = field(default_factory=dict)
    entity: str = ""

    def __post_init__(self) -> None:
        require_unique(self.keys)
        for name, values in self.labels.items():
            if len(values) != len(self.keys):
                raise InputError(
                    f"attribute {name!r} does not have one value an image",
                    where=f"labels.{name}",
                    expected=f"{len(self.keys)} values",
                    found=f"{len(values)} values",
                )
            if not all(values):
                row = next(i for i, value in enumerate(values) if not value)
                raise InputError(
                    f"an image has no value for {name!r}",
                    where=f"labels.{name}, key {self.keys[row]!r}",
                    expected="a value",
                    found=repr(values[row]),
                )
        for name, parent in self.parents.items():
            if name not in self.labels or parent not in self.labels:
                raise InputError(
                    "an attribute or its parent is unknown",
                    where=f"parents.{name}",
                    expected=f"two of {list(self.labels)}",
                    found=f"{name!r} in {parent!r}",
                )
            self.ancestors(name)

    def require_attributes(self) -> None:
        """Raise InputError where the images have no label at all."""
        if not self.labels:
            raise InputError("no attribute to retrieve by", where="labels", expected="one attribute or more")

    def ancestors(self, attribute: str) -> list[str]:
        """The parent of `attribute`, the parent's parent, and so on."""
        chain = {attribute: None}
        parent = self.parents.get(attribute)
        while parent is not None:
            if parent in chain:
                raise InputError(
                    "attributes depend on each other in a circle", where="parents", found=[*chain, parent]
                )
            chain[parent] = None
            parent = self.parents.get(parent)
        return list(chain)[1:]

    @cached_property
    def codes(self) -> Mapping[str, Codes]:
        """Attribute -> integers (N,) that are equal for two images exactly where its values are."""
        return {
            name: np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)
            for name, values in self.labels.items()
        }

    def joint_codes(self, names: Sequence[str]) -> Codes:
        """Integers (N,) that are equal for two images exactly where their values of all attributes `names` are."""
        codes = np.zeros(len(self.keys), np.int64)
        for name in names:
            values = self.codes[name]
            _, codes = np.unique(codes * (values.max(initial=0) + 1) + values, return_inverse=True)
        return codes.astype(np.int64)

    @cached_property
    def nested_codes(self) -> Mapping[str, Codes]:
        """As `codes`, but equal only where the values of the attribute's ancestors are equal as well."""
        return {
            name: self.joint_codes([name, *above]) if (above := self.ancestors(name)) else codes
            for name, codes in self.codes.items()
        }

    @cached_property
    def combinations(self) -> Codes:
        """Integers (N,) that are equal for two images exactly where all their labels are."""
        return self.joint_codes(list(self.labels))


@runtime_checkable
class ImageSource(Protocol):
    """Labelled pictures, read one unit at a time. An entity's keys are those of its units, in order."""

    @property
    def entities(self) -> Mapping[str, Labelled]:
        """Labels by entity."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 that changes with any picture, key, label or parent."""
        ...

    def units(self) -> tuple[Unit, ...]:
        """All units, entity by entity."""
        ...

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        """Stream (key, encoded picture) in the order of `unit.keys`."""
        ...


def has_pictures(source: ImageSource) -> bool:
    """Whether the pictures are there, and not only their labels."""
    return bool(getattr(source, "pictured", True))


def pictures(source: ImageSource, entity: str, keys: Collection[str]) -> dict[str, bytes]:
    """Encoded pictures of some keys of one entity; units that hold none of them are not read."""
    wanted = set(keys)
    found: dict[str, bytes] = {}
    for unit in source.units():
        if unit.entity == entity and wanted.intersection(unit.keys):
            found.update((key, data) for key, data in source.images(unit) if key in wanted)
    if missing := sorted(wanted - found.keys()):
        raise InputError("no such picture", where=entity, found=missing[:5])
    return found


def require_unique(keys: Sequence[str]) -> None:
    """Raise InputError naming a key that stands twice."""
    if len(set(keys)) < len(keys):
        seen: set[str] = set()
        twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InputError(
            "a key stands twice", where="keys", expected="a key of its own for every image", found=repr(twice)
        )
