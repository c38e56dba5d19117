"""Contact sheets of a shards folder: what is on them, what they weigh, and what is refused or shown as a gap."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import complaints, press, visit
from PIL import Image
from playwright.sync_api import Page, expect

from clay_eval.generator.review import sheets
from clay_eval.generator.review.journal import write_journal
from clay_eval.generator.review.sheets import write_review
from clay_eval.generator.review.thumbnails import Sides, large_path, small_path
from clay_eval.schemas import pages
from clay_eval.schemas.errors import BusyError, InputError, IntegrityError
from clay_eval.schemas.files import locked
from clay_eval.schemas.manifest import Provenance, Tally, read_manifest, write_manifest
from clay_eval.schemas.shards import ShardSample, write_shard

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
ENTITIES = {
    "thing": {"attributes": ["color", "shape"], "parents": {}, "diversity": ["view"], "spec": "0" * 64}
}
COLORS = ("blue", "green", "red")


def encoded(number: int, side: int = 48) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side // 2), (number % 256, 80, 80)).save(stream, "PNG")
    return stream.getvalue()


def sample(number: int, image: bytes, **fields: Any) -> ShardSample:
    record = {
        "key": f"thing-{number:05d}",
        "entity": "thing",
        "labels": {"color": COLORS[number % 3], "shape": f"shape {number % 50}"},
        "diversity": {"view": "side"},
        "prompt": f"a photo of thing number {number}, seen from the side, in dim light, at a medium distance",
        "negative_prompt": "blurry, text",
        "seed": 2**53 - number,
        "attempt": 1,
        "scores": {"color": 0.123456},
        "rejected": [],
        "failed": [],
        **fields,
    }
    return ShardSample(record["key"], "png", image, record)


def shards_of(folder: Path, inside: list[ShardSample], outside: list[ShardSample]) -> Path:
    write_shard(folder / "thing-test-00000.tar", inside)
    if outside:
        write_shard(folder / "quarantine" / "thing-test-00000.tar", outside)
    planned = Tally()
    for one in (*inside, *outside):
        planned.add("thing", one.record["labels"], one.record["diversity"])
    provenance = Provenance("0" * 64, {"type": "fake"}, {"type": "fake"}, 3, planned)
    write_manifest(folder, ["thing-test-00000.tar"], ENTITIES, provenance)
    return folder


def table(page: Path, name: str = "table") -> Any:
    text = page.read_text("utf-8")
    return json.loads(re.findall(rf'id="{name}">(.*?)</script>', text, re.S)[0])


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Nine pictures, the last two of them quarantined: one by a judge, one by hand."""
    inside = [sample(n, encoded(n)) for n in range(7)]
    why = ["attempt 1: shape reads as round", "attempt 2: color reads as blue"]
    outside = [
        sample(7, encoded(7, 16), rejected=why, failed=["shape", "color"]),
        sample(8, encoded(8), rejected=[*why, "by hand: two things"], failed=["shape", "color"]),
    ]
    return shards_of(tmp_path / "shards", inside, outside)


def test_every_picture_is_there_with_what_is_said_of_it(shards: Path, tmp_path: Path) -> None:
    calls: list[int] = []
    made = write_review(shards, tmp_path / "review", Sides(32, 40), calls.append)
    assert (made.pictures, made.quarantined, made.unreadable) == (9, 2, 0)
    assert calls == [1] * 9
    shown, details = table(made.page), table(made.page, "details")
    assert shown["manifest"] == read_manifest(shards)["fingerprint"]
    assert [row[0] for row in shown["rows"]] == [f"thing-{n:05d}" for n in range(9)]
    assert [shown["strings"][row[2]] for row in shown["rows"]] == [COLORS[n % 3] for n in range(9)]
    assert shown["failed"] == {"7": "color", "8": "by hand"}
    assert shown["reasons"]["8"][-1] == "by hand: two things"
    assert shown["sizes"] == [[48, 24, 1]] * 7 + [[16, 8, 0], [48, 24, 1]]
    assert (
        details[3][0] == "a photo of thing number 3, seen from the side, in dim light, at a medium distance"
    )
    assert details[3][3] == str(2**53 - 3), "a seed is not rounded"
    assert details[3][5] == {"color": 0.1235}
    folder = made.page.parent / shown["pictures"]
    for number in range(9):
        with Image.open(folder / small_path(number)) as small:
            assert (small.format, small.size) == ("JPEG", (16, 8) if number == 7 else (32, 16))
            red, _, _ = small.convert("RGB").getpixel((4, 4))  # type: ignore[misc]
            assert abs(red - number) < 12
        assert (folder / large_path(number)).exists() == (number != 7)
    with Image.open(folder / large_path(0)) as large:
        assert large.size == (40, 20)


