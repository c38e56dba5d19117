"""Shared by all tests: tiny encoders, the command line in this process and in another, finished runs to copy."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, new_tab
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page

TINY_MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
MAIN = "from clay_eval.cli import main; main()"

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *said: str) -> None:
        """Assert a clear error: this code, no traceback, nothing on standard output, and every text of `said`."""
        assert (self.code, self.out) == (code, ""), self
        assert "Traceback" not in self.err
        assert "error: " in self.err
        for text in said:
            assert text in self.err, f"{text!r} is not in:\n{self.err}"


Cli = Callable[..., Outcome]


@contextmanager
def _logging_kept() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run `clay-eval ARGUMENTS` in this process: torch is loaded once for all tests."""
    from clay_eval.cli import main

    def call(*arguments: object) -> Outcome:
        before = sys.argv
        sys.argv = ["clay-eval", *map(str, arguments)]
        out, err = io.StringIO(), io.StringIO()
        try:
            with (
                _logging_kept(),
                redirect_stdout(out),
                redirect_stderr(err),
                pytest.raises(SystemExit) as left,
            ):
                main()
        finally:
            sys.argv = before
        assert isinstance(left.value.code, int)
        return Outcome(left.value.code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start `clay-eval ARGUMENTS` as a process of its own; `before` is Python that runs first in it."""

    def launch(*arguments: object, before: str = "", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", f"{before}\n{MAIN}", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    return launch


def _tiny_encoder(folder: Path, seed: int) -> Path:
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        weights = open_clip.model.CLIP(**TINY_MODEL).state_dict()  # type: ignore[arg-type]
    save_file(weights, folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    config = {"model_cfg": TINY_MODEL, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny, randomly initialised open_clip model."""
    return _tiny_encoder(tmp_path_factory.mktemp("encoders") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny_encoder`, with other weights."""
    return _tiny_encoder(tmp_path_factory.mktemp("encoders") / "other", seed=1)


@pytest.fixture(scope="session")
def run_options(tiny_encoder: Path) -> list[str]:
    """The options, but for --out, that `finished` was run with."""
    return ["--renderer", "procedural", "--count", "60", "--seed", "3", "--encoder", str(tiny_encoder)]


@pytest.fixture(scope="session")
def finished(cli: Cli, run_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of both demonstration entities. Not to be altered: `a_run` is a copy for that."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    outcome = cli("run", "--out", folder, *run_options, "--json")
    assert outcome.code == 0, outcome.err
    (folder.parent / "stdout.json").write_text(outcome.out)
    return folder


@pytest.fixture
def a_run(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished`, to be altered."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="session")
def object_run(cli: Cli, run_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of demo-object alone. Not to be altered."""
    folder = tmp_path_factory.mktemp("runs") / "object"
    outcome = cli("run", "--out", folder, "--entity", "demo-object", *run_options)
    assert outcome.code == 0, outcome.err
    return folder


def _content(path: Path) -> bytes:
    """A file's bytes; a safetensors header, which its library writes in any order, is sorted."""
    data = path.read_bytes()
    if path.suffix != ".safetensors":
        return data
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True)
    return header.encode() + data[8 + length :]


@pytest.fixture(scope="session")
def hashes() -> Callable[[Path], dict[str, str]]:
    """Relative path -> sha256 of the content of every file of a folder; locks are left out."""

    def compute(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    return compute


COLORS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220), "yellow": (240, 220, 40)}
SHAPES = ("disc", "box")


def _picture(color: str, shape: str, number: int) -> Any:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (32, 32), (number * 5 % 200,) * 3)
    draw = ImageDraw.Draw(image)
    box = (4 + number % 5, 4, 24 + number % 5, 26)
    (draw.ellipse if shape == "disc" else draw.rectangle)(box, fill=COLORS[color])
    return image


@pytest.fixture(scope="session")
def drawn() -> list[tuple[str, str, Any]]:
    """48 small pictures: color, shape, PIL image."""
    return [
        (color, shape, _picture(color, shape, number))
        for number in range(6)
        for color in COLORS
        for shape in SHAPES
    ]


@pytest.fixture
def own_folder(drawn: list[tuple[str, str, Any]], tmp_path: Path) -> Path:
    """A user's folder: 48 pictures, and a labels.csv with the columns file, color, shape."""
    folder = tmp_path / "things"
    (folder / "img").mkdir(parents=True)
    rows = [["file", "color", "shape"]]
    for number, (color, shape, image) in enumerate(drawn):
        rows.append([f"img/{number:02d}.png", color, shape])
        image.save(folder / rows[-1][0])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads cost tiny models far more than they bring, the more so where cores are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. One a module: while it runs, no other event loop can run in this thread, and Ray and others want one."""
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """An empty tab of its own."""
    with new_tab(browser) as opened:
        yield opened
