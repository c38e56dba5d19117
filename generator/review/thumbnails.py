"""Pictures for the contact sheets: a small one for the sheet, a larger one to look closer, as plain JPEG files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clay_eval.schemas.decoding import by_pixels, decode_image
from clay_eval.schemas.errors import ClayEvalError
from clay_eval.schemas.thumbnails import fitted, jpeg

_A_FOLDER = 1000


@dataclass(frozen=True)
class Sides:
    """Longest sides in pixels: on the sheet, and enlarged."""

    small: int = 160
    large: int = 768


@dataclass(frozen=True)
class Shown:
    """What became of a picture: its size in pixels, whether there is a larger file, or why it cannot be shown."""

    width: int = 0
    height: int = 0
    large: bool = False
    fault: str | None = None


def small_path(number: int) -> str:
    """Path of a picture's thumbnail, relative to the pictures' folder; keys differ in case, file systems may not."""
    return f"{number // _A_FOLDER}/{number % _A_FOLDER}.jpg"


def large_path(number: int) -> str:
    """Path of its larger picture."""
    return f"{number // _A_FOLDER}/{number % _A_FOLDER}-large.jpg"


def write_pictures(images: Iterable[tuple[str, bytes]], folder: Path, sides: Sides) -> Iterator[Shown]:
    """Decode (name, encoded bytes), write the files of number 0, 1, ... into `folder`; yield what became of each.

    Sizes are checked before any pixel is decoded. The larger file is left out where the small one holds all pixels.
    """
    with ThreadPoolExecutor() as pool:
        first = 0
        for group in by_pixels(images):
            numbers = range(first, first + len(group))
            for number in numbers:
                (folder / small_path(number)).parent.mkdir(parents=True, exist_ok=True)
            yield from pool.map(lambda number, item: _write(number, item, folder, sides), numbers, group)
            first += len(group)


def _write(number: int, named: tuple[str, bytes], folder: Path, sides: Sides) -> Shown:
    name, data = named
    try:
        image = decode_image(data, name)
    except ClayEvalError as error:
        return Shown(fault=error.what)
    width, height = image.size
    large = sides.large > sides.small < max(width, height)
    if large:
        image = fitted(image, sides.large)
        (folder / large_path(number)).write_bytes(jpeg(image, 88))
    (folder / small_path(number)).write_bytes(jpeg(fitted(image, sides.small), 82))
    return Shown(width, height, large)
