"""Half an archive, renamed folders, labels without pictures, pictures without labels, hostile lists: clear errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import benchmark_trees as trees
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from clay_eval.evaluator.pictures.benchmarks.catalogue import BENCHMARKS
from clay_eval.evaluator.pictures.benchmarks.files import safe_name
from clay_eval.evaluator.pictures.opening import open_source
from clay_eval.schemas.errors import ClayEvalError, InputError

NAMES = sorted(trees.TREES)


def refused(name: str, folder: Path, *said: str) -> InputError:
    with pytest.raises(InputError) as caught:
        open_source(Path(f"{name}:{folder}"))
    for text in said:
        assert text in str(caught.value), str(caught.value)
    return caught.value


def some_picture(folder: Path) -> Path:
    """A listed picture (the two that stand in no list are in no tree's first place)."""
    return min(p for p in folder.rglob("*.??g") if p.name != "Abyssinian_999.jpg")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_is_missing_or_empty_says_what_to_get_and_where_it_goes(
    name: str, tmp_path: Path
) -> None:
    benchmark = BENCHMARKS[name]
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "nowhere", tmp_path / "empty"):
        error = refused(
            name, folder, "nothing is downloaded", benchmark.download[0][0], benchmark.download[0][1]
        )
        assert str(folder) in str(error.where)
        assert all(part in str(error) for part in benchmark.layout)


def test_every_file_and_folder_of_every_layout_is_missed(tmp_path: Path) -> None:
    """Rename each in turn (a picture, a list, a folder): never an answer as if nothing had happened, never a traceback."""
    checked = 0
    for name in NAMES:
        folder = trees.TREES[name](tmp_path / name)
        before = open_source(Path(f"{name}:{folder}")).fingerprint
        ignored = ("actions.txt", "train.txt", "classes.txt", "Abyssinian_999.jpg", "Abyssinian_100.mat")
        for path in sorted(folder.rglob("*")):
            if (path.name in ignored and name != "food101") or path.name == "classes.txt":
                continue
            hidden = path.with_name(f"{path.name}.away")
            path.rename(hidden)
            try:
                after = open_source(Path(f"{name}:{folder}")).fingerprint
            except InputError as error:
                after = error.what
            hidden.rename(path)
            assert after != before or path.name in ("trainval.txt", "test.txt"), path
            checked += 1
        assert open_source(Path(f"{name}:{folder}")).fingerprint == before
    assert checked > 300


@pytest.mark.parametrize("name", NAMES)
def test_half_an_archive_counts_what_is_missing(name: str, tmp_path: Path) -> None:
    folder = trees.TREES[name](tmp_path / "d")
    pictures = sorted(p for p in folder.rglob("*.??g") if p.name != "Abyssinian_999.jpg")
    for path in pictures[: len(pictures) // 2]:
        path.unlink()
    refused(name, folder, "missing")


@pytest.mark.parametrize("name", [n for n in NAMES if n != "genecis"])
def test_a_name_in_another_case_or_format_gets_a_hint(name: str, tmp_path: Path) -> None:
    folder = trees.TREES[name](tmp_path / "d")
    path = some_picture(folder)
    path.rename(path.with_name(f"{path.stem.upper()}{path.suffix.upper()}"))
    if name == "ppmi":  # there the folders are the lists: any picture's name will do
        open_source(Path(f"{name}:{folder}"))
        return
    refused(name, folder, "rename it to", path.name)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("genecis", "oxford-pets", "ppmi")])
def test_a_picture_in_no_list(name: str, tmp_path: Path) -> None:
    folder = trees.TREES[name](tmp_path / "d")
    path = some_picture(folder)
    shutil.copy(path, path.with_name(f"extra{path.suffix}"))
    refused(name, folder, "without a label", "extra")


def test_a_list_and_its_neighbour_disagree(tmp_path: Path) -> None:
    stanford = trees.stanford40(tmp_path / "s")
    (stanford / "ImageSplits" / "applauding_test.txt").unlink()
    refused("stanford40", stanford, "applauding_test.txt", "missing")
    stanford = trees.stanford40(tmp_path / "s2")
    with (stanford / "ImageSplits" / "applauding_train.txt").open("a") as stream:
        stream.write("riding_a_bike_009.jpg\n")
    refused("stanford40", stanford, "list of another action")
    stanford = trees.stanford40(tmp_path / "s3")
    with (stanford / "ImageSplits" / "applauding_train.txt").open("a") as stream:
        stream.write("applauding_001.jpg\n")
    refused("stanford40", stanford, "stands twice")