def test_made_again_the_sheets_are_the_same_and_old_ones_go(shards: Path, tmp_path: Path) -> None:
    def tree() -> dict[str, bytes]:
        folder = tmp_path / "review"
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    write_review(shards, tmp_path / "review")
    before = tree()
    (tmp_path / "review" / ".building").mkdir()
    (tmp_path / "review" / ".building" / "left").write_text("by a run that was killed")
    write_review(shards, tmp_path / "review")
    assert tree() == before
    write_review(shards, tmp_path / "review", Sides(20, 40))
    folders = {name.split("/")[0] for name in tree()}
    assert folders == {".lock", "index.html", table(tmp_path / "review" / "index.html")["pictures"]}
    assert not folders & {name.split("/")[0] for name in before if name.startswith("pictures-")}


def test_a_picture_that_cannot_be_decoded_is_a_gap_that_says_why(tmp_path: Path) -> None:
    whole = encoded(1)
    images = [encoded(0), whole[: len(whole) // 2], b"GIF89a", encoded(3)]
    shards = shards_of(tmp_path / "shards", [sample(n, image) for n, image in enumerate(images)], [])
    made = write_review(shards, tmp_path / "review")
    assert made.unreadable == 2
    assert sorted(table(made.page)["faults"]) == ["1", "2"]


def test_damaged_shards_are_refused(shards: Path, tmp_path: Path) -> None:
    tar = shards / "quarantine" / "thing-test-00000.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(IntegrityError, match="not what the manifest says"):
        write_review(shards, tmp_path / "review")
    assert not (tmp_path / "review" / "index.html").exists()


def test_half_applied_unfinished_or_busy(shards: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "review"), pytest.raises(BusyError):
        write_review(shards, tmp_path / "review")
    write_journal(shards, "0" * 64, read_manifest(shards))
    with pytest.raises(IntegrityError, match="half applied"):
        write_review(shards, tmp_path / "review")
    with pytest.raises(InputError, match="no shards here"):
        write_review(tmp_path / "nothing", tmp_path / "review")


@pytest.mark.parametrize("sides", [(8, 100), (100, 50), (100, 9999)])
def test_sizes_that_cannot_be(shards: Path, tmp_path: Path, sides: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="sizes"):
        write_review(shards, tmp_path / "review", Sides(*sides))


def test_texts_from_shards_cannot_break_out(tab: Page, tmp_path: Path) -> None:
    evil: dict[str, Any] = {
        "prompt": HOSTILE,
        "negative_prompt": HOSTILE,
        "seed": HOSTILE,
        "attempt": [HOSTILE],
    }
    evil |= {"scores": {HOSTILE: 1.0, "nan": None}, "labels": {"color": HOSTILE, "shape": HOSTILE}}
    evil |= {"diversity": {"view": HOSTILE}, "rejected": [HOSTILE, 5], "failed": [HOSTILE]}
    inside, outside = [sample(0, encoded(0), **evil)], [sample(1, encoded(1), **evil)]
    made = write_review(shards_of(tmp_path / "shards", inside, outside), tmp_path / "review")
    assert made.page.read_text("utf-8").count("<script") == 3
    visit(tab, made.page)
    press(tab, "Enter")
    assert tab.locator("#large").inner_text().count("onerror") >= 6
    press(tab, "Enter")
    tab.locator("#grouping").select_option("quarantine")
    press(tab, "Enter")
    assert tab.locator("#large").inner_text().count("onerror") >= 6
    assert tab.evaluate("typeof window.hacked") == "undefined"
    expect(tab.locator("script")).to_have_count(3)
    images = tab.locator("img").all()
    assert images
    for image in images:
        expect(image).not_to_have_js_property("naturalWidth", 0)
    assert complaints(tab) == []


def test_two_thousand_pictures_stay_light(tmp_path: Path) -> None:
    image = encoded(0, 160)
    shards = shards_of(tmp_path / "shards", [sample(n, image) for n in range(2000)], [])
    made = write_review(shards, tmp_path / "review")
    assert made.page.stat().st_size < 2000 * 400 + 60_000
    pictures = list(made.page.parent.rglob("*.jpg"))
    assert len(pictures) == 2000
    assert {p.parent.name for p in pictures} == {"0", "1"}


def test_the_pages_script_is_the_one_its_policy_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = set()
    for change in ("", "// another"):
        read = pages.template
        monkeypatch.setattr(
            pages,
            "template",
            lambda package, name, r=read, c=change: r(package, name) + c * name.endswith(".js"),
        )
        policies.add(re.findall(r"sha256-[^']+", sheets.render_page({}, []))[0])
        monkeypatch.undo()
    assert len(policies) == 2
