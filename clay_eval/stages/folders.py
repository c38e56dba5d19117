"""Where the artefacts of a run lie, and what the stages tell while they work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path

from clay_eval.schemas.errors import InputError

Progress = Callable[[str, int, int | None], None]
"""Takes the name of what is being done, how much of it is done (0: it begins), and of how much, None while unknown."""
Note = Callable[[str], None]
"""Takes a line for a person."""


@dataclass(frozen=True)
class RunFolder:
    """Where the artefacts of a run lie."""

    root: Path

    @property
    def plan(self) -> Path:
        """Sample specs, specs, condition texts, coverage."""
        return self.root / "plan"

    @property
    def shards(self) -> Path:
        """Pictures with labels."""
        return self.root / "shards"

    @property
    def parts(self) -> Path:
        """Pictures of parts of the plan, made apart."""
        return self.root / "parts"

    @property
    def previews(self) -> Path:
        """What was drawn to look first: a page, and a folder of shards for each setting."""
        return self.root / "preview"

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.root / "features"

    @property
    def report(self) -> Path:
        """report.json and its pages."""
        return self.root / "report"

    def refuse_within(self, place: Path, option: str) -> None:
        """Raise InputError for a `place` to write to, as `option` names it, in the plan or the shards.

        Each file of those is accounted for: shards with another one are no longer whole, and a plan is published with it.
        """
        for folder in (self.plan, self.shards, self.parts):
            if Path(realpath(place)).is_relative_to(realpath(folder)):
                raise InputError(
                    "this would be written among the files of the run itself",
                    where=f"{option} {place}",
                    expected=f"a place outside {folder}",
                )


def silent(*_: object) -> None:
    """A `Progress` or `Note` that says nothing."""


def steps(progress: Progress, name: str, total: int | None) -> Callable[[int], None]:
    """What is called with how much more of `name` is done; `progress` is told at once that it begins."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        if more:
            done += more
            progress(name, done, total)

    progress(name, 0, total)
    return advance
