"""Shared by the evaluator's tests: a feature store, a report of made-up results, shards that others wrote."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_report import fake_report
from PIL import Image

from clay_eval.evaluator.embedding.store import FeatureStore
from clay_eval.evaluator.report import pages


@pytest.fixture(scope="session")
def made_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A whole report of two entities and the folder of its pages and thumbnails. Not to be altered."""
    folder = tmp_path_factory.mktemp("report")
    report = fake_report(folder)
    pages.write_pages(report, folder)
    return report, folder


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """An empty feature store."""
    return FeatureStore(tmp_path / "features")


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def foreign_shard() -> Callable[..., Path]:
    """Write a WebDataset shard as another program would: (path, [(key, JSON record)], extra=True adds captions)."""

    def write(path: Path, samples: list[tuple[str, dict[str, object]]], extra: bool = True) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for i, (key, record) in enumerate(samples):
                members = [("png", picture(i)), ("json", json.dumps(record).encode())]
                for extension, data in [*members, ("txt", b"caption")] if extra else members:
                    info = tarfile.TarInfo(f"{key}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return path

    return write
