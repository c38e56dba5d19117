"""The page in a browser: query, sliders, keys, selections, the address; wide and narrow, light and dark."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import complaints, new_tab, press
from explore_world import HOSTILE, collection, explorer, features, png, served, workbench
from playwright.sync_api import Browser, Locator, Page, expect

from clay_eval.evaluator.explore.conditions import Worded, of_values
from clay_eval.evaluator.explore.missing import GivenTexts
from clay_eval.evaluator.explore.workbench import Workbench
from clay_eval.generator.review.decisions import read_decisions
from clay_eval.schemas.texts import load_texts


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    with served(explorer(folder=tmp_path / "kept")) as address:
        yield address


def opened(tab: Page, address: str, view: str = "") -> Page:
    """The page, once neighbours and map are there."""
    tab.goto(address + view)
    tab.wait_for_selector("body[data-answers][data-maps]")
    return tab


def order(tab: Page, number: int = 0) -> list[int]:
    """Rows of the neighbours by one method."""
    rows = tab.eval_on_selector_all(f"#list-{number} .tile", "tiles => tiles.map(t => Number(t.dataset.row))")
    return [int(row) for row in rows]


def slider(tab: Page, name: str) -> Locator:
    return tab.get_by_role("slider", name=name)


def asked(tab: Page, text: str) -> None:
    expect(tab.locator("#asked")).to_have_text(text)


def test_a_query_by_click_by_name_and_by_a_dropped_picture(tab: Page, place: str, tmp_path: Path) -> None:
    opened(tab, place)
    second = tab.locator("#list-0 .tile").nth(1)
    row = int(second.get_attribute("data-row") or -1)
    second.click()
    expect(tab.locator("body")).to_have_attribute("data-query", f"p{row:03d}")
    assert f"q=p{row:03d}" in tab.url

    tab.get_by_role("combobox", name="Find a picture by its name").fill("green box")
    tab.get_by_role("option", name="green box 9.png", exact=True).click()
    expect(tab.locator("#query-name")).to_have_text("green box 9.png")

    (tmp_path / "mine.png").write_bytes(png("blue"))
    tab.locator("#drop").set_input_files(tmp_path / "mine.png")
    expect(tab.locator("#query-name")).to_have_text("mine.png")
    expect(tab.locator("#list-0 .tile").first).to_have_attribute("aria-label", re.compile("color blue"))

    tab.go_back()
    expect(tab.locator("#query-name")).to_have_text("green box 9.png")
    assert complaints(tab) == []


def test_sliders_reorder_both_methods_and_the_address_follows(tab: Page, place: str) -> None:
    opened(tab, place)
    asked(tab, "Alike in color")
    before = order(tab)
    slider(tab, "color").fill("0")
    asked(tab, "Alike in general")
    slider(tab, "shape").fill("0.8")
    asked(tab, "Alike in shape")
    expect(tab.locator("#list-0 .chip.same").first).to_be_visible()
    assert order(tab) != before
    slider(tab, "color").fill("-0.5")
    asked(tab, "Alike in shape, regardless of color")
    assert slider(tab, "color").get_attribute("aria-valuetext") == "regardless 50 %"
    assert "shape%3D0.8" in tab.url
    assert "color%3D-0.5" in tab.url
    tab.get_by_role("combobox", name="Second method").select_option("label-posterior")
    expect(tab.locator("#list-1")).to_have_attribute("aria-label", "Neighbours by label-posterior")
    assert complaints(tab) == []


def test_a_view_is_sent_by_its_address(browser: Browser, place: str) -> None:
    with new_tab(browser) as first:
        opened(first, place)
        slider(first, "shape").fill("0.35")
        asked(first, "Alike in color and shape")
        third = first.locator("#list-0 .tile").nth(2)
        row = int(third.get_attribute("data-row") or -1)
        third.click()
        expect(first.locator("body")).to_have_attribute("data-query", f"p{row:03d}")
        first.get_by_label("Show").select_option("12")
        expect(first.locator("#list-0 .tile")).to_have_count(12)
        first.get_by_label("Colour").select_option("label:shape")
        view, rows, query = (
            "#" + first.url.partition("#")[2],
            order(first),
            first.locator("#query-name").inner_text(),
        )
    with new_tab(browser) as second:
        opened(second, place, view)
        expect(second.locator("#query-name")).to_have_text(query)
        expect(second.locator("#list-0 .tile")).to_have_count(12)
        assert order(second) == rows
        assert second.locator("#colour").input_value() == "label:shape"
        assert "#" + second.url.partition("#")[2] == view


@pytest.mark.parametrize(
    "view",
    [
        "#",
        "#e=nothing&q=none&w=x%3D1&m=a|b&n=-3&c=zzz",
        "#w=%E0%A4%A&q=%",
        "#<script>alert(1)</script>",
        "#w=color%3DInfinity",
    ],
)
def test_an_address_that_makes_no_sense_still_opens(tab: Page, place: str, view: str) -> None:
    opened(tab, place, view)
    expect(tab.locator("#list-0 .tile")).to_have_count(24)
    assert [line for line in complaints(tab) if "alert" in line] == []


def test_everything_by_keyboard(tab: Page, place: str) -> None:
    opened(tab, place)
    press(tab, "/")
    tab.keyboard.type("red disc 12")
    expect(tab.locator("#found [role=option]")).to_have_count(1)
    press(tab, "Enter")
    expect(tab.locator("#query-name")).to_have_text("red disc 12.png")
    tab.locator("h1").click()
    press(tab, "2", "ArrowRight", "ArrowRight")
    expect(slider(tab, "shape")).to_be_focused()
    assert float(slider(tab, "shape").input_value()) == pytest.approx(0.1)
    asked(tab, "Alike in color and shape")
    press(tab, "0")
    asked(tab, "Alike in general")
    press(tab, "a", "ArrowRight", "ArrowDown", "ArrowUp", "End", "Home")
    expect(tab.locator("#list-0 .tile").first).to_be_focused()
    press(tab, "Space")
    expect(tab.locator("#list-0 .tile").first).to_have_attribute("aria-selected", "true")
    expect(tab.locator("#selected")).to_have_text("1")
    chosen = order(tab)[0]
    press(tab, "Enter")
    expect(tab.locator("body")).to_have_attribute("data-query", f"p{chosen:03d}")
    press(tab, "x")
    expect(tab.locator("#selection")).to_be_hidden()
    press(tab, "s")
    expect(tab.locator("#selection")).to_be_visible()
    press(tab, "x", "m", "+", "+", "ArrowLeft", "f", "v")
    expect(tab.locator("body")).not_to_have_attribute("data-selected", "0")
    press(tab, "?")
    expect(tab.get_by_role("dialog", name="Keys")).to_be_visible()
    press(tab, "Escape", "n")
    expect(tab.get_by_role("dialog", name="New condition")).to_be_visible()
    assert complaints(tab) == []


def test_why_is_told_of_the_neighbour_that_has_the_focus(tab: Page, place: str) -> None:
    opened(tab, place)
    tab.locator("#list-0 .tile").first.focus()
    expect(tab.locator("#why-values .reason")).to_have_count(2)
    expect(tab.locator("#why-values")).to_contain_text("same:")
    expect(tab.locator("#why-values .reason").first.get_by_role("rowheader").first).to_be_visible()


def canvas_box(tab: Page) -> dict[str, float]:
    box = tab.locator("#map").bounding_box()
    assert box is not None
    return dict(box)


def lasso(tab: Page, share: float = 0.98) -> None:
    """Draw around the whole map."""
    tab.locator("#map").scroll_into_view_if_needed()
    box = canvas_box(tab)
    left, top = box["x"] + box["width"] * (1 - share), box["y"] + box["height"] * (1 - share)
    right, bottom = box["x"] + box["width"] * share, box["y"] + box["height"] * share
    tab.mouse.move(left, top)
    tab.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        tab.mouse.move(x, y, steps=4)
    tab.mouse.up()


def test_a_lasso_selects_and_the_selection_is_saved(tab: Page, place: str, tmp_path: Path) -> None:
    opened(tab, place)
    tab.get_by_role("button", name="Lasso").click()
    lasso(tab)
    expect(tab.locator("#selected")).to_have_text("36")
    with tab.expect_download() as keys:
        tab.get_by_role("button", name="Keys (CSV)").click()
    keys.value.save_as(tmp_path / "keys.csv")
    rows = list(csv.DictReader((tmp_path / "keys.csv").open()))
    assert [row["key"] for row in rows] == list(collection().keys)

    tab.get_by_role("button", name="Remove…").click()
    tab.get_by_role("textbox", name="Reason").fill("wrong color")
    with tab.expect_download() as decided:
        tab.get_by_role("button", name="Save decisions.json").click()
    assert decided.value.suggested_filename == "decisions.json"
    decided.value.save_as(tmp_path / "decisions.json")
    assert len(read_decisions(tmp_path / "decisions.json").removed) == 36
    tab.get_by_role("button", name="Clear").click()
    expect(tab.locator("#selection")).to_be_hidden()
    assert complaints(tab) == []


def test_the_map_is_moved_zoomed_and_clicked(tab: Page, place: str) -> None:
    opened(tab, place)
    tab.locator("#map").scroll_into_view_if_needed()
    tab.get_by_role("button", name="Zoom in").click()
    tab.evaluate("fitMap()")
    before = tab.evaluate("[view.x, view.y, view.zoom]")
    box = canvas_box(tab)
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.wheel(0, -300)
    expect(tab.locator("#map")).to_be_visible()
    assert tab.evaluate("view.zoom") > before[2]
    tab.mouse.down()
    tab.mouse.move(box["x"] + 20, box["y"] + 20, steps=3)
    tab.mouse.up()
    assert tab.evaluate("view.x") != before[0]
    tab.get_by_role("button", name="Fit").click()
    assert tab.evaluate("[view.x, view.y, view.zoom]") == before
    tab.evaluate("document.querySelectorAll('*').forEach(e => e.getAnimations().forEach(a => a.finish()))")
    point = tab.evaluate(
        "(() => { const i = 7; const [x, y] = toScreen(plane.x[i], plane.y[i]); return [x, y, rowOf(pointAt(x, y))]; })()"
    )
    box = canvas_box(tab)
    tab.mouse.click(box["x"] + point[0], box["y"] + point[1])
    expect(tab.locator("body")).to_have_attribute("data-query", f"p{point[2]:03d}")


def test_a_legend_selects_all_of_a_value(tab: Page, place: str) -> None:
    opened(tab, place)
    tab.get_by_label("Colour").select_option("label:shape")
    tab.locator("#legend").get_by_role("button", name="box").click()
    expect(tab.locator("#selected")).to_have_text("18")


def test_a_condition_is_typed_edited_kept_and_downloaded(tab: Page, place: str, tmp_path: Path) -> None:
    opened(tab, place)
    tab.get_by_role("button", name="New condition").click()
    dialog = tab.get_by_role("dialog", name="New condition")
    dialog.get_by_label("Name").fill("mood")
    dialog.get_by_label("Values").fill("calm")
    dialog.get_by_role("button", name="Add it").click()
    expect(dialog.get_by_role("alert")).to_contain_text("single value")
    dialog.get_by_label("Values").fill("calm, wild, <b>odd</b>")
    dialog.get_by_role("button", name="Add it").click()
    expect(dialog).to_be_hidden()
    asked(tab, "Alike in color and mood")
    assert "mood" in tab.url

    tab.get_by_role("button", name="texts of mood").click()
    texts = tab.get_by_role("dialog", name="Texts of mood")
    expect(texts.get_by_label("text", exact=True)).to_have_count(3)
    texts.get_by_label("text", exact=True).first.fill("a calm and quiet thing")
    texts.get_by_role("button", name="remove this text").last.click()
    texts.get_by_role("button", name="Use these texts").click()
    expect(texts).to_be_hidden()

    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Download texts").click()
    saved.value.save_as(tmp_path / "texts.json")
    items = load_texts(tmp_path / "texts.json").conditions["mood"]
    assert [(item.value, item.text) for item in items] == [
        ("calm", "a calm and quiet thing"),
        ("wild", "a photo of wild"),
    ]
    tab.get_by_role("button", name="Keep texts").click()
    expect(tab.get_by_role("button", name="Kept")).to_be_visible()
    assert "mood" in load_texts(tmp_path / "kept" / "texts-things.json").conditions

    tab.get_by_role("button", name="texts of mood").click()
    texts.get_by_role("button", name="Remove the condition").click()
    asked(tab, "Alike in color")
    assert complaints(tab) == [] or all("400" in line for line in complaints(tab))


def test_hostile_names_and_values_are_text(tab: Page, place: str) -> None:
    opened(tab, place, "#q=p000")
    expect(tab.locator("#query-name")).to_have_text(HOSTILE.replace("\u202e", " "))
    tab.locator("#find").fill("onerror")
    expect(tab.locator("#found [role=option]")).to_have_count(1)
    assert tab.locator("img[onerror]").count() == 0
    assert complaints(tab) == []


def test_pictures_without_labels_begin_with_an_invitation(tab: Page) -> None:
    of = collection()
    bare = collection(labels={}, manifest=None)
    with served(explorer(Workbench(bare, features(of), workbench()._encoder))) as address:
        opened(tab, address)
        expect(tab.locator("#no-conditions")).to_be_visible()
        asked(tab, "Alike in general")
        press(tab, "n")
        tab.get_by_role("textbox", name="Name").fill("color")
        tab.get_by_role("textbox", name="Values").fill("red, green, blue")
        tab.get_by_role("button", name="Add it").click()
        asked(tab, "Alike in color")
        expect(tab.locator("#legend button")).to_have_count(3)
        press(tab, "s")
        expect(tab.get_by_role("button", name="Remove…")).to_be_hidden()
        assert complaints(tab) == []


def test_vectors_without_pictures_or_encoder(tab: Page) -> None:
    class Given:
        texts, identity, logit_scale, dimension = None, {"name": "x"}, 100.0, 24

    of = collection(read=None)
    bench = Workbench(of, features(of), GivenTexts(Given()), embeds=False)  # type: ignore[arg-type]
    with served(explorer(bench)) as address:
        opened(tab, address)
        expect(tab.locator("#drop-label")).to_be_hidden()
        expect(tab.locator("#list-0 .none").first).to_be_visible()
        press(tab, "n")
        tab.get_by_role("textbox", name="Name").fill("color")
        tab.get_by_role("textbox", name="Values").fill("red, blue")
        tab.get_by_role("button", name="Add it").click()
        expect(tab.locator("#condition-fault")).to_contain_text("without an encoder of texts")
        with tab.expect_download() as listed:
            tab.get_by_role("button", name="Save the list of texts").click()
        assert Path(listed.value.path()).read_text() == "a photo of red\na photo of blue\n"


def test_a_picture_that_cannot_be_shown_is_its_name(tab: Page) -> None:
    with served(explorer(workbench(read=lambda row: b"damaged"))) as address:
        opened(tab, address)
        expect(tab.locator("#query-picture .none")).to_be_visible()


def test_a_server_that_has_ended_is_said(tab: Page) -> None:
    with served(explorer()) as address:
        opened(tab, address)
    tab.get_by_role("slider", name="shape").fill("0.5")
    expect(tab.get_by_role("alert").first).to_contain_text("does not answer")


@pytest.mark.parametrize("width", [390, 1000, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_and_words_can_be_read(
    browser: Browser, place: str, width: int, scheme: Any
) -> None:
    with new_tab(browser, viewport={"width": width, "height": 844}, color_scheme=scheme) as tab:
        opened(tab, place)
        tab.locator("#list-0 .tile").first.focus()
        expect(tab.locator("#why-values .reason")).to_have_count(2)
        press(tab, "s")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        expect(tab.get_by_role("button", name="Keys (CSV)")).to_be_in_viewport()
        assert tab.evaluate(CONTRASTS) == []
        for name in ("#list-0", "#list-1"):
            box = tab.locator(name).bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
        first, second = (tab.locator(name).bounding_box() for name in ("#list-0", "#list-1"))
        assert first is not None
        assert second is not None
        assert first["x"] + first["width"] <= second["x"]  # side by side, on a telephone too
        assert complaints(tab) == []


CONTRASTS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const linear = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = (color) => color.slice(0, 3).map(linear)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest(":disabled, option, .hidden, .skip, noscript, script, style")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const words = element.textContent.slice(0, 30);
    if (ratio < 4.5) found.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)} ${words}`);
  }
  return found;
}"""


