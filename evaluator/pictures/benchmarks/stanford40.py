"""Stanford 40 Actions, with locations and moods from a table of the user's.

JPEGImages/<action>_<number>.jpg
ImageSplits/<action>_train.txt, <action>_test.txt       a file name a line
location_mood.csv                                       may be there: columns file, location, mood
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_text

from .benchmark import Benchmark, Listing, Picture
from .files import check_pictures, lines, safe_name

ACTIONS = (
    *("applauding", "blowing bubbles", "brushing teeth", "cleaning the floor", "climbing", "cooking"),
    *("cutting trees", "cutting vegetables", "drinking", "feeding a horse", "fishing", "fixing a bike"),
    *("fixing a car", "gardening", "holding an umbrella", "jumping", "looking through a microscope"),
    *("looking through a telescope", "phoning", "playing guitar", "playing violin", "pouring liquid"),
    *("pushing a cart", "reading", "riding a bike", "riding a horse", "rowing a boat", "running"),
    *("shooting an arrow", "smoking", "taking photos", "texting message", "throwing frisby"),
    *("using a computer", "walking the dog", "washing dishes", "watching TV", "waving hands"),
    *("writing on a board", "writing on a book"),
)
ENTITY, CONTEXT = "stanford40", "stanford40-location-mood"
CSV = "location_mood.csv"
_COLUMNS = ["file", "location", "mood"]
_PARTS = ("train", "test")


def read(benchmark: Benchmark, folder: Path) -> Listing:
    """All pictures of the lists, by action; those in location_mood.csv once more, by location and mood.

    Raises InputError for lists of an action that has one of the two only, pictures in another action's list, and as
    `check_pictures`.
    """
    root = benchmark.root(folder, "JPEGImages", "ImageSplits")
    splits = root / "ImageSplits"
    names = {p.name.removesuffix(f"_{part}.txt") for part in _PARTS for p in splits.glob(f"*_{part}.txt")}
    if not names:
        benchmark.missing("ImageSplits/<action>_train.txt", splits)
    pictures = []
    for action in sorted(names):
        for part in _PARTS:
            for where, line in lines(splits / f"{action}_{part}.txt", benchmark):
                name = safe_name(line, where)
                if not name.startswith(f"{action}_") or "/" in name:
                    benchmark.wrong("a picture in the list of another action", where, f"{action}_...", name)
                labels = {"action": action.replace("_", " ")}
                pictures.append(Picture(f"JPEGImages/{name}", labels, frozenset((part,))))
    unlisted = check_pictures(benchmark, root, pictures, ["JPEGImages"])
    entities = {ENTITY: pictures}
    if (root / CSV).exists():
        entities[CONTEXT] = _contexts(root / CSV, pictures)
    return Listing(root, entities, unlisted)


def _contexts(path: Path, known: list[Picture]) -> list[Picture]:
    tags = {picture.file: picture.tags for picture in known}
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    found: dict[str, Picture] = {}
    try:
        for row in reader:
            where = f"{path} line {reader.line_num}"
            cells = [cell.strip() for cell in row]
            if reader.line_num == 1:
                if cells != _COLUMNS:
                    raise InputError("other columns", where=where, expected=",".join(_COLUMNS), found=cells)
                continue
            if not any(cells):
                continue
            if len(cells) != len(_COLUMNS) or not all(cells):
                raise InputError("not three filled cells", where=where, expected=_COLUMNS, found=row)
            file = f"JPEGImages/{safe_name(cells[0].removeprefix('JPEGImages/'), where)}"
            if file not in tags or file in found:
                raise InputError(
                    "a picture stands twice" if file in found else "no such picture in the lists",
                    where=where,
                    expected="a file name of JPEGImages, once",
                    found=repr(cells[0])[:200],
                )
            found[file] = Picture(file, {"location": cells[1], "mood": cells[2]}, tags[file])
    except csv.Error as error:
        raise InputError("not a readable CSV", where=f"{path} line {reader.line_num}", found=error) from error
    if not found:
        raise InputError("there is no labelled picture in the table", where=path, expected="rows")
    return list(found.values())
