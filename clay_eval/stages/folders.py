"""Where the artefacts of a run lie, and what the stages tell while they work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
