"""Small trees laid out as the published benchmarks are, for tests of their readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 24
ACTIONS = ("applauding", "riding_a_bike")
PETS = (("Abyssinian", 1, 1), ("Bengal", 6, 1), ("beagle", 5, 2), ("pug", 26, 2))
INSTRUMENTS = (
    *("bassoon", "cello", "clarinet", "erhu", "flute", "frenchhorn", "guitar", "harp", "recorder"),
    *("saxophone", "trumpet", "violin"),
)
CARS = ("Audi TT Hatchback 2011", "Ram C/V Cargo Van Minivan 2012", "smart fortwo Convertible 2012")
VARIANTS = ("707-320", "DH-82", "F-16A/B")
FOODS = ("apple_pie", "ramen")


def picture(path: Path, number: int, size: tuple[int, int] = (SIZE, SIZE)) -> Path:
    """A small picture whose colours depend on `number`, in the format of its extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    low = rng.integers(0, 255, (3, 3, 3), dtype=np.uint8)
    image = Image.fromarray(low).resize(size, Image.Resampling.NEAREST)
    image.save(path, {".png": "PNG", ".jpg": "JPEG"}[path.suffix.lower()])
    return path


def stanford40(root: Path, each: int = 4, context: bool = True) -> Path:
    """Two actions, `each` pictures a part; location_mood.csv for all but the first picture."""
    number = 0
    rows = ["file,location,mood"]
    for action in ACTIONS:
        for part in ("train", "test"):
            names = []
            for _ in range(each):
                number += 1
                names.append(f"{action}_{number:03d}.jpg")
                picture(root / "JPEGImages" / names[-1], number)
                rows.append(
                    f"{names[-1]},{('park', 'home')[number % 2]},{('calm', 'tense')[number // 2 % 2]}"
                )
            path = root / "ImageSplits" / f"{action}_{part}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(names) + "\n")
    (root / "ImageSplits" / "actions.txt").write_text("action_name\n")
    (root / "ImageSplits" / "train.txt").write_text("unused\n")
    if context:
        del rows[1]
        (root / "location_mood.csv").write_text("\n".join(rows) + "\n")
    return root


