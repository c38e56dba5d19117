"""What the commands that score share: options, and the way from them to data and vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clay_eval.evaluator.retrieval.split_kinds import SPLITS, drawable_splits

from .common import RunFolder, note
from .embed import embed_source, open_data

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation.evaluate import Evaluation
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.methods.support.specs import Method
    from clay_eval.evaluator.pictures.sources import ImageSource
    from clay_eval.evaluator.retrieval.vectors import FeatureSupply, StoredFeatures


class Ties(StrEnum):
    """What equal scores count."""

    expected = "expected"
    pessimistic = "pessimistic"


def _split_name(name: str) -> str:
    if name in drawable_splits():
        return name
    known = ", ".join(map(repr, drawable_splits()))
    raise typer.BadParameter(f"{name!r} is not one of {known}.")


SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        parser=_split_name,
        metavar=f"<{'|'.join(name for name in SPLITS.registered if not SPLITS[name].from_file)}>",
        help="What is drawn to be a query.",
    ),
]
Backend = Annotated[
    str, typer.Option("--backend", help="What ranks: numpy, torch, or torch:cuda (the same numbers to 1e-5).")
]
TextsOption = Annotated[
    list[Path] | None,
    typer.Option("--texts", help="Condition texts (JSON) of an entity; may be repeated."),
]
TemplateOption = Annotated[
    str,
    typer.Option("--template", help="Makes texts from label values where there are none; {c} is the value."),
]
ConditionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--condition",
        help="A column of labels to take as a condition, or the name for folders of classes; may be repeated. "
        "Default: all columns that can be conditions.",
    ),
]
ParentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parent", help="CHILD=PARENT: CHILD is evaluated within each value of PARENT; may be repeated."
    ),
]
EntityOption = Annotated[
    str | None, typer.Option("--entity", help="One entity of the data only, or a name for your own data.")
]
LargestSetOption = Annotated[
    int | None,
    typer.Option(
        "--largest-set",
        min=1,
        help="The most conditions asked for together. Default: all combinations of up to 4 conditions, pairs of more.",
    ),
]
FeaturesOption = Annotated[
    Path | None,
    typer.Option(
        "--features",
        help="Vectors of the pictures, made elsewhere: .npy, .safetensors or .parquet with keys.",
    ),
]
TextFeaturesOption = Annotated[
    Path | None,
    typer.Option("--text-features", help="Vectors of the texts in the same space, keyed by the text."),
]


@dataclass
class Inputs:
    """Data and vectors as the options name them; opened when first needed.

    parents: CHILD=PARENT each. features, text_features: files that stand in for an encoder.
    """

    folder: RunFolder
    data: Path | None
    encoder: str
    device: str
    precision: str
    batch_size: int
    entity: str | None = None
    conditions: list[str] | None = None
    parents: list[str] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    features: Path | None = None
    text_features: Path | None = None

    @cached_property
    def source(self) -> ImageSource:
        """The labelled pictures."""
        return open_data(
            self.folder,
            self.data,
            entity=self.entity,
            parents=parents_of(self.parents),
            conditions=self.conditions,
        )

    @property
    def plan(self) -> Path | None:
        """The run's plan folder, unless the data are someone's own."""
        return self.folder.plan if self.data is None else None

    def identity(self) -> Mapping[str, Any]:
        """The identity of what makes the vectors; a model that the feature store does not know is loaded for it."""
        from clay_eval.evaluator.embedding.encoders import load_encoder
        from clay_eval.evaluator.embedding.encoders.names import request
        from clay_eval.evaluator.embedding.store import FeatureStore

        if self.features is not None:
            return self._given().identity
        known = FeatureStore(self.folder.features).known(request(self.encoder, self.precision))
        return known or load_encoder(self.encoder, self.device, self.precision, self.batch_size).identity

    @contextmanager
    def supply(self) -> Iterator[FeatureSupply]:
        """Vectors of the pictures, computed now as far as the store lacks them; the store is locked meanwhile."""
        from clay_eval.evaluator.embedding.encoders.names import request
        from clay_eval.evaluator.embedding.store import FeatureStore
        from clay_eval.evaluator.retrieval.vectors import StoredFeatures
        from clay_eval.schemas.files import locked

        if self.features is not None:
            with locked(self.folder.features):
                yield self._given()
            return
        request(self.encoder, self.precision)
        with locked(self.folder.features):
            _, model = embed_source(
                self.folder, self.source, self.encoder, self.device, self.precision, self.batch_size
            )
            yield StoredFeatures(FeatureStore(self.folder.features), model)

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

        runtime = {"device": self.device, "precision": self.precision, "batch_size": self.batch_size}
        return settings.prepared(image_methods(self.source, FeatureStore(self.folder.features), runtime))

    def recorded(self) -> dict[str, Any]:
        """What can move a number by rounding, and is no part of a report's identity."""
        import torch

        from clay_eval.evaluator.embedding.encoders.devices import choose_device

        return {
            "device": choose_device(self.device),
            "batch_size": self.batch_size,
            "threads": torch.get_num_threads(),
        }


def announce(evaluation: Evaluation) -> None:
    """Say what was left out, and how much there is to do, before it is done."""
    for line in (*evaluation.notes, evaluation.size):
        note(line)


def parents_of(pairs: list[str]) -> dict[str, str] | None:
    """CHILD=PARENT pairs as a mapping, None for none; raises InputError for what cannot be read."""
    from clay_eval.schemas.errors import InputError

    parents: dict[str, str] = {}
    for pair in pairs:
        child, _, parent = pair.partition("=")
        if not child or not parent or "=" in parent or child in parents:
            raise InputError(
                "cannot read this, or a second parent" if child in parents else "cannot read this",
                where="--parent",
                expected="CHILD=PARENT, once a CHILD",
                found=repr(pair),
            )
        parents[child] = parent
    return parents or None


def weights_of(pairs: list[str]) -> dict[str, float]:
    """CONDITION=NUMBER pairs as a mapping; raises InputError for what cannot be read or is not positive."""
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.words import nfc

    weights: dict[str, float] = {}
    for pair in pairs:
        name, _, number = nfc(pair).rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = float("nan")
        if not name or name in weights or not 0 < weight < float("inf"):
            raise InputError(
                "cannot read this weight, or a second one of a condition",
                where="--weight",
                expected="CONDITION=NUMBER, the number positive, once a condition",
                found=repr(pair),
            )
        weights[name] = weight
    return weights
