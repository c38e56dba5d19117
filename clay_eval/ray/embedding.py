"""Embedding on the machines of a Ray cluster: an engine for `embed`, a unit (a shard) a piece of work.

>>> engine = ray_engine(source, encoder, store, load, 64, Resources(workers=4))    # doctest: +SKIP
>>> embed(source, encoder, store, 64, engine=engine)                               # doctest: +SKIP
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clay_eval.evaluator.embedding.encoders import Encoder, load_encoder
from clay_eval.evaluator.embedding.store import Engine, FeatureStore, embed_units, refuse_another
from clay_eval.evaluator.pictures.labelled import ImageSource, Unit
from clay_eval.ray.cluster import Resources, over_cluster, require_ray, wait_until_seen
from clay_eval.ray.work import Work


@dataclass(frozen=True)
class EncoderRecipe:
    """How a worker loads its encoder; names and options are those of `load_encoder`."""

    name: str
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int = 64

    def __call__(self) -> Encoder:
        return load_encoder(self.name, self.device, self.precision, self.batch_size)


def ray_engine(
    source: ImageSource,
    identity: Mapping[str, Any],
    store: FeatureStore,
    recipe: Callable[[], Encoder],
    batch_size: int = 64,
    resources: Resources | None = None,
    can_use_gpus: bool = True,
) -> Engine:
    """An engine that has units embedded by the workers of the Ray cluster that runs here, or at $RAY_ADDRESS.

    source (picklable) and store: on storage that all machines share. identity: of the encoder that the recipe, which is
    picklable too, must load. Raises InputError if Ray is not installed; the engine raises as `over_cluster` does, and as
    `embed` does without it.
    """
    require_ray()

    def engine(units: Iterable[Unit]) -> Iterator[Unit]:
        known: dict[str, Unit] = {}

        def pieces() -> Iterator[tuple[str, bytes]]:
            for unit in units:
                known[unit.name] = unit
                yield unit.name, unit.name.encode()

        folder = store.encoder_folder(identity)
        folder.mkdir(parents=True, exist_ok=True)
        setup = _WorkerSetup(source, dict(identity), store.folder.resolve(), recipe, batch_size)
        try:
            for answer in over_cluster(pieces(), setup, folder, resources or Resources(), can_use_gpus):
                unit = known.pop(answer.decode())
                wait_until_seen(store.unit_path(identity, unit))
                yield unit
        finally:
            store.clean()

    return engine


@dataclass(frozen=True)
class _WorkerSetup:
    """What a worker is told: what to read, what to read it with, and where to write."""

    source: ImageSource
    identity: Mapping[str, Any]
    store: Path
    recipe: Callable[[], Encoder]
    batch_size: int

    def __call__(self) -> Work:
        encoder, store = self.recipe(), FeatureStore(self.store)
        refuse_another(self.identity, encoder.identity, "the encoder that a worker loaded")
        units = {unit.name: unit for unit in self.source.units()}

        def work(piece: bytes) -> bytes:
            deque(
                embed_units(self.source, [units[piece.decode()]], encoder, store, self.batch_size), maxlen=0
            )
            return piece

        return work
