"""The stage that opens pictures, labelled or not, as an index under conditions, and searches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.words import TEMPLATE

from .exploring import ExploreOptions, encoder_of, opened
from .folders import Progress, silent
from .inputs import Inputs
from .wording import AskedModel, condition_in_words, joined_texts, parse_words

if TYPE_CHECKING:
    from clay_eval.evaluator.embedding.encoders import Encoder
    from clay_eval.evaluator.index.conditional_index import ConditionalIndex
    from clay_eval.evaluator.pictures.labelled import ImageSource
    from clay_eval.evaluator.retrieval.vectors import FeatureSource
    from clay_eval.schemas.texts import ConditionTexts

METHOD = "clay(fusion=sum)"


@dataclass(frozen=True)
class SearchOptions:
    """How an index is made: method: a spec; labels: a table of labels of given vectors; no_labels: labels that lie there
    are left unread; template: makes texts of values; model: may be asked for texts."""

    method: str = METHOD
    labels: Path | None = None
    no_labels: bool = False
    template: str = TEMPLATE
    model: AskedModel | None = None


@dataclass(frozen=True, eq=False)
class Searchable:
    """An entity's pictures under conditions. texts: the conditions'; files: each picture's path, "" where it has none."""

    entity: str
    index: ConditionalIndex
    texts: ConditionTexts | None
    files: Sequence[str]
    encoder: Encoder

    def query(self, said: str) -> Any:
        """The query that was said: a picture's key, or its file, which may be any picture; a key, or a vector (d,).

        Raises InputError where it is neither, and for a picture that cannot be decoded or embedded.
        """
        from clay_eval.schemas.decoding import MAX_BYTES, decode_image
        from clay_eval.schemas.reading import read_bytes

        if said in self.index.keys:
            return said
        path = Path(said)
        if not path.is_file():
            self._refuse(said)
        for row, file in enumerate(self.files):
            if path.suffix != ".tar" and Path(file).name == path.name and path.samefile(file):
                return self.index.keys[row]
        image = decode_image(read_bytes(path, MAX_BYTES, "picture"), str(path))
        return self.encoder.encode_images([image])[0]

    def _refuse(self, said: str) -> None:
        try:
            self.index.row(said)
        except InputError as error:
            raise InputError(
                "neither a picture's key nor a file", where="--query", found=repr(said), hint=error.hint
            ) from None


def parse_asked(texts: Sequence[str]) -> dict[str, float]:
    """Return words -> weight of conditions as they are typed: `color`, `color=2`, `shape=-1`, `mood: calm, wild=0.5`.

    Raises InputError for a weight that is none, and for a condition that is named twice.
    """
    asked: dict[str, float] = {}
    names: set[str] = set()
    for text in texts:
        words, weight = _weighted(text)
        name, _ = parse_words(words)
        if name in names:
            raise InputError("a condition is named twice", where="--condition", found=repr(text))
        names.add(name)
        asked[words] = weight
    return asked


def open_index(
    inputs: Inputs,
    asked: Sequence[str],
    options: SearchOptions | None = None,
    progress: Progress = silent,
    key: str | None = None,
) -> Searchable:
    """Open the pictures that `inputs` name, embed what is not yet, and add the conditions that `asked` name in words.

    key: tells which of several entities is meant. Raises InputError as `condition_in_words`, where vectors of its texts are
    missing, for several entities of which none is named, and as `ConditionalIndex`.
    """
    from clay_eval.evaluator.index.conditional_index import ConditionalIndex
    from clay_eval.evaluator.index.conditions import Condition
    from clay_eval.evaluator.retrieval.vectors import extras

    options = options or SearchOptions()
    entity, found = _worded(inputs, asked, options, progress, key)
    with inputs.feature_source(progress) as feature_source:
        features = feature_source.images(inputs.source)[entity]
        labels = inputs.source.entities[entity].labels
        index = ConditionalIndex(
            features.matrix, features.keys, labels, method=options.method, extras=extras(feature_source, {})
        )
        for name, items in (found.conditions if found is not None else {}).items():
            vectors = _encoded(feature_source, [item.text for item in items])
            index.add(Condition(name, vectors, [item.value for item in items]))
    files = _files(inputs.source, inputs.data, entity)
    return Searchable(entity, index, found, files, encoder_of(inputs))


