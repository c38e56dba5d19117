"""mypy --strict over an installed copy of the packages: import names and folders differ, so sources alone do not resolve.

python tests/check_types.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from shutil import copytree, ignore_patterns

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        for package, folder in sorted(setuptools["package-dir"].items()):
            copy = target / package.replace(".", "/")
            copytree(
                ROOT / folder, copy, ignore=ignore_patterns("__pycache__", "training"), dirs_exist_ok=True
            )
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
        cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
        return subprocess.run([*command, *cache, "clay_eval"], cwd=target, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