def clevr4(root: Path, count: int = 48) -> Path:
    """Drawings whose colours are those of their labels; every combination of two values of each condition."""
    colors = {"red": (220, 30, 30), "blue": (30, 60, 220)}
    annotations = {}
    for number in range(count):
        name = f"CLEVR_new_{number:06d}"
        color = list(colors)[number % 2]
        annotations[name] = {
            "shape": ("cube", "gear")[number // 2 % 2],
            "color": color,
            "texture": ("metal", "wave")[number // 4 % 2],
            "count": (1, 10)[number // 8 % 2],
            "split": "val" if number % 4 == 3 else "train",
        }
        path = root / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (SIZE, SIZE), colors[color])
        image.paste((number * 5, 200, 90), (2, 2, 4 + 10 * (number // 2 % 2), 6 + number % 5))
        image.save(path)
    (root / "clevr_4_annots.json").write_text(json.dumps(annotations))
    return root


def oxford_pets(root: Path, each: int = 6) -> Path:
    """Two breeds of each species, and a picture and a .mat that stand in no list, as in the archive."""
    home = root / "oxford-iiit-pet"
    lines = ["#Image CLASS-ID SPECIES BREED ID", "#a second comment"]
    parts: dict[str, list[str]] = {"trainval": [], "test": []}
    for place, (breed, number, species) in enumerate(PETS):
        for i in range(1, each + 1):
            line = f"{breed}_{i} {number} {species} {1 + place % 2}"
            lines.append(line)
            parts["test" if i % 3 == 0 else "trainval"].append(line)
            picture(home / "images" / f"{breed}_{i}.jpg", 100 * place + i)
    picture(home / "images" / "Abyssinian_999.jpg", 999)
    (home / "images" / "Abyssinian_100.mat").write_bytes(b"\0")
    (home / "annotations").mkdir()
    (home / "annotations" / "list.txt").write_text("\n".join(lines) + "\n")
    for part, some in parts.items():
        (home / "annotations" / f"{part}.txt").write_text("\n".join(some) + "\n")
    return root


def ppmi(root: Path, each: int = 1) -> Path:
    """All twelve instruments, `each` picture a folder."""
    number = 0
    for kind in ("play_instrument", "with_instrument"):
        for instrument in INSTRUMENTS:
            for part in ("train", "test"):
                for i in range(each):
                    number += 1
                    name = f"Hum_{i:03d}.jpg"
                    picture(root / "norm_image" / kind / instrument / part / name, number)
    return root


def flowers102(root: Path, count: int = 12) -> Path:
    """Two flowers; the numbers are dealt to the three parts."""
    from scipy.io import savemat

    home = root / "flowers-102"
    for number in range(1, count + 1):
        picture(home / "jpg" / f"image_{number:05d}.jpg", number)
    labels = [77 if number % 2 else 1 for number in range(1, count + 1)]
    savemat(home / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    numbers = np.arange(1, count + 1, dtype=np.uint16)
    dealt = {"trnid": numbers[0::3], "valid": numbers[1::3], "tstid": numbers[2::3]}
    savemat(home / "setid.mat", {name: some[None] for name, some in dealt.items()})
    return root


def stanford_cars(root: Path, each: int = 6) -> Path:
    """Three cars, of which one has a / in its name; both parts count their files from 1, as they do."""
    from scipy.io import savemat

    home = root / "stanford_cars"
    for part, path in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = []
        for number in range(1, each + 1):
            name = f"{number:05d}.jpg"
            picture(home / f"cars_{part}" / name, number + 1000 * (part == "test"))
            rows.append((1, 2, 3, 4, 1 + number % 3, name))
        kind = [(n, object) for n in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        savemat(home / path, {"annotations": _records(rows, kind)})
    savemat(home / "devkit" / "cars_meta.mat", {"class_names": np.array([list(CARS)], dtype=object)})
    return root


def _records(rows: list[tuple[Any, ...]], kind: list[tuple[str, Any]]) -> np.ndarray[Any, Any]:
    found = np.empty((1, len(rows)), dtype=kind)
    for place, row in enumerate(rows):
        found[0, place] = row
    return found


def fgvc_aircraft(root: Path, each: int = 4) -> Path:
    """Three variants, of which one has a / in its name."""
    data = root / "fgvc-aircraft-2013b" / "data"
    number = 0
    for part in ("trainval", "test"):
        lines = []
        for variant in VARIANTS:
            for _ in range(each):
                number += 1
                lines.append(f"{number:07d} {variant}")
                picture(data / "images" / f"{number:07d}.jpg", number)
        (data / f"images_variant_{part}.txt").write_text("\n".join(lines) + "\n")
    (data / "variants.txt").write_text("\n".join(VARIANTS) + "\n")
    return root


def food101(root: Path, each: int = 4) -> Path:
    """Two foods."""
    home = root / "food-101"
    (home / "meta").mkdir(parents=True)
    number = 0
    for part in ("train", "test"):
        found: dict[str, list[str]] = {}
        for food in FOODS:
            for _ in range(each):
                number += 1
                found.setdefault(food, []).append(f"{food}/{number}")
                picture(home / "images" / food / f"{number}.jpg", number)
        (home / "meta" / f"{part}.json").write_text(json.dumps(found))
    (home / "meta" / "classes.txt").write_text("\n".join(FOODS) + "\n")
    return root


def genecis(root: Path, queries: int = 6, gallery: int = 4) -> Path:
    """Queries by colour and material over 20 pictures; one gallery of another length, one that holds its target twice."""
    for number in range(1, 21):
        picture(root / ("VG_100K" if number % 2 else "VG_100K_2") / f"{number}.jpg", number, (40, 30))
    entries = []
    for number in range(queries):
        numbers = [1 + (number * 3 + i) % 20 for i in range(gallery + 2)]
        items = [{"image_id": str(n), "instance_bbox": [n % 7, 3, 8 + n % 5, 6]} for n in numbers]
        entries.append(
            {
                "reference": items[0],
                "target": items[1],
                "condition": ("color", "material")[number % 2],
                "gallery": items[2:],
            }
        )
    entries[1]["gallery"] = [*entries[1]["gallery"][:-1], entries[1]["target"]]
    entries.append({**entries[0], "gallery": entries[0]["gallery"][:-1]})
    (root / "focus_attribute.json").write_text(json.dumps(entries))
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "stanford40": stanford40,
    "clevr4": clevr4,
    "oxford-pets": oxford_pets,
    "ppmi": ppmi,
    "flowers102": flowers102,
    "stanford-cars": stanford_cars,
    "fgvc-aircraft": fgvc_aircraft,
    "food101": food101,
    "genecis": genecis,
}
"""Name of a benchmark -> what builds a small tree of it in a folder, and returns the folder."""
