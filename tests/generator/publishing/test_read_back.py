"""A release is read by the tools that strangers have: mlcroissant, datasets, coreutils, huggingface_hub, pandas' parquet."""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from clay_eval.schemas.manifest import read_manifest
from clay_eval.schemas.release import read_release
from clay_eval.schemas.shards import ShardSample, read_shard


def samples_of(release: Path) -> dict[str, ShardSample]:
    manifest = read_manifest(release / "data")
    shards = [release / "data" / e["name"] for e in manifest["files"] if e["samples"] is not None]
    return {sample.key: sample for shard in shards for sample in read_shard(shard)}


@pytest.fixture(params=["plain_release", "judged_release"])
def release(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture
def croissant_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """mlcroissant keeps what it unpacked by its path in a release, so two releases must not share a cache."""
    from etils import epath
    from mlcroissant._src.operation_graph.operations import extract

    folder = tmp_path / "croissant"
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(folder))
    yield folder
    assert list(folder.rglob("*.jpg"))


def test_mlcroissant_validates_without_a_word_and_joins(
    release: Path, croissant_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(release / "croissant.json")
        issues = dataset.metadata.ctx.issues
        assert (issues.errors, issues.warnings) == (set(), set())
        assert dataset.metadata.ctx.is_v1_1()
        records = list(dataset.records("samples"))
    assert [record.getMessage() for record in caplog.records] == []
    samples = samples_of(release)
    assert len(records) == len(samples) == read_release(release)["samples"]
    for record in records:
        sample = samples[record["samples/key"].decode()]
        for name, value in {**sample.record["labels"], **sample.record["diversity"]}.items():
            assert record[f"samples/{name}"].decode() == value
        assert record["samples/image_key"].decode() == sample.key
        assert record["samples/image"].tobytes() == Image.open(io.BytesIO(sample.image)).tobytes()


def test_croissant_says_what_is_asked_for(release: Path) -> None:
    record = json.loads((release / "croissant.json").read_text())
    told = read_release(release)
    assert record["conformsTo"] == [
        "http://mlcommons.org/croissant/1.1",
        "http://mlcommons.org/croissant/RAI/1.0",
    ]
    assert record["version"] == told["version"] == "1.0.0"
    assert record["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert record["datePublished"] == "2026-11-25"
    assert {c["name"] for c in record["creator"]} == set(told["authors"])
    for name in (
        "dataCollection",
        "dataBiases",
        "dataLimitations",
        "dataUseCases",
        "personalSensitiveInformation",
    ):
        assert record[f"rai:{name}"]
    files = {one["contentUrl"]: one for one in record["distribution"] if "contentUrl" in one}
    listed = {entry["path"]: entry for entry in told["files"]}
    assert {p for p in listed if p.endswith(".tar")} < files.keys() <= listed.keys()
    for path, one in files.items():
        assert one["sha256"] == listed[path]["sha256"]
        assert one["contentSize"] == f"{listed[path]['bytes']} B"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """datasets without a network; the folder of its cache."""
    import datasets
    from huggingface_hub import constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return str(tmp_path / "datasets")


def same_samples(rows: Any, samples: dict[str, ShardSample]) -> None:
    assert [row["__key__"] for row in rows] == list(samples)
    for row in rows:
        sample = samples[row["__key__"]]
        assert row["jpg"].tobytes() == Image.open(io.BytesIO(sample.image)).tobytes()
        assert row["json"] == sample.record


def test_datasets_loads_the_tars(release: Path, hub: str) -> None:
    """Also where pictures were drawn again: types must not depend on which samples come first."""
    import datasets

    files = sorted(map(str, (release / "data").glob("*.tar")))
    rows = datasets.load_dataset("webdataset", data_files={"test": files}, split="test", cache_dir=hub)
    same_samples(rows, samples_of(release))


def test_datasets_loads_the_folder_by_its_card(release: Path, hub: str) -> None:
    import datasets

    assert datasets.get_dataset_config_names(str(release)) == ["demo-object"]
    loaded = datasets.load_dataset(str(release), "demo-object", cache_dir=hub)
    assert list(loaded) == ["test"]
    same_samples(loaded["test"], samples_of(release))


def test_shards_as_they_were_drawn_would_not_load(judged_run: Path, hub: str) -> None:
    """Why they are packed anew."""
    import datasets

    files = sorted(map(str, (judged_run / "shards").glob("*.tar")))
    first = [s.record for _, s in zip(range(5), read_shard(Path(files[0])), strict=False)]
    if any(record["failed"] for record in first):
        files = files[1:] + files[:1]
        first = [s.record for _, s in zip(range(5), read_shard(Path(files[0])), strict=False)]
    if not any(record["failed"] for record in first):
        with pytest.raises(datasets.exceptions.DatasetGenerationError):
            datasets.load_dataset("webdataset", data_files={"test": files}, split="test", cache_dir=hub)


def test_sha256sum_passes_and_notices(release: Path, tmp_path: Path) -> None:
    assert shutil.which("sha256sum")
    copy = Path(shutil.copytree(release, tmp_path / "r"))
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    everything = {p.relative_to(copy).as_posix() for p in copy.rglob("*") if p.is_file()}
    said = {line.split("  ", 1)[1] for line in (copy / "SHA256SUMS").read_text().splitlines()}
    assert said == everything - {"SHA256SUMS"}
    (copy / "croissant.json").write_text("{}")
    assert subprocess.run(command, cwd=copy, capture_output=True, check=False).returncode == 1


def test_the_card_is_one_for_the_hub(release: Path) -> None:
    from huggingface_hub import DatasetCard, metadata_load

    path = release / "README.md"
    metadata = metadata_load(path)
    assert metadata is not None
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["annotations_creators"] == ["machine-generated"]
    assert metadata["size_categories"] == ["n<1K"]
    assert {"synthetic", "webdataset", "croissant"} <= set(metadata["tags"])
    (config,) = metadata["configs"]
    (data,) = config["data_files"]
    assert (config["config_name"], data["split"]) == ("demo-object", "test")
    assert sorted(release.glob(data["path"])) == sorted((release / "data").glob("*.tar"))
    card = DatasetCard.load(path)
    assert card.data.pretty_name == read_release(release)["title"]
    assert card.text.startswith("\n\n# ") or card.text.startswith("\n# ") or card.text.startswith("# ")


def test_the_task_of_the_hub_names_the_configs(release: Path) -> None:
    task = yaml.safe_load((release / "eval.yaml").read_text())
    assert task.keys() == {"name", "description", "evaluation_framework", "tasks"}
    assert task["tasks"] == [{"id": "demo-object", "config": "demo-object", "split": "test"}]


def test_both_tables_of_labels_say_the_same(release: Path) -> None:
    import hashlib

    import pandas as pd

    table = pd.read_parquet(release / "labels.parquet")
    with (release / "data" / "labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert table[list(rows[0])].fillna("").to_dict("records") == rows
    samples = samples_of(release)
    assert list(table["key"]) == list(samples)
    for key, digest in zip(table["key"], table["image_sha256"], strict=True):
        assert digest == hashlib.sha256(samples[key].image).hexdigest()


def test_shards_of_a_release_can_be_evaluated(release: Path) -> None:
    from clay_eval.evaluator.pictures.opening import open_source

    source = open_source(release / "data")
    assert sum(len(labels.keys) for labels in source.entities.values()) == read_release(release)["samples"]
