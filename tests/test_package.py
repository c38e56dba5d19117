"""Wheel and sdist: they hold what they should and nothing else, and the wheel works where the sources are not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def command(*arguments: object, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, arguments)),
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the tree: the files that git knows, or would add."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("the tree is no git checkout")
    folder = tmp_path_factory.mktemp("sources") / "tree"
    listed = command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(kind: str, source: Path, target: Path) -> Path:
    """Build in a copy of `source`, without a network: setuptools is there."""
    copy = Path(shutil.copytree(source, target / "tree"))
    command(
        *[sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", target / "out", copy],
        folder=target,
    )
    (built,) = (target / "out").iterdir()
    return built


@pytest.fixture(scope="session")
def sdist(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", sources, folder)) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    (top,) = (folder / "unpacked").iterdir()
    return top


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    return build("wheel", sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone is installed."""
    folder = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", folder / "site"]
    command(sys.executable, "-m", "pip", "install", *options, wheel, folder=folder)
    return folder / "site"


def names(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def expected_in_wheel(sources: Path) -> set[str]:
    """Every Python module, and every resource, of every package, under its import name."""
    resources = {
        "clay_eval.data": ["*.json"],
        "clay_eval.data.embedded": ["*.md"],
        "clay_eval.data.embedded.encoder": ["*.json", "*.safetensors", "*.md"],
        "clay_eval.data.embedded.judge": ["*.json", "*.safetensors", "*.md"],
        "clay_eval.data.embedded.pipeline": ["*.json", "*.md", "*/*"],
        "clay_eval.data.entities": ["*.json"],
        "clay_eval.generator.progress.templates": ["*.html", "*.css"],
        "clay_eval.generator.publishing": ["*.json"],
        "clay_eval.generator.publishing.templates": ["*.md"],
        "clay_eval.generator.review.templates": ["*.html", "*.css", "*.js"],
        "clay_eval.evaluator.explore.templates": ["*.html", "*.css", "*.js"],
        "clay_eval.evaluator.report.templates": ["*.html", "*.md", "*.css", "*.js"],
        "clay_eval.evaluator.submissions.templates": ["*.html", "*.md", "*.css", "*.js"],
        "clay_eval.prompts": ["*.txt"],
        "clay_eval.prompts.instructions": ["*.md"],
        "clay_eval.prompts.conditions": ["*.json"],
        "clay_eval.schemas": ["*.json"],
        "clay_eval": ["py.typed"],
    }
    found = set()
    for package in SETUPTOOLS["packages"]:
        folder = sources / source_folder(package)
        for pattern in ["*.py", *resources.get(package, [])]:
            found |= {
                f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
                for path in folder.glob(pattern)
            }
    return found


def source_folder(package: str) -> str:
    """Where the sources of a package lie: the folder of its nearest parent in package-dir, and on from there."""
    mapped: dict[str, str] = SETUPTOOLS["package-dir"]
    parent = max((p for p in mapped if f"{package}.".startswith(f"{p}.")), key=len)
    return mapped[parent] + package[len(parent) :].replace(".", "/")


def test_every_folder_with_an_init_is_a_listed_package(sources: Path) -> None:
    found = {str(path.parent.relative_to(sources)) for path in sources.rglob("__init__.py")}
    assert found == {source_folder(package) for package in SETUPTOOLS["packages"]}


def test_every_json_and_template_lies_in_a_package(sources: Path) -> None:
    """A resource in a folder that is no package would be missing from the wheel."""
    packed = {str(sources / source_folder(package)) for package in SETUPTOOLS["packages"]}
    for top in ("schemas", "prompts", "evaluator", "generator", "clay_eval", "data"):
        for path in (sources / top).rglob("*"):
            if path.suffix in {".json", ".html", ".css", ".safetensors"} and "training" not in path.parts:
                # A diffusers folder is one package; its parts are folders without code.
                whole = next((p for p in path.parents if (p / "model_index.json").exists()), path.parent)
                assert str(whole) in packed, path


def test_the_wheel_holds_the_packages_and_nothing_else(sources: Path, wheel: Path) -> None:
    files = {name for name in names(wheel) if ".dist-info/" not in name}
    assert files == expected_in_wheel(sources)
    assert "clay_eval/py.typed" in files
    assert "clay_eval/schemas/report.schema.json" in files
    assert not [name for name in files if "training" in name or "checkpoint" in name or "test_" in name]
    metadata = [name for name in names(wheel) if name.endswith("licenses/LICENSE")]
    assert len(metadata) == 1
    assert wheel.stat().st_size < 40 << 20


def test_the_sdist_holds_all_sources(sources: Path, sdist: Path) -> None:
    def files(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    made = {"PKG-INFO", "setup.cfg"}
    ours = {name for name in files(sdist) if name not in made and ".egg-info/" not in name}
    assert ours == {name for name in files(sources) if name not in {".gitignore"}}
    for name in ("LICENSE", "CITATION.cff", "tests/test_package.py", "data/training/train_encoder.py"):
        assert name in ours


def test_the_sdist_makes_the_same_wheel(
    sdist: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = names(build("wheel", sdist, tmp_path_factory.mktemp("again")))
    assert again == names(wheel)


IN_PLACE = """
import sys
from pathlib import Path
import clay_eval, clay_eval.schemas, clay_eval.data, clay_eval.generator, clay_eval.evaluator, clay_eval.prompts
site = Path(sys.argv[1]).resolve()
for package in (clay_eval, clay_eval.schemas, clay_eval.data, clay_eval.generator, clay_eval.evaluator):
    assert Path(package.__file__).resolve().is_relative_to(site), package.__file__
"""

RESOURCES = """
from importlib import resources
from clay_eval.schemas.entity import load_entity, shipped_entities
from clay_eval.schemas.texts import shipped_texts
from clay_eval.schemas.validate import schema
for name in shipped_entities():
    assert load_entity(name).entity == shipped_texts(name).entity == name
for path in resources.files("clay_eval.schemas").iterdir():
    if path.name.endswith(".schema.json"):
        assert schema(path.name.removesuffix(".schema.json"))["$schema"]
templates = resources.files("clay_eval.evaluator.report.templates")
from clay_eval.evaluator.report.pages import environment
for name in ("report.html", "report.md", "queries.html"):
    environment(str).get_template(name)
assert {"queries.js", "queries_data.js", "queries.css"} <= {path.name for path in templates.iterdir()}
assert resources.files("clay_eval.data").joinpath("paper_tables.json").is_file()
"""


def test_the_installed_wheel_works_elsewhere(installed: Path, tmp_path: Path) -> None:
    """From another folder, before the editable install that the tests run from."""

    def python(program: str, *arguments: object) -> str:
        return command(
            *[sys.executable, "-c", IN_PLACE + program, installed, *arguments],
            folder=tmp_path,
            PYTHONPATH=str(installed),
        )

    def clay_eval(*arguments: object) -> str:
        return python("del sys.argv[1]\nfrom clay_eval.cli import main; main()", *arguments)

    python(RESOURCES)
    assert "demo-object" in clay_eval("entities")
    out = tmp_path / "run"
    clay_eval("plan", "demo-object", "demo-human", "--count", 4, "--out", out)
    manifest = json.loads(
        clay_eval("render", "--out", out, "--renderer", "procedural", "--size", 64, "--json")
    )
    assert manifest["samples"] == 8
    assert "all is well" in clay_eval("verify", out)