@pytest.mark.parametrize("content", [b"", b"GIF89a........", b"<html>404</html>", b"\xff\xd8"])
def test_a_file_that_is_no_picture(content: bytes, tmp_path: Path) -> None:
    folder = trees.food101(tmp_path)
    path = some_picture(folder)
    path.write_bytes(content)
    refused("food101", folder, "not a picture", str(path))


def test_a_picture_of_too_many_bytes_and_a_link_out_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trees.food101(tmp_path / "d")
    path = some_picture(folder)
    outside = tmp_path / "outside.jpg"
    path.rename(outside)
    path.symlink_to(outside)
    refused("food101", folder, "link leads out")
    path.unlink()
    outside.rename(path)
    monkeypatch.setattr("clay_eval.evaluator.pictures.benchmarks.source.MAX_BYTES", 100)
    refused("food101", folder, "too large", "at most 100 bytes")


EVIL = ("../secret", "/etc/passwd", "..\\secret", "a/../../b", "C:/x", "x\0y", "x\ny", "")


@pytest.mark.parametrize("name", EVIL)
def test_paths_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(InputError):
        safe_name(name, "list")


@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": 1}])
def test_names_that_are_no_text_are_refused(value: object) -> None:
    with pytest.raises(InputError):
        safe_name(value, "list")


@given(st.text(max_size=30))
def test_no_name_leaves_its_folder(text: str) -> None:
    try:
        name = safe_name(text, "list")
    except InputError:
        return
    base = Path("/base/folder")
    assert (base / name).is_relative_to(base)
    assert ".." not in Path(name).parts