def test_a_screen_reader_finds_names_and_roles(tab: Page, place: str) -> None:
    opened(tab, place)
    for role, name in (
        ("main", "Neighbours"),
        ("listbox", "Neighbours by clay"),
        ("listbox", "Neighbours by raw"),
        ("slider", "color"),
        ("combobox", "Find a picture by its name"),
        ("complementary", "Map and reasons"),
    ):
        expect(tab.get_by_role(role, name=name, exact=True)).to_be_visible()  # type: ignore[arg-type]
    expect(tab.get_by_role("status")).to_contain_text("Alike in color")
    nameless = tab.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas, [role=option]")]
          .filter((e) => e.checkVisibility() && !e.textContent.trim() && !e.labels?.length && !e.getAttribute("aria-label"))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    label = tab.locator("#list-0 .tile").first.get_attribute("aria-label") or ""
    assert "similarity" in label
    assert "labelled color" in label


def test_without_scripts_the_page_says_so(browser: Browser, place: str) -> None:
    with new_tab(browser, java_script_enabled=False) as tab:
        tab.goto(place)
        expect(tab.locator("noscript p")).to_be_visible()
        expect(tab.locator("noscript p")).to_contain_text("needs JavaScript")
        expect(tab.locator("#layout")).to_be_hidden()


