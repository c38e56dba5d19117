"""The architecture, held: rooms on floors, what a module may be and do, and that the packaging lists it all."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
LAYERS = ("clay_eval", "generator", "evaluator", "schemas", "prompts", "data")
FLOORS: Mapping[int, tuple[str, ...]] = {
    11: ("clay_eval/cli",),
    10: ("clay_eval/stages",),
    9: ("clay_eval/ray",),
    8: ("evaluator/submissions", "evaluator/reproduce"),
    7: ("evaluator/experiments", "evaluator/exports", "generator/publishing"),
    6: ("evaluator/evaluation", "evaluator/trec", "evaluator/explore", "generator/progress"),
    5: ("evaluator/report", "evaluator/statistics", "evaluator/index", "evaluator/audit", "generator/review"),
    4: ("evaluator/retrieval", "evaluator/conformance", "generator/shards"),
    3: ("evaluator/methods", "generator/render", "generator/alignment"),
    2: ("evaluator/embedding", "evaluator/scoring", "generator/plan"),
    1: ("evaluator/pictures", "evaluator/vectors", "generator/servers"),
    0: ("schemas", "prompts", "data"),
}
"""Floor -> rooms. A module imports from its own room and from rooms on lower floors, and nothing else; the evaluator never
from the generator."""
PUBLIC = "clay_eval"
"""The public names stand on the roof: `clay_eval/__init__.py` may import any room, and no room imports it."""
LAZY = re.compile(r"clay_eval\.(cli|stages|ray|generator|evaluator|schemas)(\.\w+)*")
"""A text that names code. (Names of data and prompts packages are where resources are read from, not imports.)"""
LONGEST_CHAIN = 17
TRAINING = "data/training/"
"""What made the embedded models; it is in the source distribution only."""
SIDE_FILES = {"data/README.md", "prompts/README.md"}
"""Files inside packages that readers of the repository need and installed packages do not."""


def packages() -> list[Path]:
    """Every folder with an __init__.py under the six top-level folders."""
    return sorted(p.parent for layer in LAYERS for p in (ROOT / layer).rglob("__init__.py"))


def modules() -> list[Path]:
    """Every Python file that lies in a package."""
    return sorted(file for folder in packages() for file in folder.glob("*.py"))


def import_name(folder: Path) -> str:
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "clay_eval" else ("clay_eval", *parts))


def module_name(path: Path) -> str:
    return import_name(path.parent if path.name == "__init__.py" else path.with_suffix(""))


def floors() -> dict[str, int]:
    """Room -> floor."""
    return {room: floor for floor, rooms in FLOORS.items() for room in rooms}


def room_of(module: str) -> str:
    """The room that a module lies in, or the module itself where it lies in none."""
    parts = (
        module.split(".")[1:]
        if module.startswith(tuple(f"clay_eval.{n}" for n in LAYERS[1:]))
        else module.split(".")
    )
    known = floors()
    for count in (2, 1):
        if (room := "/".join(parts[:count])) in known:
            return room
    return "/".join(parts)


def named(path: Path) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of every import of ours, at whatever depth of the file, lazy ones by name included."""
    package = import_name(path.parent).split(".")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            target = node.value.partition(":")[0]
            if LAZY.fullmatch(target):
                names = [target]
        for name in names:
            if name.partition(".")[0] in LAYERS:
                yield name, getattr(node, "lineno", 0)


def graph() -> dict[str, set[str]]:
    """Module -> modules that it imports, each by its full name; texts that name code left out."""
    known = {module_name(path): path for path in modules()}
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        tree = ast.walk(ast.parse(path.read_text("utf-8")))
        lines = {node.lineno for node in tree if isinstance(node, ast.Import | ast.ImportFrom)}
        targets = set()
        for name, line in named(path):
            while name not in known and name:
                name = name.rpartition(".")[0]
            if line in lines and name not in ("", module, PUBLIC):
                targets.add(name)
        found[module] = targets
    return found


def where(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def upward(path: Path) -> Iterator[str]:
    """What is wrong with the imports of a module: rooms on its own floor or above, and names that are not ours."""
    here = room_of(module_name(path))
    known = floors()
    for name, line in named(path):
        if name.partition(".")[0] != "clay_eval":
            yield f"{where(path, line)} imports {name} as a top-level name"
            continue
        there = room_of(name)
        if there == here or here == PUBLIC:
            continue
        backward = here.startswith("evaluator/") and there.startswith("generator/")
        if backward or there not in known or known[there] >= known.get(here, 99):
            yield f"{where(path, line)} imports {name}"


def test_there_is_something_to_check() -> None:
    assert {p.relative_to(ROOT).parts[0] for p in packages()} == set(LAYERS)
    assert {room_of(name) for path in modules() for name, _ in named(path)} >= set(floors()) - {
        "clay_eval/cli",
        "prompts",
        "data",
    }


def test_every_module_lies_in_a_room() -> None:
    homeless = [where(p) for p in modules() if room_of(module_name(p)) not in {*floors(), *LAYERS}]
    assert homeless == []
    loose = [
        where(file)
        for layer in ("evaluator", "generator")
        for file in (ROOT / layer).glob("*.py")
        if file.name != "__init__.py"
    ]
    assert loose == []


def test_imports_go_to_a_lower_floor() -> None:
    assert [wrong for path in modules() for wrong in upward(path)] == []


def test_the_rule_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "evaluator" / "report").mkdir(parents=True)
    path = tmp_path / "evaluator" / "report" / "m.py"
    for code in (
        "import clay_eval.generator.shards.parts",
        "from clay_eval.evaluator import evaluation",
        "from clay_eval.generator import review",
        "def f():\n    from ...generator.review.sheets import write",
        "from ..statistics import x",
        "import_module('clay_eval.evaluator.exports.grids')",
        "T = 'clay_eval.cli.plan:plan'",
        "import schemas.errors",
        "from clay_eval import CLAY",
    ):
        path.write_text(code)
        assert len(list(upward(path))) == 1, code
    path.write_text("from ..scoring.ties import x\nfrom . import y\nfrom clay_eval.schemas.errors import z")
    assert list(upward(path)) == []


