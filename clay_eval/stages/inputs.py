"""Labelled pictures and their vectors, as the stages that score take them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, RunFolder, silent, steps

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import Encoder
    from clay_eval.evaluator.embedding.store import EmbedCounts
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.methods.support.specs import Method
    from clay_eval.evaluator.pictures.labelled import ImageSource
    from clay_eval.evaluator.retrieval.vectors import FeatureSource, StoredFeatures
    from clay_eval.ray.cluster import Resources


@dataclass
class Inputs:
    """Data and vectors of a run; opened when first needed.

    data: labelled pictures as `open_source` takes them, or with `features` a table of labels; None for the run's shards.
    encoder, device, precision: as `load_encoder` takes them; batch_size: pictures a forward pass. entity, conditions: these
    of the data only; parents: condition -> the one within whose values it is evaluated. texts: files of condition texts.
    features, text_features: files of vectors that stand in for an encoder. pictured: False where `data` is but a table of
    labels.
    """

    folder: RunFolder
    data: Path | None = None
    encoder: str = "embedded"
    device: str = "auto"
    precision: str = "fp32"
    batch_size: int = 64
    entity: str | None = None
    conditions: Sequence[str] | None = None
    parents: Mapping[str, str] | None = None
    texts: Sequence[Path] = ()
    features: Path | None = None
    text_features: Path | None = None
    pictured: bool = True

    @cached_property
    def source(self) -> ImageSource:
        """The labelled pictures."""
        return open_data(
            self.folder,
            self.data,
            entity=self.entity,
            parents=self.parents,
            conditions=self.conditions,
            vectors=self.features is not None or not self.pictured,
        )

    @property
    def plan(self) -> Path | None:
        """The run's plan folder, unless the data are someone's own."""
        return self.folder.plan if self.data is None else None

    @property
    def runtime(self) -> dict[str, Any]:
        """How encoders are run."""
        return {"device": self.device, "precision": self.precision, "batch_size": self.batch_size}

    def identity(self) -> Mapping[str, Any]:
        """The identity of what makes the vectors; a model that the feature store does not know is loaded for it."""
        from clay_eval.evaluator.embedding.encoders import load_encoder
        from clay_eval.evaluator.embedding.encoders.names import request
        from clay_eval.evaluator.embedding.store import FeatureStore

        if self._are_given():
            return self._given().identity
        known = FeatureStore(self.folder.features).known(request(self.encoder, self.precision))
        return known or load_encoder(self.encoder, self.device, self.precision, self.batch_size).identity

    @contextmanager
    def feature_source(self, progress: Progress = silent) -> Iterator[FeatureSource]:
        """Vectors of the pictures, computed now as far as the store lacks them; the store is locked meanwhile."""
        from clay_eval.evaluator.embedding.encoders.names import request
        from clay_eval.evaluator.embedding.store import FeatureStore
        from clay_eval.evaluator.retrieval.vectors import StoredFeatures
        from clay_eval.schemas.files import locked

        if self._are_given():
            with locked(self.folder.features):
                yield self._given()
            return
        request(self.encoder, self.precision)
        with locked(self.folder.features):
            _, model = self.embed(progress)
            yield StoredFeatures(FeatureStore(self.folder.features), model)

    def embed(
        self, progress: Progress = silent, resources: Resources | None = None
    ) -> tuple[EmbedCounts, Encoder]:
        """Embed what the run's feature store lacks; return the counts and the encoder. Hold the store's lock meanwhile.

        resources: has it done by workers of the Ray cluster; `device` is then theirs, and this machine needs no GPU.
        """
        from clay_eval.evaluator.embedding.lazy import open_encoder
        from clay_eval.evaluator.embedding.store import FeatureStore
        from clay_eval.evaluator.embedding.store import embed as compute

        source, device, precision, batch_size = self.source, self.device, self.precision, self.batch_size
        advance = steps(progress, "embed", sum(len(labels.keys) for labels in source.entities.values()))
        store = FeatureStore(self.folder.features)
        store.clean()
        last = 0

        def report(done: int, _: int) -> None:
            nonlocal last
            advance(done - last)
            last = done

        if resources is None:
            model = open_encoder(self.encoder, store, device, precision, batch_size)
            return compute(source, model, store, batch_size, report), model
        from clay_eval.ray.embedding import EncoderRecipe, ray_engine

        model = open_encoder(self.encoder, store, "cpu", precision, batch_size)
        recipe = EncoderRecipe(self.encoder, device, precision, batch_size)
        engine = ray_engine(
            source, model.identity, store, recipe, batch_size, resources, can_use_gpus=device != "cpu"
        )
        return compute(source, model, store, batch_size, report, engine), model

    def _are_given(self) -> bool:
        """Whether vectors are; raises InputError where they are not, and there are no pictures to make them of."""
        from clay_eval.schemas.errors import InputError

        if self.features is None and not self.pictured:
            raise InputError(
                "labels without pictures and without vectors",
                where=self.data,
                hint="give vectors of the pictures with --features, or their folder with --data",
            )
        return self.features is not None

    def _given(self) -> StoredFeatures:
        from clay_eval.evaluator.embedding.given import GivenEncoder, GivenStore, read_given
        from clay_eval.evaluator.retrieval.vectors import StoredFeatures

        assert self.features is not None
        images = read_given(self.features)
        texts = None if self.text_features is None else read_given(self.text_features)
        return StoredFeatures(GivenStore(images, texts), GivenEncoder(images, texts))

    def methods(self, settings: EvaluationSettings) -> list[Method]:
        """The methods that `settings` name; those that embed pictures keep their vectors in the run's feature store."""
        from clay_eval.evaluator.embedding.store import FeatureStore
        from clay_eval.evaluator.retrieval.reencoding import image_methods

        return settings.prepared(image_methods(self.source, FeatureStore(self.folder.features), self.runtime))

    def recorded(self) -> dict[str, Any]:
        """What can move a number by rounding, and is no part of a report's identity; to be asked when all is computed.

        device: where torch ran, if anything needed it; threads: of torch, else of BLAS.
        """
        if (torch := sys.modules.get("torch")) is None:
            from threadpoolctl import threadpool_info

            counts = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            return {"batch_size": self.batch_size, "threads": max(counts, default=1)}
        from clay_eval.evaluator.embedding.encoders.devices import choose_device

        return {
            "device": choose_device(self.device),
            "batch_size": self.batch_size,
            "threads": torch.get_num_threads(),
        }


def open_data(folder: RunFolder, data: Path | None, **own: Any) -> ImageSource:
    """Open the labelled pictures in `data`, or the run's own; `own` as in `open_source`."""
    from clay_eval.evaluator.pictures.opening import open_source
    from clay_eval.schemas.manifest import SETTINGS, read_manifest

    place = data or folder.shards
    if data is None or (place / SETTINGS).exists():
        read_manifest(place)
    return open_source(place, **own)
