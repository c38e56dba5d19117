"""The groups of options that the commands on labelled pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clay_eval.evaluator.retrieval.split_kinds import SPLITS, drawable_splits
from clay_eval.stages.folders import RunFolder
from clay_eval.stages.inputs import Inputs, open_data

if TYPE_CHECKING:
    from clay_eval.evaluator.evaluation.settings import EvaluationSettings
    from clay_eval.evaluator.pictures.labelled import ImageSource


class Precision(StrEnum):
    """Number formats of the encoder."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Ties(StrEnum):
    """What equal scores count."""

    expected = "expected"
    pessimistic = "pessimistic"


def split_name(name: str) -> str:
    """`name`, of a split that is drawn; raises BadParameter for another."""
    if name in SPLITS.registered and not SPLITS[name].from_file:
        return name
    if name in drawable_splits():
        return name
    known = ", ".join(map(repr, drawable_splits()))
    raise typer.BadParameter(f"{name!r} is not one of {known}.")


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Labelled pictures: shards, a release, webdataset tars, a folder with labels.csv or metadata.csv, a folder of "
        "pictures for each class, or NAME:FOLDER (see clay-eval datasets). Default: shards/ of --out.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Number format of the encoder.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, help="Pictures a forward pass; halved if memory runs out.")
]
Backend = Annotated[
    str, typer.Option("--backend", help="What ranks: numpy, torch, or torch:cuda (the same numbers to 1e-5).")
]
SplitOption = Annotated[
    str,
    typer.Option(
        "--split",
        parser=split_name,
        metavar=f"<{'|'.join(name for name in SPLITS.registered if not SPLITS[name].from_file)}>",
        help="What is drawn to be a query.",
    ),
]
QueryShare = Annotated[
    float, typer.Option("--query-share", help="Share of the pictures (or combinations) that are queries.")
]
TiesOption = Annotated[Ties, typer.Option("--ties", help="What equal scores count.")]
Draws = Annotated[
    int, typer.Option("--draws", min=1, help="Bootstrap draws, of reports whose intervals are percentiles.")
]
WriteTexts = Annotated[
    Path | None,
    typer.Option(
        "--write-texts",
        help="Only write the texts that are needed to this file, to encode them elsewhere.",
    ),
]
TextFiles = Annotated[
    list[Path] | None,
    typer.Option("--texts", help="Condition texts (JSON) of an entity; may be repeated."),
]


@dataclass(frozen=True)
class PictureOptions:
    """Which labelled pictures."""

    data: Data = None
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            help="A column of labels to take as a condition, or the name for folders of classes; may be repeated. "
            "Default: all columns that can be conditions.",
        ),
    ] = None
    entity: Annotated[
        str | None, typer.Option("--entity", help="One entity of the data only, or a name for your own data.")
    ] = None

    @property
    def parents(self) -> dict[str, str] | None:
        """Condition -> its parent; None for what the data themselves say."""
        return None


@dataclass(frozen=True)
class DataOptions(PictureOptions):
    """Which labelled pictures, and which of their conditions depend on another."""

    parent: Annotated[
        list[str] | None,
        typer.Option(
            "--parent", help="CHILD=PARENT: CHILD is evaluated within each value of PARENT; may be repeated."
        ),
    ] = None

    @property
    def parents(self) -> dict[str, str] | None:
        """Condition -> its parent; None for what the data themselves say."""
        return parents_of(self.parent or [])

    def source(self, out: Path | None, entity: str | None) -> ImageSource:
        """The labelled pictures, or those of one entity."""
        place = RunFolder(out or Path())
        return open_data(place, self.data, entity=entity, parents=self.parents, conditions=self.condition)


@dataclass(frozen=True)
class EncoderOptions:
    """What makes the vectors, and how it is run."""

    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            help="embedded, MODEL:TAG or MODEL:FILE.safetensors of open_clip, a model folder, hf-hub:ORG/NAME, or "
            "transformers:FOLDER or ORG/NAME[@REVISION] for CLIP, SigLIP and SigLIP 2 of transformers.",
        ),
    ] = "embedded"
    device: Device = "auto"
    precision: PrecisionOption = Precision.fp32
    batch_size: BatchSize = 64

    def inputs(self, out: Path, data: Path | None = None) -> Inputs:
        """The pictures in `data`, or the run's own, and what makes their vectors."""
        runtime = (self.device, self.precision.value, self.batch_size)
        return Inputs(RunFolder(out), data, self.encoder, *runtime)


