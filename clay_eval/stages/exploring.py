"""The stage that opens pictures, labelled or not, for `clay-eval explore`: vectors, conditions, and where they are kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError

from .folders import Progress, silent
from .inputs import Inputs

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import Encoder
    from clay_eval.evaluator.explore.conditions import Worded
    from clay_eval.evaluator.explore.explorer import Explorer, Words
    from clay_eval.evaluator.explore.workbench import Workbench
    from clay_eval.evaluator.pictures.labelled import ImageSource, Labelled
    from clay_eval.evaluator.retrieval.vectors import FeatureSource
    from clay_eval.schemas.texts import ConditionTexts

    from .wording import AskedModel

FOLDER = "explore"
"""What the page keeps lies in this folder of the run."""
_CACHE = "XDG_CACHE_HOME"


@dataclass(frozen=True)
class ExploreOptions:
    """What is opened, and how.

    labels: a table of labels of given vectors, in place of the data. no_labels: labels that lie there are left unread.
    methods: those that the page offers, None for the usual ones. template: makes texts of values.
    """

    labels: Path | None = None
    no_labels: bool = False
    methods: Sequence[str] | None = None
    template: str = "a photo of {c}"


def place_of(data: Path | None, features: Path | None, out: Path | None) -> Path:
    """Where vectors are kept: `out`, or without one a folder of the user's cache that belongs to the data.

    Raises InputError where nothing says what is to be explored.
    """
    if out is not None:
        return out
    of = data or features
    if of is None:
        raise InputError(
            "nothing to explore",
            where="--out",
            expected="--out RUN, --data FOLDER, or --features FILE",
        )
    cache = Path(os.environ.get(_CACHE) or Path.home() / ".cache") / "clay-eval" / FOLDER
    digest = hashlib.sha256(str(of.resolve()).encode()).hexdigest()[:12]
    return cache / f"{of.resolve().name[:60]}-{digest}"


def open_explorer(
    inputs: Inputs,
    options: ExploreOptions | None = None,
    progress: Progress = silent,
    model: AskedModel | None = None,
) -> Explorer:
    """Open what `inputs` name, embed what is not yet, and return what the page shows.

    model: a language model that writes the texts of conditions that are typed. The feature store is locked while pictures
    are embedded, not while they are explored.
    """
    from clay_eval.evaluator.explore.explorer import Explorer
    from clay_eval.evaluator.pictures.notes import notes_of

    options = options or ExploreOptions()
    source = inputs.source = opened(inputs, options, progress)
    with inputs.feature_source(progress) as feature_source:
        features = feature_source.images(source)
        texts = _Texts(inputs, source, options)
        encoder = encoder_of(inputs)
        benches: dict[str, Workbench] = {}
        for name, labels in source.entities.items():
            notes = [*notes_of(source), *notes_of(feature_source)]
            benches[name] = _workbench(inputs, labels, features[name].matrix, encoder, options, notes)
            texts.add_to(benches[name], labels, feature_source)
    data = (inputs.data or inputs.features or inputs.folder.root).resolve()
    return Explorer(
        benches,
        data.name if inputs.pictured else data.parent.name,
        _called(feature_source.identity),
        _words(options.template, model),
        inputs.folder.root / FOLDER,
        _private(inputs),
    )


def _words(template: str, model: AskedModel | None) -> Words:
    """What makes texts of what is typed in the page."""
    from clay_eval.evaluator.explore.conditions import checked

    from .wording import condition_in_words

    def words(entity: str, name: str, values: Sequence[str]) -> tuple[str, Worded]:
        said = f"{name}: {', '.join(values)}" if values else name
        texts = condition_in_words(said, entity=entity, template=template, model=model)
        (named,) = texts.conditions
        return named, checked(texts, named, _origin(texts))

    return words


def opened(inputs: Inputs, options: ExploreOptions, progress: Progress) -> ImageSource:
    """The pictures: labelled where labels lie there, else every picture of the folder; or vectors alone."""
    from clay_eval.evaluator.pictures.folders import shards_folder
    from clay_eval.evaluator.pictures.layouts import has_class_folders, tables_in
    from clay_eval.evaluator.pictures.notes import said
    from clay_eval.evaluator.pictures.tars import tars_in
    from clay_eval.evaluator.pictures.unlabelled import UnlabelledFolder
    from clay_eval.evaluator.pictures.vectors_only import VectorsOnly
    from clay_eval.schemas.texts import load_texts

    if options.labels is not None:
        inputs.data, inputs.pictured = options.labels, False
    data = inputs.data
    ours = (data is None and inputs.features is None) or (
        data is not None and shards_folder(data) is not None
    )
    if inputs.entity is None and len(inputs.texts) == 1 and not ours:
        inputs.entity = load_texts(inputs.texts[0]).entity  # so that the texts are those of the data
    if data is None and inputs.features is not None:
        from clay_eval.evaluator.embedding.given import read_given

        return said(VectorsOnly(read_given(inputs.features).keys, inputs.features, inputs.entity))
    if data is None or ours or not data.is_dir():
        return inputs.source
    labelled = tables_in(data) or tars_in(data) or (inputs.conditions and has_class_folders(data))
    if labelled and not options.no_labels:
        return inputs.source
    kept = inputs.folder.root / FOLDER / "decoded.json"

    def looked(done: int, of: int) -> None:
        progress("look", done, of)

    progress("look", 0, None)
    return said(UnlabelledFolder(data, inputs.entity, kept, looked))


def encoder_of(inputs: Inputs) -> Encoder:
    """What encodes texts that are typed and pictures that are dropped in, once the store is free again."""
    from clay_eval.evaluator.embedding.lazy import open_encoder
    from clay_eval.evaluator.embedding.store import FeatureStore

    if inputs.features is not None:
        from clay_eval.evaluator.embedding.given import GivenEncoder, read_given
        from clay_eval.evaluator.explore.missing import GivenTexts

        texts = None if inputs.text_features is None else read_given(inputs.text_features)
        return GivenTexts(GivenEncoder(read_given(inputs.features), texts))
    store = FeatureStore(inputs.folder.features)
    return open_encoder(inputs.encoder, store, inputs.device, inputs.precision, inputs.batch_size)


def _workbench(
    inputs: Inputs,
    labels: Labelled,
    features: Any,
    encoder: Encoder,
    options: ExploreOptions,
    notes: Sequence[str],
) -> Workbench:
    from clay_eval.evaluator.explore.collection import Collection
    from clay_eval.evaluator.explore.workbench import METHODS, Workbench
    from clay_eval.evaluator.pictures.access import PictureReader
    from clay_eval.evaluator.pictures.sources import ClayShards

    source, entity = inputs.source, labels.entity
    called = getattr(source, "names", {})
    reader = PictureReader(source) if getattr(source, "pictured", True) else None
    collection = Collection(
        entity,
        labels.keys,
        [called.get(key, key) for key in labels.keys],
        labels.labels,
        None if reader is None else lambda row: reader.read(entity, row),
        source.manifest if isinstance(source, ClayShards) else None,
        notes,
    )
    return Workbench(
        collection, features, encoder, tuple(options.methods or METHODS), embeds=inputs.features is None
    )


class _Texts:
    """The conditions that are there from the beginning: those of the data, of --texts, and those that were kept."""

    def __init__(self, inputs: Inputs, source: ImageSource, options: ExploreOptions) -> None:
        from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity, texts_from_files

        self._folder = inputs.folder.root / FOLDER
        labelled = {name: labels for name, labels in source.entities.items() if labels.labels}
        given = texts_from_files(inputs.texts)
        if len(source.entities) == 1 and not labelled:  # files of any entity fit pictures that have no labels
            (name,) = source.entities
            self._texts = {name: list(given.values())}
            return
        found = texts_by_entity(labelled, inputs.texts, inputs.plan, options.template)
        self._texts = {name: [texts] for name, texts in found.items()}

    def add_to(self, bench: Workbench, labels: Labelled, feature_source: FeatureSource) -> None:
        """Add the conditions of an entity; one that cannot be used becomes a note."""
        from clay_eval.evaluator.explore.conditions import checked

        for texts in self._of(labels.entity):
            for name in texts.conditions:
                try:
                    worded = checked(texts, name, _origin(texts))
                    vectors = feature_source.texts([text.text for text in worded.texts])
                    bench.add(name, worded, vectors)
                except InputError as error:
                    hint = f" ({error.hint})" if error.hint else ""
                    bench.note(f"{name} is no condition here: {error.what}{hint}")

    def _of(self, entity: str) -> list[ConditionTexts]:
        from clay_eval.evaluator.explore.explorer import kept_texts
        from clay_eval.schemas.texts import load_texts

        kept = kept_texts(self._folder, entity)
        return [*self._texts.get(entity, ()), *([load_texts(kept)] if kept.is_file() else ())]


def _origin(texts: ConditionTexts) -> str:
    origin = texts.record["origin"]
    return f"by {origin['author']}, {origin['method']}"


def _called(identity: Mapping[str, Any]) -> str:
    """The encoder in words."""
    if identity.get("library") == "given":
        return f"vectors of {identity.get('name', 'a file')}"
    name = str(identity.get("name", "an encoder"))
    return f"{name}, a demonstration model" if identity.get("demonstration") else name


def _private(inputs: Inputs) -> list[str]:
    """Paths that no answer names, the longest first."""
    places = [inputs.data, inputs.folder.root, inputs.features, inputs.text_features]
    folders = [p for place in places if place is not None for p in (place, place.absolute(), place.resolve())]
    parents = [p.parent for p in folders if p.is_file()]
    named = {str(p) for p in (*folders, *parents, Path.cwd(), Path.home()) if p != Path() and p != Path("/")}
    return sorted(named, key=len, reverse=True)
