"""People Playing Musical Instruments, the normalised pictures: people who play an instrument, or only hold it.

norm_image/{play_instrument,with_instrument}/<instrument>/{train,test}/*.jpg
"""

from __future__ import annotations

import re
from pathlib import Path

from .benchmark import Benchmark, Listing, Picture
from .files import PICTURE_SUFFIXES, check_pictures

INSTRUMENTS = (
    *("bassoon", "cello", "clarinet", "erhu", "flute", "french horn", "guitar", "harp", "recorder"),
    *("saxophone", "trumpet", "violin"),
)
_KINDS = {"play_instrument": "play", "with_instrument": "with"}
_PARTS = ("train", "test")
_BY_LETTERS = {name.replace(" ", ""): name for name in INSTRUMENTS}


def read(benchmark: Benchmark, folder: Path) -> Listing:
    """Raises InputError for an instrument that is missing or unknown, and for an empty folder of one."""
    root = benchmark.root(folder, "norm_image", *(f"norm_image/{kind}" for kind in _KINDS))
    pictures = []
    for kind, tag in _KINDS.items():
        place = root / "norm_image" / kind
        found = {_instrument(benchmark, path): path for path in sorted(place.iterdir()) if path.is_dir()}
        if missing := [name for name in INSTRUMENTS if name not in found]:
            benchmark.missing(f"the folder of {', '.join(missing)}", place, sorted(found))
        for instrument in INSTRUMENTS:
            for part in _PARTS:
                files = sorted(
                    path
                    for path in (found[instrument] / part).glob("*")
                    if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
                )
                if not files:
                    benchmark.missing(f"{instrument}/{part}", found[instrument] / part)
                pictures += [
                    Picture(
                        path.relative_to(root).as_posix(),
                        {"instrument": instrument},
                        frozenset((tag, part)),
                        f"{tag}-{instrument}-{part}-{path.stem}".replace(" ", "-"),
                    )
                    for path in files
                ]
    unlisted = check_pictures(benchmark, root, pictures, [f"norm_image/{kind}" for kind in _KINDS])
    return Listing(root, {"ppmi": pictures}, unlisted)


def _instrument(benchmark: Benchmark, path: Path) -> str:
    letters = re.sub(r"[^a-z]", "", path.name.lower())
    if letters not in _BY_LETTERS:
        benchmark.wrong("a folder that is no instrument's", path, list(INSTRUMENTS), path.name)
    return _BY_LETTERS[letters]