@dataclass(frozen=True)
class VectorOptions(EncoderOptions):
    """What makes the vectors, or where they lie ready-made."""

    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="Vectors of the pictures, made elsewhere: .npy, .safetensors or .parquet with keys.",
        ),
    ] = None
    text_features: Annotated[
        Path | None,
        typer.Option("--text-features", help="Vectors of the texts in the same space, keyed by the text."),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            help="With --features, in place of --data: a table of labels (CSV, or JSON lines) whose pictures are not here.",
        ),
    ] = None

    def place(self, data: Path | None) -> Path | None:
        """Where the labels lie: `data`, or the table; raises InputError for both, and where there is no table."""
        from clay_eval.schemas.errors import InputError

        if self.labels is None:
            return data
        if data is not None:
            raise InputError("labels twice", where="--labels", expected="--data or --labels", found="both")
        if not self.labels.is_file() or self.labels.suffix not in (".csv", ".jsonl"):
            raise InputError("no such table of labels", where=self.labels, expected="a .csv or .jsonl file")
        return self.labels


@dataclass(frozen=True)
class TextOptions:
    """What the conditions are called in words."""

    texts: TextFiles = None
    template: Annotated[
        str,
        typer.Option(
            "--template", help="Makes texts from label values where there are none; {c} is the value."
        ),
    ] = "a photo of {c}"


@dataclass(frozen=True)
class SettingsOptions:
    """What moves the numbers of an evaluation."""

    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="AP, P@10, nDCG@100, ...; may be repeated, the first one leads."),
    ] = None
    largest_set: Annotated[
        int | None,
        typer.Option(
            "--largest-set",
            min=1,
            help="The most conditions asked for together. Default: all combinations of up to 4 conditions, pairs of more.",
        ),
    ] = None
    n_components: Annotated[
        int, typer.Option("--k", min=1, help="Dimensions of CLAY's subspace, at most.")
    ] = 50
    split: SplitOption = "image"
    split_file: Annotated[
        Path | None,
        typer.Option("--split-file", help="A CSV with the columns key and split (query, database, unused)."),
    ] = None
    seed: Annotated[
        list[int] | None,
        typer.Option(
            "--seed", min=0, help="Draws the split; repeated, every number is a mean over the splits."
        ),
    ] = None
    query_share: QueryShare = 0.1
    fit_images: Annotated[
        int | None,
        typer.Option("--fit-images", min=2, help="Fit methods on that many database pictures only."),
    ] = None
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", help="CONDITION=NUMBER, where several conditions meet; may be repeated."),
    ] = None
    ties: TiesOption = Ties.expected
    draws: Draws = 1000
    by_combination: Annotated[
        bool,
        typer.Option(
            "--by-combination", help="Intervals and tests count whole combinations of labels, not queries."
        ),
    ] = False

    def settings(
        self, methods: Sequence[str] | None, template: str, reference: str | None = None
    ) -> EvaluationSettings:
        """The settings of an evaluation of `methods`, None for the default ones."""
        from clay_eval.evaluator.evaluation.settings import EvaluationSettings

        defaults = EvaluationSettings()
        return EvaluationSettings(
            methods=tuple(methods or defaults.methods),
            n_components=self.n_components,
            measures=tuple(self.measure or defaults.measures),
            ties=self.ties.value,
            split=self.split,
            seeds=tuple(self.seed or defaults.seeds),
            query_share=self.query_share,
            fit_images=self.fit_images,
            weights=weights_of(self.weight or []),
            reference=reference,
            bootstrap_draws=self.draws,
            resample="combinations" if self.by_combination else "queries",
            template=template,
            largest_set=self.largest_set,
        )


def inputs_of(
    out: Path, data: PictureOptions, vectors: VectorOptions, texts: Sequence[Path] | None
) -> Inputs:
    """Data and vectors as the options name them."""
    return replace(
        vectors.inputs(out, vectors.place(data.data)),
        entity=data.entity,
        conditions=data.condition,
        parents=data.parents,
        texts=texts or (),
        features=vectors.features,
        text_features=vectors.text_features,
        pictured=vectors.labels is None,
    )


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
