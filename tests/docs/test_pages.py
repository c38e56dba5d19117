"""The pages of docs/: built strictly and for offline use, complete, and true to the commands, methods and contracts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from browser import visit
from doc_blocks import PAGES, ROOT, all_commands, inline_code
from playwright.sync_api import Page, expect

OTHER_OPTIONS = {
    "--no-deps",
    "--head",
    "--address",
    "--strict",
    "--repo-type",
    "--local-dir",
    "--side",
    "--small",
}
"""Options of other programs that the pages name: of pip, ray, mkdocs, the Hub's client and benchmarks."""
WRITTEN = {page.stem: page.read_text("utf-8") for page in PAGES}
BY_HAND = "\n".join(WRITTEN.values())


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make check` builds it."""
    folder = tmp_path_factory.mktemp("docs-site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def full(build: ModuleType) -> dict[str, str]:
    """Page -> its markdown with the generated parts in place."""
    return {name: build.expanded(text) for name, text in WRITTEN.items()}


def test_the_site_needs_no_network(site: Path) -> None:
    built = sorted(site.rglob("*.html"))
    assert {page.stem for page in built} == set(WRITTEN) | {"404"}
    for page in built:
        html = page.read_text("utf-8")
        fetched = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"', html)
        assert fetched
        assert [url for url in fetched if re.match(r"(https?:)?//", url)] == []
    for sheet in (site / "assets").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text("utf-8")), sheet


def test_formulas_are_mathml(site: Path) -> None:
    for name, text in WRITTEN.items():
        html = (site / f"{name}.html").read_text("utf-8")
        assert "arithmatex" not in html
        assert "<merror" not in html
        formulas = len(re.findall(r"\\\(.+?\\\)|\\\[.+?\\\]", text, re.DOTALL))
        assert html.count("<math") >= formulas


def test_nothing_of_the_markers_is_left(site: Path, build: ModuleType) -> None:
    used = set(re.findall(r"<!-- make: ([\w-]+) -->", BY_HAND))
    assert used == set(build.MAKERS)
    for page in site.rglob("*.html"):
        assert not re.search(r"<!-- (make|run|output|file|start)", page.read_text("utf-8")), page


def test_the_search_works_on_files(site: Path, tab: Page) -> None:
    visit(tab, site / "index.html", "?q=householder+reflection")
    found = tab.locator("a.md-search-result__link[href*='methods.html']")
    expect(found.first).to_be_visible()


def commands() -> dict[str, set[str]]:
    """Command -> its options, as the parser has them."""
    import typer

    from clay_eval.cli import app

    group = typer.main.get_command(app)
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        options = [p for p in command.params if p.opts[0].startswith("-")]
        found[name] = {flag for p in options for flag in (*p.opts, *p.secondary_opts)}
    return found


def test_every_command_and_option_is_in_the_reference(full: dict[str, str]) -> None:
    sections = dict(re.findall(r"^## ([\w-]+)$(.*?)(?=^## |\Z)", full["commands"], re.MULTILINE | re.DOTALL))
    assert set(sections) == set(commands())
    for name, flags in commands().items():
        shown = set(re.findall(r"`(--[\w-]+)`", sections[name]))
        assert flags - {"--help"} <= shown, name
        assert re.search(rf"^clay-eval {name}\b", sections[name], re.MULTILINE), name


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_is_explained_somewhere(name: str) -> None:
    assert re.search(rf"clay-eval {name}\b(?!-)", BY_HAND)


def test_no_page_names_a_command_or_option_that_there_is_not() -> None:
    known = commands()
    everything = set().union(*known.values()) | OTHER_OPTIONS | {"--help"}
    for page, text in WRITTEN.items():
        for words in all_commands(text):
            flags = {word.partition("=")[0] for word in words if re.match(r"--\w", word)}
            if not words[0].startswith("-"):
                assert words[0] in known, f"{page}: clay-eval {words[0]}"
                assert flags <= known[words[0]] | {"--help"}, f"{page}: clay-eval {' '.join(words)}"
        for code in inline_code(text):
            named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", code))
            assert named <= everything, f"{page}: {code}"


@pytest.mark.parametrize("kind", ["methods", "fusions", "measures"])
def test_everything_in_the_catalogue_is_explained(kind: str, full: dict[str, str]) -> None:
    from clay_eval.evaluator.methods import catalogue

    page = {"methods": WRITTEN["methods"], "fusions": full["conditions"], "measures": full["protocol"]}[kind]
    names = [item["name"] for item in getattr(catalogue, kind)()]
    assert names
    assert [name for name in names if f"`{name}`" not in page] == []


def test_parameters_of_methods_stand_with_their_defaults(full: dict[str, str]) -> None:
    row = next(line for line in full["methods"].splitlines() if line.startswith("| `clay` | `n_"))
    for shown in ("`n_components=50`", "`alignment=householder`", "`log_map=true`", "`text_weights`"):
        assert shown in row


def test_every_contract_is_in_the_reference(full: dict[str, str]) -> None:
    names = [path.name for path in (ROOT / "schemas").glob("*.schema.json")]
    assert names
    assert [name for name in names if f"`{name}`" not in full["contracts"]] == []
    for row in (
        "| `samples` | integer | required |",
        "| `attributes[].name` | string | required |",
        "| `conditions.*[].value` | string | required |",
    ):
        assert row in full["contracts"], row


def test_every_exit_code_is_in_the_reference(full: dict[str, str]) -> None:
    from clay_eval.cli import main

    codes = re.findall(r"\b(\d+) [a-z]", (main.__doc__ or "").partition("Exit codes:")[2])
    assert len(codes) > 5
    assert [code for code in codes if not re.search(rf"^\| {code} \|", full["troubleshooting"], re.M)] == []


def test_every_python_name_is_in_the_reference(full: dict[str, str]) -> None:
    import clay_eval
    from clay_eval import stages

    headings = set(re.findall(r"^### (\w+)$", full["python"], re.MULTILINE))
    assert headings == set(clay_eval.__all__) - {"__version__"}
    of_stages = set(re.findall(r"^#### (\w+)$", full["python"], re.MULTILINE))
    assert of_stages == set(stages.__all__) - {"Note", "Progress"}
    assert (
        "evaluate_features(\n    features,\n    labelled,\n    texts,\n    methods,\n    *,\n"
        in full["python"]
    )


def test_what_fit_can_ask_for_is_listed(full: dict[str, str]) -> None:
    from clay_eval.evaluator.methods.support.protocol import ASKABLE

    assert [name for name in ASKABLE if f"| `{name}` |" not in full["methods-own"]] == []


def test_generated_parts_change_with_the_code(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import docs_tables

    from clay_eval.evaluator.methods import catalogue

    made: Callable[[], str] = docs_tables.measures
    monkeypatch.setattr(catalogue, "measures", lambda: [{"name": "A|B", "summary": "either | or"}])
    assert made().splitlines()[-1] == "| `A\\|B` | either \\| or |"
    with pytest.raises(KeyError):
        build.expanded("<!-- make: nothing -->")
