"""The one door to labelled pictures: what lies in a folder, or a benchmark by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .folders import open_folder
from .labelled import ImageSource


def open_source(
    path: Path,
    entity: str | None = None,
    parents: Mapping[str, str] | None = None,
    conditions: Sequence[str] | None = None,
    *,
    vectors: bool = False,
) -> ImageSource:
    """Open the labelled pictures at `path` as `open_folder` does, or the benchmark that NAME:FOLDER names where no such path
    exists.

    entity, parents, conditions: as in `open_folder`, or as in `open_benchmark`; vectors: as in `open_folder`.
    """
    if not path.exists():
        from .benchmarks.naming import parse_data_name
        from .benchmarks.opening import open_benchmark

        if (data := parse_data_name(str(path))) is not None:
            return open_benchmark(data, entity, parents, conditions)
    return open_folder(path, entity, parents, conditions, vectors=vectors)