def test_reduced_motion_moves_nothing(browser: Browser, place: str) -> None:
    with new_tab(browser, reduced_motion="reduce") as tab:
        opened(tab, place)
        slider(tab, "shape").fill("1")
        asked(tab, "Alike in color and shape")
        assert tab.evaluate("document.getAnimations().length") == 0


def test_conditions_that_were_typed_go_with_the_view(browser: Browser) -> None:
    def words(entity: str, name: str, values: Any) -> tuple[str, Worded]:
        return name, of_values(entity, name, values or ["dawn", "noon"], "a photo of {c}")

    view = "#w=mood%3D1%3Btime%3D0.5&t=mood%3Dcalm%252Cwild%3Btime%3D"
    for _ in range(2):
        with served(explorer(words=words)) as address, new_tab(browser) as tab:
            opened(tab, address, view)
            asked(tab, "Alike in mood and time")
            view = "#" + tab.url.partition("#")[2]
            assert [one["values"] for one in tab.evaluate("entityFacts().conditions")][2:] == [
                ["calm", "wild"],
                ["dawn", "noon"],
            ]


def test_the_page_states_its_view_as_json_safe_text(tab: Page, place: str) -> None:
    opened(tab, place)
    assert json.loads(json.dumps(tab.evaluate("written()"))) == tab.evaluate("location.hash.slice(1)")
