"""Oxford-IIIT Pet as two data sets, cats and dogs, each by breed.

    images/<Breed>_<number>.jpg
    annotations/list.txt                    name, class 1 to 37, species (1 cat, 2 dog), breed within the species
    annotations/trainval.txt, test.txt      may be there: the same columns

The archive of pictures holds more of them than the list: these are left out.
"""

from __future__ import annotations

from pathlib import Path

from .benchmark import Benchmark, Listing, Picture
from .files import check_pictures, lines, safe_name, whole_number

CATS, DOGS = "oxford-pets-cat", "oxford-pets-dog"
_SPECIES = {1: CATS, 2: DOGS}
_CLASSES = 37


def read(benchmark: Benchmark, folder: Path) -> Listing:
    """Raises InputError for lines that are not four columns, breeds with two numbers or species, and as `check_pictures`."""
    root = benchmark.root(folder, "images", "annotations", "annotations/list.txt")
    tags = _tags(benchmark, root / "annotations")
    entities: dict[str, list[Picture]] = {CATS: [], DOGS: []}
    meaning: dict[str, tuple[int, int]] = {}
    numbers: dict[int, str] = {}
    for where, line in lines(root / "annotations" / "list.txt", benchmark):
        cells = line.split()
        if len(cells) != 4:
            benchmark.wrong("a line of the list is not readable", where, "name class species breed", line)
        name = safe_name(cells[0], where)
        number = whole_number(cells[1], where, 1, _CLASSES)
        species = whole_number(cells[2], where, 1, 2)
        breed = name.rpartition("_")[0]
        if "/" in name or not breed:
            benchmark.wrong("a name without its breed", where, "Breed_number", name)
        if (
            meaning.setdefault(breed, (number, species)) != (number, species)
            or numbers.setdefault(number, breed) != breed
        ):
            benchmark.wrong("a breed with two classes or species", where, f"{breed} {meaning[breed]}", line)
        picture = Picture(
            f"images/{name}.jpg", {"breed": breed.replace("_", " ")}, tags.get(name, frozenset())
        )
        entities[_SPECIES[species]].append(picture)
    everything = [picture for group in entities.values() for picture in group]
    unlisted = check_pictures(benchmark, root, everything, ["images"], strict=False)
    for name, group in entities.items():
        if not group:
            benchmark.wrong(f"the list holds nothing of {name}", root / "annotations" / "list.txt")
    return Listing(root, entities, unlisted)


def _tags(benchmark: Benchmark, folder: Path) -> dict[str, frozenset[str]]:
    found = {}
    for part in ("trainval", "test"):
        if (folder / f"{part}.txt").is_file():
            for _, line in lines(folder / f"{part}.txt", benchmark):
                found[line.split()[0]] = frozenset((part,))
    return found
