"""Kinds of splits: each draws which images are queries and which the database, and says in words what it does.

"image": drawn image by image, the paper's 1 : 9. "combination": images that share all their labels are
near-duplicates, so a combination of labels lies on one side as a whole. "leave-one-out": every image is a query
against all others. "given": a file says.

With "combination", conditions asked all at once have nothing to find in the database; such sets are left out with a warning.

To add one, write a class in a file of its own and register it; an entry point in the group `clay_eval.splits` makes it known
to the command line. This module is imported for the help of commands, so NumPy waits until something is drawn.

>>> list(SPLITS.registered)
['image', 'combination', 'leave-one-out', 'given']
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.registry import Registry

if TYPE_CHECKING:
    from ..pictures.labelled import Labelled
    from .splits import Split

GIVEN = "given"


class SplitKind(ABC):
    """What is drawn to be a query, under a name that records and the command line know.

    drawn: whether the seed and the share of queries decide; every_image: whether all images are queries; from_file:
    whether a file says, so that nothing can be drawn.
    """

    name: ClassVar[str]
    drawn: ClassVar[bool] = True
    every_image: ClassVar[bool] = False
    from_file: ClassVar[bool] = False

    @abstractmethod
    def draw(self, labelled: Labelled, seed: int, query_share: float) -> Split:
        """Return the split by `seed`; raises InputError for a share outside (0, 1), and too little to split."""

    @abstractmethod
    def sentence(self, share: str, drawn: str) -> str:
        """What a report says; share: such as "10 %"; drawn: such as "drawn with seed 0"."""

    @abstractmethod
    def short(self, share: str) -> str:
        """What a leaderboard says, in a part of a sentence."""


SPLITS: Registry[SplitKind] = Registry("split", "clay_eval.splits")
"""Kinds of splits by name."""


def register(kind: type[SplitKind]) -> type[SplitKind]:
    """Add a kind to `SPLITS`, as a decorator of its class; raises InputError for a name that is taken."""
    SPLITS.register(kind.name, kind())
    return kind


def draw_split(labelled: Labelled, kind: str, seed: int, query_share: float = 0.1) -> Split:
    """Return the split of `kind`, a name of `SPLITS`, by `seed`.

    Raises InputError for another kind, one that only a file gives, a share outside (0, 1), and too little to split.
    """
    found = SPLITS.get(kind)
    if found is None or found.from_file:
        raise InputError(
            "unknown split", where="--split", expected=f"one of {drawable_splits()}", found=repr(kind)
        )
    labelled.require_attributes()
    return found.draw(labelled, seed, query_share)


def drawable_splits() -> tuple[str, ...]:
    """The names of `SPLITS` that need no file."""
    return tuple(name for name, kind in SPLITS.items() if not kind.from_file)


@register
class ImageSplit(SplitKind):
    name = "image"

    def draw(self, labelled: Labelled, seed: int, query_share: float) -> Split:
        from .splits import Split, split_queries

        is_query = split_queries(labelled.keys, seed, query_share)
        return Split(is_query, ~is_query)

    def sentence(self, share: str, drawn: str) -> str:
        return (
            f"{share} of each entity's images are queries, the rest is the database, {drawn}; the split is recorded in "
            "report.json."
        )

    def short(self, share: str) -> str:
        return f"{share} of the pictures are queries"


@register
class CombinationSplit(SplitKind):
    name = "combination"

    def draw(self, labelled: Labelled, seed: int, query_share: float) -> Split:
        from .splits import Split, split_combinations

        is_query = split_combinations(labelled, seed, query_share)
        return Split(is_query, ~is_query)

    def sentence(self, share: str, drawn: str) -> str:
        return (
            f"{share} of each entity's combinations of labels are queries, the rest is the database, {drawn}; the split is "
            "recorded in report.json. A combination lies on one side as a whole, so near-duplicates do not help."
        )

    def short(self, share: str) -> str:
        return f"{share} of the combinations of labels are queries, each on one side as a whole"


@register
class LeaveOneOut(SplitKind):
    name, drawn, every_image = "leave-one-out", False, True

    def draw(self, labelled: Labelled, seed: int, query_share: float) -> Split:
        from .splits import Split, everyone

        return Split(is_query := everyone(labelled.keys), is_query)

    def sentence(self, share: str, drawn: str) -> str:
        return "Every image is a query against all others."

    def short(self, share: str) -> str:
        return "every picture is a query against all others"


@register
class GivenSplit(SplitKind):
    name, drawn, from_file = GIVEN, False, True

    def draw(self, labelled: Labelled, seed: int, query_share: float) -> Split:
        raise InputError("a given split is read, not drawn", where="--split-file")

    def sentence(self, share: str, drawn: str) -> str:
        return "Queries and database are those of a given file; the split is recorded in report.json."

    def short(self, share: str) -> str:
        return "queries and database are those of a given file"
