"""The pictures beside a report: thumbnails and sheets, read back with care."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

FOLDER = "pictures"


def sheet_path(number: int) -> str:
    """Path of a sheet, relative to the report."""
    return f"{FOLDER}/{number:04d}.jpg"


def missing_sheets(folder: Path, count: int) -> int:
    """How many of the `count` sheets are not there."""
    return sum(not (folder / sheet_path(number)).is_file() for number in range(count))
