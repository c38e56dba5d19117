"""The feature store: every picture is embedded once, in files that name the encoder and the shard they were made from.

    <store>/<encoder slug>/encoder.json                  the encoder's identity
    <store>/<encoder slug>/<unit>.safetensors            features of one unit (a shard)
    <store>/<encoder slug>/texts-<hash>.safetensors      features of one list of texts

>>> store = FeatureStore(Path("runs/demo/features"))                               # doctest: +SKIP
>>> encoder = load_encoder("embedded")                                             # doctest: +SKIP
>>> embed(source, encoder, store)                                                  # doctest: +SKIP
EmbedCounts(computed=2880, reused=0)
>>> store.load(source, encoder.identity)["demo-human"].matrix.shape                # doctest: +SKIP
(1440, 128)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from clay_eval.schemas.decoding import by_pixels, decode_image
from clay_eval.schemas.errors import ClayEvalError, InputError, IntegrityError
from clay_eval.schemas.files import differences, remove_leftovers, write_sealed
from clay_eval.schemas.fingerprint import SEAL, fingerprint, is_sealed
from clay_eval.schemas.software import versions
from clay_eval.schemas.validate import parse_json, read_text

from ..pictures.labelled import ImageSource, Unit
from .ahead import ahead
from .encoders import Encoder, Preparing, slug
from .encoders.rows import UNKNOWN_LOGIT_SCALE
from .feature_files import DamagedFeaturesError, FeatureFile, read_features, write_features

log = logging.getLogger(__name__)

ENCODER_FILE = "encoder.json"
ENCODER_SCHEMA = "clay-eval/encoder/2"
_NORM_TOLERANCE = 1e-3
_THREADS = min(8, os.cpu_count() or 1)
_AHEAD = 2

Engine = Callable[[Iterable[Unit]], Iterator[Unit]]
"""Gets units embedded and written to the store, in whatever order and place; yields each when it is."""


@dataclass(frozen=True)
class EntityFeatures:
    """Features of an entity's pictures: `matrix[i]` belongs to `keys[i]`; matrix is (N, d).

    Of a `FeatureStore` they are float32 unit rows; features made elsewhere have the type and length they were given with.
    """

    keys: Sequence[str]
    matrix: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EmbedCounts:
    """How many pictures were embedded now, and how many had been before."""

    computed: int
    reused: int


class FeatureStore:
    """Features of pictures and texts in a folder, keyed by the encoder's identity."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def encoder_folder(self, identity: Mapping[str, Any]) -> Path:
        """Where the features of one encoder lie."""
        return self.folder / slug(identity)

    def unit_path(self, identity: Mapping[str, Any], unit: Unit) -> Path:
        """Where the features of one unit lie."""
        return self.encoder_folder(identity) / f"{unit.name}.safetensors"

    def remember(self, encoder: Encoder, asked: Mapping[str, Any]) -> None:
        """Record an encoder's identity and scale, the request that it answered, and the libraries' versions."""
        record = {
            "schema": ENCODER_SCHEMA,
            "identity": dict(encoder.identity),
            "logit_scale": encoder.logit_scale,
            "request": dict(asked),
            "versions": versions("open_clip_torch", "transformers", "torch", "torchvision", "pillow"),
        }
        path = self.encoder_folder(encoder.identity) / ENCODER_FILE
        if _read_encoder_record(path) != record:
            write_sealed(path, record)

    def known(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """The identity of the encoder that answered the same request before, or None."""
        for path in sorted(self.folder.glob(f"*/{ENCODER_FILE}")):
            record = _read_encoder_record(path)
            if record is not None and record["request"] == asked:
                identity: dict[str, Any] = record["identity"]
                if path.parent.name == slug(identity):
                    return identity
        return None

    def logit_scale(self, identity: Mapping[str, Any]) -> float:
        """The learnt scale of an encoder that is known here; 100 for one that is not."""
        record = _read_encoder_record(self.encoder_folder(identity) / ENCODER_FILE)
        return UNKNOWN_LOGIT_SCALE if record is None else float(record["logit_scale"])

    def identities(self) -> list[dict[str, Any]]:
        """Identities of all encoders that have features here."""
        records = map(_read_encoder_record, sorted(self.folder.glob(f"*/{ENCODER_FILE}")))
        return [record["identity"] for record in records if record is not None]

    def clean(self) -> None:
        """Delete what killed runs left behind. Call it while no other process writes to this store."""
        for folder in self.folder.glob("*/"):
            remove_leftovers(folder)

    def load(self, source: ImageSource, identity: Mapping[str, Any]) -> dict[str, EntityFeatures]:
        """All features of `source`, entity by entity, in the order of its keys.

        Raises InputError for features of another encoder, and for features that are missing or stale; IntegrityError for
        damaged files and values that are not finite, naming the unit.
        """
        parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in source.entities}
        for unit in source.units():
            features = self.read_unit(identity, unit)
            if features is None:
                raise InputError(
                    f"no up-to-date features of {unit.name}",
                    where=self.unit_path(identity, unit),
                    hint="embed the pictures first: clay-eval embed",
                )
            parts[unit.entity].append(features)
        return {
            name: EntityFeatures(labels.keys, np.concatenate(parts[name]))
            for name, labels in source.entities.items()
        }

    def text_features(self, texts: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
        """(n, d) float32 unit rows for `texts`, from the store where it has them; `encoder` is used only if it has not."""
        if not texts:
            raise InputError("there is no text to encode")
        key = fingerprint({"encoder": dict(encoder.identity), "texts": list(texts)})
        path = self.encoder_folder(encoder.identity) / f"texts-{key[:16]}.safetensors"
        try:
            file = read_features(path, encoder.identity)
        except FileNotFoundError:
            file = None
        except DamagedFeaturesError as error:
            log.warning("computing text features again: %s (%s)", error.what, path)
            file = None
        if file is not None and file.stamp == key and file.keys == tuple(texts):
            _check_finite(file.features, texts, path)
            return file.features
        features = encoder.encode_texts(texts)
        _check_contract(features, texts, encoder, "texts")
        write_features(path, encoder.identity, FeatureFile(tuple(texts), features, key, "texts"))
        return features

    def read_unit(self, identity: Mapping[str, Any], unit: Unit) -> NDArray[np.float32] | None:
        """A unit's features, or None if they are missing or stale; raises as `load` does, DamagedFeaturesError included."""
        path = self.unit_path(identity, unit)
        try:
            file = read_features(path, identity)
        except FileNotFoundError:
            return None
        if (file.stamp, file.entity) != (unit.sha256, unit.entity):
            return None
        if file.keys != unit.keys:
            raise DamagedFeaturesError("the features' keys are not those of the unit", where=path)
        _check_finite(file.features, unit.keys, path)
        return file.features


def embed(
    source: ImageSource,
    encoder: Encoder,
    store: FeatureStore,
    batch_size: int = 64,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    engine: Engine | None = None,
) -> EmbedCounts:
    """Compute the features of `source` that the store lacks or has stale; a killed run loses one unit at most.

    progress is called with the pictures done so far (reused ones included) and all pictures. engine: has the units embedded
    elsewhere; here and now if None. Raises InputError for features of another encoder, IntegrityError for values that are
    not finite; a damaged file is computed again.
    """
    units = source.units()
    total, done, computed = sum(len(unit.keys) for unit in units), 0, 0

    def stale() -> Iterator[Unit]:
        nonlocal done
        for unit in units:
            if is_current(unit, encoder.identity, store):
                done += len(unit.keys)
                progress(done, total)
            else:
                yield unit

    def here(units: Iterable[Unit]) -> Iterator[Unit]:
        waiting = list(units)  # told here and now: what reads ahead does so in a thread of its own
        return embed_units(
            source, waiting, encoder, store, batch_size, lambda pictures: progress(done + pictures, total)
        )

    for unit in (engine or here)(stale()):
        computed += len(unit.keys)
        done += len(unit.keys)
        progress(done, total)
    return EmbedCounts(computed, total - computed)


def is_current(unit: Unit, identity: Mapping[str, Any], store: FeatureStore) -> bool:
    """Whether the store has a unit's features; damaged ones are reported, and are none. Raises as `FeatureStore.load`."""
    try:
        return store.read_unit(identity, unit) is not None
    except DamagedFeaturesError as error:
        path = store.unit_path(identity, unit)
        log.warning("computing features of %s again: %s (%s)", unit.name, error.what, path)
        return False


def embed_units(
    source: ImageSource,
    units: Iterable[Unit],
    encoder: Encoder,
    store: FeatureStore,
    batch_size: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Unit]:
    """Embed units and write their features; yields each when it is written.

    Pictures are read, decoded and prepared while the encoder works on those before, across units, too. progress: called with
    a unit's pictures done so far, short of the last.
    """
    keys: list[str] = []
    rows: list[NDArray[np.float32]] = []
    prepared = isinstance(encoder, Preparing)
    with (
        ThreadPoolExecutor(_THREADS) as threads,
        ahead(_pieces(source, units, encoder, batch_size, threads), _AHEAD if prepared else 1) as pieces,
    ):
        for piece in pieces:
            unit = piece.unit
            if piece.names:
                encode = encoder.encode_prepared if isinstance(encoder, Preparing) else encoder.encode_images
                rows.append(encode(piece.pictures))
                _check_contract(rows[-1], piece.names, encoder, unit.name)
                keys += piece.names
                if len(keys) < len(unit.keys):
                    progress(len(keys))
                continue
            if tuple(keys) != unit.keys:
                raise IntegrityError(
                    "the pictures read are not those of the unit",
                    where=unit.name,
                    expected=len(unit.keys),
                    found=len(keys),
                )
            features = np.concatenate([np.empty((0, encoder.dimension), np.float32), *rows])
            file = FeatureFile(unit.keys, features, unit.sha256, unit.entity)
            write_features(store.unit_path(encoder.identity, unit), encoder.identity, file)
            keys, rows = [], []
            yield unit


@dataclass(frozen=True, eq=False)
class _Piece:
    """Pictures that the encoder gets at once, prepared where it can do that; none at all: the unit is at its end."""

    unit: Unit
    names: Sequence[str] = ()
    pictures: Sequence[Any] = ()


def _pieces(
    source: ImageSource,
    units: Iterable[Unit],
    encoder: Encoder,
    batch_size: int,
    threads: ThreadPoolExecutor,
) -> Iterator[_Piece]:
    """The pieces of all units, of which few pictures are in memory at their full size.

    An encoder that cannot prepare pictures gets a batch in more than one piece where its pictures are large.
    """
    for unit in units:
        for batch in _batches(source.images(unit), batch_size):
            names: list[str] = []
            prepared: list[Any] = []
            for group in by_pixels(batch):
                own = [key for key, _ in group]
                images = list(threads.map(partial(_decoded, unit), group))
                if isinstance(encoder, Preparing):
                    names += own
                    prepared += encoder.prepare(images)
                else:
                    yield _Piece(unit, own, images)
                del images  # before the next ones are decoded
            if names:
                yield _Piece(unit, names, prepared)
        yield _Piece(unit)


def _decoded(unit: Unit, item: tuple[str, bytes]) -> Image:
    return decode_image(item[1], f"{unit.name}: {item[0]}")


def _batches(items: Iterator[tuple[str, bytes]], size: int) -> Iterator[Iterator[tuple[str, bytes]]]:
    """Batches of `size` items, each read as it is asked for: the one before must have been read to its end."""
    if size < 1:
        raise InputError("a batch holds at least one item", where="--batch-size", expected=">= 1", found=size)
    for first in items:
        yield chain([first], islice(items, size - 1))


def _check_contract(
    features: NDArray[np.float32], names: Sequence[str], encoder: Encoder, where: str
) -> None:
    """What an encoder returned must be (n, d) float32 unit rows, all finite."""
    shape = (len(names), encoder.dimension)
    if features.shape != shape or features.dtype != np.float32:
        raise ClayEvalError(
            "the encoder broke its contract",
            where=where,
            expected=f"{shape} float32",
            found=f"{features.shape} {features.dtype}",
        )
    _check_finite(features, names, where)
    if len(names) and np.abs(np.linalg.norm(features, axis=1) - 1).max() > _NORM_TOLERANCE:
        raise ClayEvalError("the encoder broke its contract", where=where, expected="rows of length 1")


def _check_finite(features: NDArray[np.float32], names: Sequence[str], where: str | Path) -> None:
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise IntegrityError(
            f"NaN or infinite values in the features of {len(bad)} items",
            where=where,
            found=f"the first is {names[bad[0]]!r}",
            hint="use --precision fp32, or delete the features if they are in a file",
        )


def refuse_another(expected: Mapping[str, Any], found: Mapping[str, Any], where: str | Path) -> None:
    changed = differences(dict(expected), dict(found))
    if changed:
        raise InputError(
            "features of another encoder",
            where=where,
            found="".join(f"\n    {line}" for line in changed),
            hint="delete the folder of features, or use the encoder they were made with",
        )


def _read_encoder_record(path: Path) -> dict[str, Any] | None:
    """encoder.json without its seal, or None where it is missing or not what we wrote: it is then written anew."""
    try:
        text = read_text(path)
        record = parse_json(text, path)
    except InputError:
        return None
    if not isinstance(record, dict) or not is_sealed(text, record) or record.get("schema") != ENCODER_SCHEMA:
        return None
    return {key: value for key, value in record.items() if key != SEAL}
