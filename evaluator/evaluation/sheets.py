"""Small pictures on a few large ones, so that thousands of images cost a handful of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from clay_eval.schemas.decoding import by_pixels, decode_image
from clay_eval.schemas.files import atomic_file
from clay_eval.schemas.thumbnails import fitted, jpeg

from ..pictures.labelled import ImageSource
from ..report.beside import SHEETS, sheet_path

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 96
COLUMNS = 8
_PAPER = (222, 222, 222)
_WORKERS = 4


def small_pictures(
    source: ImageSource, entity: str, keys: Iterable[str], side: int = SIDE
) -> Iterator[tuple[str, Image]]:
    """(key, picture) of at most `side` x `side` pixels for `keys` of one entity, in the order of the data.

    Units that hold none of them are not read, and few full pictures are in memory at once.
    """
    wanted = set(keys)
    encoded = (
        (key, data)
        for unit in source.units()
        if unit.entity == entity and wanted.intersection(unit.keys)
        for key, data in source.images(unit)
        if key in wanted
    )
    with ThreadPoolExecutor(_WORKERS) as pool:
        for batch in by_pixels(encoded):
            yield from pool.map(lambda item: (item[0], fitted(decode_image(item[1], item[0]), side)), batch)


def write_sheets(pictures: Iterable[Image], folder: Path) -> int:
    """Lay pictures of at most SIDE x SIDE pixels out on JPEG sheets of COLUMNS x COLUMNS, in their order.

    Returns how many sheets there are; those left over from a larger report are deleted.
    """
    from PIL import Image as Pillow

    number, iterator = 0, iter(pictures)
    while batch := list(islice(iterator, COLUMNS * COLUMNS)):
        rows = -(-len(batch) // COLUMNS)
        sheet = Pillow.new("RGB", (COLUMNS * SIDE, rows * SIDE), _PAPER)
        for place, picture in enumerate(batch):
            left, top = place % COLUMNS * SIDE, place // COLUMNS * SIDE
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
        with atomic_file(folder / sheet_path(number), durable=False) as file:
            file.write(jpeg(sheet, 80, optimize=True))
        number += 1
    for path in (folder / SHEETS).glob("*.jpg"):
        if not path.stem.isdigit() or int(path.stem) >= number:
            path.unlink(missing_ok=True)
    return number