def swap(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = next(folder.rglob(file))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def mat(file: str, **content: object) -> Callable[[Path], None]:
    return lambda folder: savemat(next(folder.rglob(file)), content)


HOSTILE: list[tuple[str, Callable[[Path], None], str]] = [
    ("stanford40", swap("applauding_train.txt", "applauding_001.jpg", "../applauding_001.jpg"), "leads out"),
    ("stanford40", swap("applauding_train.txt", "applauding_001.jpg", "/etc/passwd"), "leads out"),
    ("stanford40", swap("location_mood.csv", "file,location", "file,place"), "other columns"),
    ("stanford40", swap("location_mood.csv", "applauding_002.jpg", "../x.jpg"), "leads out"),
    ("stanford40", swap("location_mood.csv", "applauding_002.jpg", "applauding_003.jpg"), "stands twice"),
    (
        "stanford40",
        swap("location_mood.csv", "applauding_002.jpg,park,", "applauding_002.jpg,,"),
        "three filled cells",
    ),
    ("clevr4", swap("*.json", "CLEVR_new_000001", "../../CLEVR_new_000001"), "leads out"),
    ("clevr4", swap("*.json", "CLEVR_new_000001", "CLEVR_new_000000"), "stands twice"),
    ("clevr4", swap("*.json", '"count": 1,', '"count": 11,'), "not a number that fits"),
    ("clevr4", swap("*.json", '"count": 1,', '"count": 1.5,'), "not a number that fits"),
    ("clevr4", swap("*.json", '"count": 1,', '"count": true,'), "not a number that fits"),
    ("clevr4", swap("*.json", '"color": "red"', '"color": null'), "label is missing"),
    ("clevr4", swap("*.json", '"color": "red"', '"colour": "red"'), "label is missing"),
    ("clevr4", swap("*.json", "}}", "}"), "not valid JSON"),
    ("oxford-pets", swap("list.txt", "Abyssinian_1 1 1 1", "../Abyssinian_1 1 1 1"), "leads out"),
    ("oxford-pets", swap("list.txt", "Abyssinian_1 1 1 1", "Abyssinian_1 1 3 1"), "not a number that fits"),
    ("oxford-pets", swap("list.txt", "Abyssinian_1 1 1 1", "Abyssinian_1 1 2 1"), "two classes or species"),
    ("oxford-pets", swap("list.txt", "Abyssinian_1 1 1 1", "Abyssinian_1 1"), "not readable"),
    ("oxford-pets", swap("list.txt", "Abyssinian_1 1 1 1", "beagle_7 1 1 1"), "two classes or species"),
    ("flowers102", mat("imagelabels.mat", labels=np.array([[1, 103] * 6])), "not a number that fits"),
    ("flowers102", mat("imagelabels.mat", other=np.array([[1, 2]])), "without its variable"),
    (
        "flowers102",
        mat("setid.mat", trnid=np.array([[99]]), valid=np.array([[1]]), tstid=np.array([[2]])),
        "fits",
    ),
    (
        "stanford-cars",
        mat("cars_train_annos.mat", annotations=np.array([[1, 2]])),
        "without files or classes",
    ),
    ("fgvc-aircraft", swap("images_variant_test.txt", " 707-320", " 707-999"), "unknown variant"),
    ("fgvc-aircraft", swap("images_variant_test.txt", "0000013 ", "../0000013 "), "leads out"),
    ("food101", swap("train.json", '"apple_pie/1"', '"../../apple_pie/1"'), "leads out"),
    ("food101", swap("train.json", '"apple_pie/1"', "7"), "has no name"),
    ("food101", swap("train.json", "{", "["), "not valid JSON"),
    ("genecis", swap("*.json", '"image_id": "1"', '"image_id": "../1"'), "not a number that fits"),
    ("genecis", swap("*.json", '"image_id": "1"', '"image_id": "999"'), "999.jpg"),
    ("genecis", swap("*.json", '"condition": "color"', '"condition": ""'), "another form"),
    ("genecis", swap("*.json", '"condition": "color"', '"condition": 3'), "another form"),
    ("genecis", swap("*.json", "3, 9, 6]", "3, 0, 6]"), "another form"),
    ("genecis", swap("*.json", "3, 9, 6]", "3, 9]"), "another form"),
    ("genecis", swap("*.json", "3, 9, 6]", "1e300, 9, 6]"), "another form"),
]


@pytest.mark.parametrize(("name", "change", "said"), HOSTILE)
def test_hostile_and_broken_lists(
    name: str, change: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    folder = trees.TREES[name](tmp_path / "d")
    change(folder)
    refused(name, folder, said)


@pytest.mark.parametrize("place", [0, 100, 120, 150, 200])
def test_a_mat_file_of_garbage_is_an_input_error(place: int, tmp_path: Path) -> None:
    folder = trees.flowers102(tmp_path)
    path = next(folder.rglob("imagelabels.mat"))
    data = path.read_bytes()
    path.write_bytes(data[:place])
    refused("flowers102", folder)


@given(place=st.integers(0, 4000), mask=st.integers(1, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_byte_of_a_mat_file_escapes_as_a_traceback(
    place: int, mask: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "flipped"
    if not folder.exists():
        trees.stanford_cars(folder, each=2)
    path = next(folder.rglob("cars_train_annos.mat"))
    data = bytearray(path.read_bytes())
    damaged = bytearray(data)
    damaged[place % len(data)] ^= mask
    path.write_bytes(bytes(damaged))
    try:
        open_source(Path(f"stanford-cars:{folder}"))
    except ClayEvalError as error:
        assert error.what  # noqa: PT017
    finally:
        path.write_bytes(bytes(data))


def test_deep_and_huge_json(tmp_path: Path) -> None:
    folder = trees.clevr4(tmp_path)
    (folder / "clevr_4_annots.json").write_text("[" * 100_000)
    refused("clevr4", folder)
    (folder / "clevr_4_annots.json").write_text(json.dumps([1, 2]))
    refused("clevr4", folder, "no object")


def test_ppmi_needs_all_its_instruments_and_knows_no_others(tmp_path: Path) -> None:
    folder = trees.ppmi(tmp_path)
    harp = folder / "norm_image" / "play_instrument" / "harp"
    harp.rename(harp.with_name("lute"))
    refused("ppmi", folder, "no instrument", "lute")
    harp.with_name("lute").rename(tmp_path / "gone")
    refused("ppmi", folder, "the folder of harp")