def test_no_circle() -> None:
    """Modules can be put into an order in which each imports earlier ones only; rooms cannot do otherwise, see above."""
    rest = graph()
    while free := [module for module, targets in rest.items() if not targets & rest.keys()]:
        for module in free:
            del rest[module]
    assert sorted(rest) == []


def test_chains_of_imports_are_short() -> None:
    targets, depth = graph(), dict[str, int]()

    def chain(module: str) -> int:
        if module not in depth:
            depth[module] = 1 + max(map(chain, targets[module]), default=0)
        return depth[module]

    longest = max(targets, key=chain)
    assert depth[longest] <= LONGEST_CHAIN, longest


def picture() -> str:
    """The house as a text: floors from the roof down."""
    lines = [f"{floor:>4}  {'   '.join(rooms)}" for floor, rooms in FLOORS.items()]
    return "\n".join(lines)


def test_the_picture_in_contributing_is_that_of_the_table() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert f"```\n{picture()}\n```" in text, f"put this into CONTRIBUTING.md:\n{picture()}"


def test_long_modules_are_named() -> None:
    """No rule: a module is split by concern. A long one is a place to look."""
    long = {where(p): n for p in modules() if (n := len(p.read_text("utf-8").splitlines())) > 400}
    if long:
        warnings.warn(f"more than 400 lines: {long}", stacklevel=1)


FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "print"}


def offences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.partition(".")[0] in FORBIDDEN_IMPORTS:
                    yield node.lineno, f"import of {name}"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "bare except"
        elif isinstance(node, ast.Global):
            yield node.lineno, "global"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                yield node.lineno, node.func.id
            if ast.unparse(node.func) in {"os.system", "os.popen"}:
                yield node.lineno, "a shell"
            for keyword in node.keywords:
                literal = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
                if keyword.arg == "shell" and literal is not False:
                    yield node.lineno, "shell="
                if keyword.arg == "allow_pickle" and literal is not False:
                    yield node.lineno, "allow_pickle="
            if ast.unparse(node.func) == "torch.load":
                yield node.lineno, "torch.load"


def test_nothing_that_runs_strangers_code_and_no_silent_failures() -> None:
    found = [
        f"{where(path, line)}: {what}"
        for path in modules()
        for line, what in offences(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "exec('1')",
        "run('ls', shell=True)",
        "run('ls', shell=flag)",
        "np.load(f, allow_pickle=True)",
        "torch.load(f)",
        "try:\n    pass\nexcept:\n    pass",
        "def f():\n    global x",
    ],
)
def test_each_offence_would_be_noticed(code: str) -> None:
    assert list(offences(ast.parse(code)))


def test_what_only_looks_like_an_offence_is_none() -> None:
    code = "model.eval()\nre.compile('x')\nrun(['ls'], shell=False)\ntry:\n    pass\nexcept ValueError:\n    pass"
    assert list(offences(ast.parse(code))) == []


def test_the_packaging_lists_every_package_and_no_other() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(map(import_name, packages()))
    assert len(set(SETUPTOOLS["packages"])) == len(SETUPTOOLS["packages"])


def test_every_package_is_found_where_the_packaging_says() -> None:
    folders = SETUPTOOLS["package-dir"]
    for folder in packages():
        name, tail = import_name(folder), []
        while name not in folders:
            name, _, last = name.rpartition(".")
            tail.insert(0, last)
        assert ROOT.joinpath(folders[name], *tail) == folder


def test_every_data_file_is_packaged() -> None:
    patterns = SETUPTOOLS["package-data"]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *LAYERS]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        files = [ROOT / line for line in listed.splitlines()]
    except (OSError, subprocess.CalledProcessError):  # not a git checkout: an unpacked source distribution
        files = [p for layer in LAYERS for p in (ROOT / layer).rglob("*") if "__pycache__" not in p.parts]
    missing = []
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        if not file.is_file() or file.suffix == ".py" or name in SIDE_FILES or name.startswith(TRAINING):
            continue
        package = file.parent
        while not (package / "__init__.py").exists():
            package = package.parent
        inside = file.relative_to(package).as_posix()
        if not any(fnmatch.fnmatch(inside, p) for p in patterns.get(import_name(package), [])):
            missing.append(name)
    assert missing == []


def test_every_pattern_of_package_data_belongs_to_a_package() -> None:
    assert set(SETUPTOOLS["package-data"]) <= set(SETUPTOOLS["packages"])


def test_help_and_the_public_face_do_not_import_the_heavy_libraries() -> None:
    code = (
        "import sys, clay_eval, clay_eval.generator.shards.rendering, clay_eval.schemas.verify\n"
        "heavy = {'torch', 'open_clip', 'matplotlib', 'sklearn', 'scipy', 'transformers', 'diffusers'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
