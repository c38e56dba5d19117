"""Flowers102, Stanford Cars, FGVC-Aircraft and Food-101 as torchvision's readers expect them on a disk.

torchvision's own readers decode without looking at a picture's size, trust the paths in the lists, and keep the names of
files to themselves; so the lists are read here. Tests hold both beside each other.
"""

from __future__ import annotations

from pathlib import Path

from .benchmark import Benchmark, Listing, Picture
from .class_names import FLOWERS
from .files import check_pictures, lines, load_json, load_mat, safe_name, whole_number

_FLOWER_PARTS = {"train": "trnid", "val": "valid", "test": "tstid"}


def read_flowers(benchmark: Benchmark, folder: Path) -> Listing:
    """jpg/image_00001.jpg, ..., imagelabels.mat (a class 1 to 102 for each), setid.mat (the numbers of each part)."""
    root = benchmark.root(folder, "jpg", "imagelabels.mat", "setid.mat")
    labels = load_mat(root / "imagelabels.mat", "labels", benchmark)
    parts = {}
    for part, variable in _FLOWER_PARTS.items():
        for number in load_mat(root / "setid.mat", variable, benchmark):
            where = f"{root / 'setid.mat'}: {variable}"
            parts[whole_number(number, where, 1, len(labels))] = part
    pictures = []
    for number, label in enumerate(labels, 1):
        place = whole_number(label, f"{root / 'imagelabels.mat'} entry {number}", 1, len(FLOWERS))
        tags = frozenset((parts[number],)) if number in parts else frozenset()
        pictures.append(Picture(f"jpg/image_{number:05d}.jpg", {"flower": FLOWERS[place - 1]}, tags))
    return Listing(root, {"flowers102": pictures}, check_pictures(benchmark, root, pictures, ["jpg"]))


def read_cars(benchmark: Benchmark, folder: Path) -> Listing:
    """cars_train/, cars_test/, devkit/cars_meta.mat, devkit/cars_train_annos.mat, cars_test_annos_withlabels.mat."""
    root = benchmark.root(
        folder,
        *("cars_train", "cars_test", "devkit", "devkit/cars_meta.mat", "devkit/cars_train_annos.mat"),
        "cars_test_annos_withlabels.mat",
    )
    meta = root / "devkit" / "cars_meta.mat"
    classes = load_mat(meta, "class_names", benchmark)
    if not all(isinstance(name, str) and name.strip() for name in classes):
        benchmark.wrong("a class without a name", meta, "texts", str(classes)[:100])
    pictures = []
    for part, path in (
        ("train", root / "devkit" / "cars_train_annos.mat"),
        ("test", root / "cars_test_annos_withlabels.mat"),
    ):
        for number, entry in enumerate(load_mat(path, "annotations", benchmark), 1):
            where = f"{path} entry {number}"
            if not isinstance(entry, dict) or not {"fname", "class"} <= set(entry):
                benchmark.wrong(
                    "annotations without files or classes", where, "fname, class", str(entry)[:100]
                )
            name = safe_name(entry["fname"], where)
            place = whole_number(_only(entry["class"]), where, 1, len(classes))
            key = f"{part}-{Path(name).stem}"
            pictures.append(
                Picture(f"cars_{part}/{name}", {"car": classes[place - 1]}, frozenset((part,)), key)
            )
    unlisted = check_pictures(benchmark, root, pictures, ["cars_train", "cars_test"])
    return Listing(root, {"stanford-cars": pictures}, unlisted)


def read_aircraft(benchmark: Benchmark, folder: Path) -> Listing:
    """data/images/<number>.jpg, data/variants.txt, data/images_variant_{trainval,test}.txt (number and variant a line)."""
    root = benchmark.root(
        folder,
        *("data", "data/images", "data/variants.txt"),
        *("data/images_variant_trainval.txt", "data/images_variant_test.txt"),
    )
    variants = {line for _, line in lines(root / "data" / "variants.txt", benchmark)}
    pictures = []
    for part in ("trainval", "test"):
        for where, line in lines(root / "data" / f"images_variant_{part}.txt", benchmark):
            name, _, variant = line.partition(" ")
            if variant not in variants:
                benchmark.wrong("an unknown variant", where, "one of variants.txt", variant or line)
            file = f"data/images/{safe_name(name, where)}.jpg"
            pictures.append(Picture(file, {"aircraft": variant}, frozenset((part,))))
    unlisted = check_pictures(benchmark, root, pictures, ["data/images"])
    return Listing(root, {"fgvc-aircraft": pictures}, unlisted)


def read_food(benchmark: Benchmark, folder: Path) -> Listing:
    """images/<class>/<number>.jpg, meta/train.json and meta/test.json ({class: ["class/number", ...]})."""
    root = benchmark.root(folder, "images", "meta", "meta/train.json", "meta/test.json")
    pictures = []
    for part in ("train", "test"):
        path = root / "meta" / f"{part}.json"
        found = load_json(path, benchmark)
        if not isinstance(found, dict) or not all(isinstance(names, list) for names in found.values()):
            benchmark.wrong("not a list of pictures for each food", path, '{"food": ["food/1", ...]}')
        for food, names in found.items():
            for name in names:
                plain = safe_name(name, f"{path} at {food[:100]!r}")
                labels = {"food": food.replace("_", " ")}
                pictures.append(
                    Picture(f"images/{plain}.jpg", labels, frozenset((part,)), plain.replace("/", "-"))
                )
    return Listing(root, {"food101": pictures}, check_pictures(benchmark, root, pictures, ["images"]))


def _only(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
