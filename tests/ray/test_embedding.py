"""Embedding on a Ray cluster: the features are those that one machine makes, to the bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import ray_cluster

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.evaluator.embedding.store import EmbedCounts, FeatureStore, embed
from clay_eval.evaluator.pictures import sources
from clay_eval.evaluator.pictures.sources import ImageFolder
from clay_eval.ray import cluster as cluster_module
from clay_eval.ray.cluster import Resources
from clay_eval.ray.embedding import EncoderRecipe, ray_engine
from clay_eval.schemas.errors import InputError

pytestmark = [
    pytest.mark.timeout(900),  # Ray starts many processes, slowly where others work too
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.usefixtures("one_thread"),
]
TWO = Resources(workers=2, gpus=0)
BATCH = 5


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(nodes=2) as nodes:
        yield nodes


@pytest.fixture
def source(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> ImageFolder:
    """48 pictures in 6 units."""
    monkeypatch.setattr(sources, "UNIT_IMAGES", 8)
    return ImageFolder(own_folder)


def files(store: FeatureStore) -> dict[str, bytes]:
    return {
        str(p.relative_to(store.folder)): p.read_bytes()
        for p in sorted(store.folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def over_ray(
    source: ImageFolder, encoder: Encoder, store: FeatureStore, recipe: Callable[[], Encoder]
) -> Any:
    engine = ray_engine(source, encoder.identity, store, recipe, BATCH, TWO)
    done: list[int] = []
    counts = embed(source, encoder, store, BATCH, lambda n, _: done.append(n), engine)
    return counts, done


def test_a_killed_worker_and_a_second_run_change_no_bit(
    cluster: Any, source: ImageFolder, own_folder: Path, tiny_encoder: Path, cli: Any, tmp_path: Path
) -> None:
    def command(out: Path, *options: object) -> dict[str, Any]:
        chosen = ("--encoder", tiny_encoder, "--device", "cpu", "--batch-size", BATCH)
        outcome = cli("embed", "--out", out, "--data", own_folder, *chosen, "--json", *options)
        assert outcome.code == 0, outcome.err
        counts = json.loads(outcome.out)
        return {name: counts[name] for name in ("computed", "reused")}

    assert command(tmp_path / "here") == {"computed": 48, "reused": 0}
    expected = files(FeatureStore(tmp_path / "here" / "features"))
    plain, mark = EncoderRecipe(str(tiny_encoder), "cpu", batch_size=BATCH), tmp_path / "died"

    def recipe() -> Encoder:
        import os
        import signal

        encoder = plain()
        encode = encoder.encode_prepared  # type: ignore[attr-defined]

        def encode_or_die(prepared: Any) -> Any:
            if len(prepared) < 5 and not mark.exists():  # the rest of a unit
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return encode(prepared)

        encoder.encode_prepared = encode_or_die  # type: ignore[attr-defined]
        return encoder

    store = FeatureStore(tmp_path / "there" / "features")
    encoder = load_encoder(str(tiny_encoder), "cpu", batch_size=BATCH)
    counts, done = over_ray(source, encoder, store, recipe)
    assert mark.exists()
    assert counts == EmbedCounts(48, 0)
    assert done == [8, 16, 24, 32, 40, 48]
    made = files(store)
    assert made == {name: expected[name] for name in made}
    store.unit_path(encoder.identity, source.units()[3]).unlink()
    assert command(tmp_path / "there", "--engine", "ray", "--workers", 1) == {"computed": 8, "reused": 40}
    assert files(store) == expected


def test_another_encoder_in_the_workers_is_refused(
    cluster: Any, source: ImageFolder, tiny_encoder: Path, other_encoder: Path, tmp_path: Path
) -> None:
    encoder, store = load_encoder(str(tiny_encoder), "cpu"), FeatureStore(tmp_path / "there")
    with pytest.raises(InputError, match=r"features of another encoder[\s\S]*weights_sha256"):
        over_ray(source, encoder, store, EncoderRecipe(str(other_encoder), "cpu"))
    assert files(store) == {}


def test_machines_must_share_folder_software_and_be_large_enough(
    cluster: Any, source: ImageFolder, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, store = load_encoder(str(tiny_encoder), "cpu"), FeatureStore(tmp_path / "there")
    plain = EncoderRecipe(str(tiny_encoder), "cpu")
    with cluster_module.connected():  # one connection for all of it
        with monkeypatch.context() as patch:
            check = cluster_module._check_nodes
            patch.setattr(
                cluster_module,
                "_check_nodes",
                lambda ray, nodes, meeting: check(ray, nodes, replace(meeting, token="f" * 32)),
            )
            with pytest.raises(InputError, match="does not see the output folder"):
                over_ray(source, encoder, store, plain)
        with monkeypatch.context() as patch:
            ours = cluster_module.versions()
            patch.setattr(cluster_module, "versions", lambda *_: ours | {"pillow": "0.1"})
            with pytest.raises(InputError, match=r"other software[\s\S]*pillow 0\.1"):
                over_ray(source, encoder, store, plain)
        engine = ray_engine(source, encoder.identity, store, plain, BATCH, Resources(cpus=64))
        with pytest.raises(InputError, match=r"large enough[\s\S]*64 CPUs and 0 GPUs"):
            embed(source, encoder, store, BATCH, engine=engine)
    assert files(store) == {}


@pytest.mark.parametrize(
    "options", [("--workers", "2"), ("--gpus-per-worker", "1"), ("--cpus-per-worker", "2")]
)
def test_the_local_engine_refuses_options_of_the_other(
    cli: Any, options: tuple[str, str], tmp_path: Path
) -> None:
    cli("embed", "--out", tmp_path, *options).refused(2, options[0], "--engine ray")
