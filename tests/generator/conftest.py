"""Tiny pipelines of real diffusers classes, built once and loaded by many tests."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch


def load_helper() -> ModuleType:
    path = Path(__file__).parents[1] / "tiny_pipelines.py"
    spec = importlib.util.spec_from_file_location("tiny_pipelines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost tiny models far more than they bring, the more so where cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny pipeline, written when it is first asked for. Not to be altered."""
    helper, root = load_helper(), tmp_path_factory.mktemp("pipelines")

    def get(family: str) -> Path:
        return root / family if (root / family).exists() else Path(helper.save(family, root / family))

    return get


@pytest.fixture
def sd(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the tiny Stable Diffusion, to be altered."""
    return Path(shutil.copytree(folders("sd"), tmp_path / "sd"))
