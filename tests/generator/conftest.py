"""Tiny pipelines of real diffusers classes, built once and loaded by many tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_pipelines


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny pipeline, written when it is first asked for. Not to be altered."""
    root = tmp_path_factory.mktemp("pipelines")

    def get(family: str) -> Path:
        return root / family if (root / family).exists() else Path(tiny_pipelines.save(family, root / family))

    return get


@pytest.fixture
def sd(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny Stable Diffusion, to be altered."""
    return Path(shutil.copytree(folders("sd"), tmp_path / "sd"))