def needed_texts(
    inputs: Inputs, asked: Sequence[str], options: SearchOptions | None = None, progress: Progress = silent
) -> list[str]:
    """The texts that `open_index` needs vectors of, each once."""
    _, found = _worded(inputs, asked, options or SearchOptions(), progress, None)
    items = [] if found is None else [item.text for items in found.conditions.values() for item in items]
    return list(dict.fromkeys(items))


def search(place: Searchable, query: str, weights: Mapping[str, float], top: int) -> list[dict[str, Any]]:
    """The `top` pictures most similar to `query`, a key or a file, with path, labels, and what each likely shows.

    weights: words of the conditions, as in `parse_asked`.
    """
    index = place.index
    by_name = {parse_words(words)[0]: weight for words, weight in weights.items()}
    vector = place.query(query)
    return [
        {
            "key": one.key,
            "similarity": one.similarity,
            "path": place.files[one.row] or None,
            "labels": {attribute: values[one.row] for attribute, values in index.labels.items()},
            "likely": {name: _likely(index, one.key, name) for name in by_name},
        }
        for one in index.query(vector, by_name, top)
    ]


def _likely(index: ConditionalIndex, key: str, name: str) -> dict[str, Any]:
    (first,) = index.explain(key, name, top=1)
    return {"value": first.value, "chance": round(first.chance, 4)}


def _weighted(text: str) -> tuple[str, float]:
    words, equals, number = text.rpartition("=")
    if not equals:
        return text.strip(), 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = float("nan")
    if not isfinite(weight) or weight < -1:
        raise InputError(
            "cannot read this weight",
            where="--condition",
            expected="NAME=NUMBER: above 0 to count, down to -1 for regardless of it",
            found=repr(text),
        )
    return words.strip(), weight


def _worded(
    inputs: Inputs, asked: Sequence[str], options: SearchOptions, progress: Progress, key: str | None
) -> tuple[str, ConditionTexts | None]:
    """The entity, and the texts of the conditions; `inputs` has its source then."""
    source = inputs.source = opened(
        inputs, ExploreOptions(options.labels, options.no_labels, None, options.template), progress
    )
    entity = _entity(source, key)
    known = _known(inputs, source, entity, options)
    found = [
        condition_in_words(words, known, entity=entity, template=options.template, model=options.model)
        for words in asked
    ]
    return entity, joined_texts(found, entity) if found else None


def _known(inputs: Inputs, source: ImageSource, entity: str, options: SearchOptions) -> list[ConditionTexts]:
    """The texts that the data have, or that were given: files of any entity fit pictures without labels."""
    from clay_eval.evaluator.evaluation.condition_texts import texts_by_entity, texts_from_files

    labels = source.entities[entity]
    given = texts_from_files(inputs.texts)
    if not labels.labels:
        return list(given.values())
    files = [path for path, texts in zip(inputs.texts, given.values(), strict=True) if texts.entity == entity]
    return [texts_by_entity({entity: labels}, files, inputs.plan, options.template)[entity]]


def _entity(source: ImageSource, key: str | None) -> str:
    names = list(source.entities)
    if len(names) > 1 and key is not None:
        names = [name for name in names if key in source.entities[name].keys] or names
    if len(names) > 1:
        raise InputError(
            "the data have several entities",
            where="--entity",
            expected="one of them",
            found=", ".join(names),
        )
    return names[0]


def _encoded(feature_source: FeatureSource, texts: Sequence[str]) -> Any:
    try:
        return feature_source.texts(texts)
    except InputError as error:
        if error.where is None or "--text-features" not in f"{error.where} {error.hint}":
            raise
        raise InputError(
            error.what,
            where=error.where,
            expected=error.expected,
            found=error.found,
            hint="the same command with --write-texts FILE lists the texts, one a line; encode them with the encoder of the "
            "pictures and give them by --text-features",
        ) from error


def _files(source: ImageSource, data: Path | None, entity: str) -> list[str]:
    """The path of each picture of `entity`: its own file, or the tar that holds it."""
    from clay_eval.evaluator.pictures.access import InTars

    labels = source.entities[entity]
    names: Mapping[str, str] = getattr(source, "names", {})
    if names and data is not None:
        return [str(data / names[key]) for key in labels.keys]
    units = [unit for unit in source.units() if unit.entity == entity]
    if isinstance(source, InTars):
        return [str(source.tar(unit)[0]) for unit in units for _ in unit.keys]
    return [""] * len(labels.keys)
