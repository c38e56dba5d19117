"""The architecture, held: who imports whom, what a module may be and do, and that the packaging lists it all."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
LAYERS = ("clay_eval", "generator", "evaluator", "schemas", "prompts", "data")
MAY_IMPORT = {
    "clay_eval": set(LAYERS),
    "generator": {"generator", "evaluator", "schemas", "prompts", "data"},
    "evaluator": {"evaluator", "schemas", "prompts", "data"},
    "schemas": {"schemas"},
    "prompts": {"prompts"},
    "data": {"data"},
}
LAZY = re.compile(r"clay_eval\.(cli|generator|evaluator|schemas)(\.\w+)*")
"""A text that names code. (Names of data and prompts packages are where resources are read from, not imports.)"""
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


def imported_layers(path: Path) -> Iterator[tuple[str, int]]:
    """(layer, line) for every import of ours, at whatever depth of the file, lazy ones by name included."""
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
            parts = name.split(".")
            if parts[0] == "clay_eval":
                layer = parts[1] if len(parts) > 1 and parts[1] in LAYERS else "clay_eval"
                yield layer, getattr(node, "lineno", 0)
            elif parts[0] in LAYERS:
                yield f"{parts[0]}, as a top-level name", getattr(node, "lineno", 0)


def where(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_there_is_something_to_check() -> None:
    assert {p.relative_to(ROOT).parts[0] for p in packages()} == set(LAYERS)
    found = {layer for path in modules() for layer, _ in imported_layers(path)}
    assert {"schemas", "evaluator", "generator"} <= found


def test_imports_go_downwards() -> None:
    wrong = [
        f"{where(path, line)} imports {layer}"
        for path in modules()
        for layer, line in imported_layers(path)
        if layer not in MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    ]
    assert wrong == []


def test_the_rule_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "evaluator" / "deep").mkdir(parents=True)
    path = tmp_path / "evaluator" / "deep" / "m.py"
    for code in (
        "import clay_eval.generator.plan",
        "from clay_eval.generator import plan",
        "from clay_eval import generator",
        "def f():\n    from ...generator.plan import Plan",
        "import_module('clay_eval.generator.plan')",
        "T = 'clay_eval.generator.plan:Plan'",
    ):
        path.write_text(code)
        assert [layer for layer, _ in imported_layers(path)] == ["generator"], code
    path.write_text("from ..ties import x\nfrom . import y")
    assert {layer for layer, _ in imported_layers(path)} == {"evaluator"}
    path.write_text("import schemas.errors")
    assert next(imported_layers(path))[0] not in MAY_IMPORT["evaluator"]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {where(p): n for p in modules() if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert long == {}


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
        "import sys, clay_eval, clay_eval.generator.rendering, clay_eval.schemas.verify\n"
        "heavy = {'torch', 'open_clip', 'matplotlib', 'sklearn', 'scipy', 'transformers', 'diffusers'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
