"""A small made-up collection for tests of the explorer: coloured shapes, and an encoder that knows their words."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn
from PIL import Image

from clay_eval.evaluator.explore.collection import Collection
from clay_eval.evaluator.explore.conditions import of_values
from clay_eval.evaluator.explore.explorer import Explorer
from clay_eval.evaluator.explore.server import application
from clay_eval.evaluator.explore.serving import bound
from clay_eval.evaluator.explore.workbench import Workbench

COLORS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}
SHAPES = ("disc", "box")
WIDTH = 24
TOKEN = "t" * 32
MANIFEST = "ab" * 32
HOSTILE = '<img src=x onerror=alert(1)> "quoted" \u202egnp.exe'


def word(name: str) -> np.ndarray:
    """The direction of a word, always the same."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).standard_normal(WIDTH)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class WordEncoder:
    """Texts are the sums of their words; a picture is the word of the colour that is nearest to its mean."""

    logit_scale = 20.0

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(n, WIDTH) unit rows."""
        return unit(np.stack([np.sum([word(w) for w in text.split()], axis=0) for text in texts]))

    def encode_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        """(n, WIDTH) unit rows."""
        means = [np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0) for image in images]
        nearest = [min(COLORS, key=lambda name: float(np.abs(mean - COLORS[name]).sum())) for mean in means]
        return unit(np.stack([word(name) for name in nearest]))


def png(color: str, side: int = 24) -> bytes:
    """A picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), COLORS[color]).save(stream, "PNG")
    return stream.getvalue()


def collection(copies: int = 6, **changes: Any) -> Collection:
    """`copies` pictures of each colour and shape; the first one's name is hostile."""
    rows = [(color, shape) for _ in range(copies) for color in COLORS for shape in SHAPES]
    keys = [f"p{i:03d}" for i in range(len(rows))]
    names = [HOSTILE, *(f"{color} {shape} {i}.png" for i, (color, shape) in enumerate(rows[1:], 1))]
    labels = {"color": [color for color, _ in rows], "shape": [shape for _, shape in rows]}
    given = {
        "labels": labels,
        "read": lambda row: png(rows[row][0]),
        "manifest": MANIFEST,
        "notes": ["a note <b>in bold</b>"],
        **changes,
    }
    return Collection("things", keys, names, **given)


def features(of: Collection) -> np.ndarray:
    """(N, WIDTH) unit rows: the words of colour and shape, and noise."""
    noise = np.random.default_rng(0).standard_normal((len(of.keys), WIDTH)) * 0.35
    colors, shapes = of.labels["color"], of.labels["shape"]
    words = [word(color) + word(shape) for color, shape in zip(colors, shapes, strict=True)]
    return unit(np.stack(words) + noise)


def workbench(copies: int = 6, **changes: Any) -> Workbench:
    """A workbench of `collection` with the conditions color and shape."""
    of = collection(copies)
    rows = features(of)
    bench = Workbench(collection(copies, **changes), rows, WordEncoder())
    for name, values in (("color", list(COLORS)), ("shape", list(SHAPES))):
        bench.add(name, of_values("things", name, values, "a photo of {c}"))
    return bench


def explorer(bench: Workbench | None = None, **options: Any) -> Explorer:
    """An explorer of one workbench."""
    bench = bench or workbench()
    return Explorer({bench.collection.entity: bench}, "made up", "words", **options)


@contextmanager
def served(of: Explorer) -> Iterator[str]:
    """The address of the page, served in a thread."""
    with bound(0) as listening:
        config = uvicorn.Config(application(of, TOKEN), log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/{TOKEN}/"
        server.should_exit = server.force_exit = True
        thread.join(30)
