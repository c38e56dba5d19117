"""What the page asks of one entity's pictures: who is near, why, and where all of them lie.

No HTTP here: numbers and texts in, records out. Everything goes through one lock, for the index changes when a condition is
added; products use all cores by themselves.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.escaping import visible

from ..index.conditional_index import ConditionalIndex, searchable_method
from ..index.conditions import Condition
from ..index.nearest import best_rows
from ..index.removal import Subspaces
from ..methods.clay import CLAY
from ..methods.label_posterior import LabelPosterior
from ..retrieval.study import Extras
from ..vectors.arrays import FloatArray, unit_rows
from ..vectors.fusion import shares
from .collection import Collection
from .conditions import Worded
from .plane import drawn_rows, flat_map, packed

if TYPE_CHECKING:
    from PIL.Image import Image

RAW = "raw"
METHODS = (
    "clay(fusion=sum)",
    RAW,
    "clay-values(fusion=sum)",
    "label-posterior",
    "text-mixture",
    "crl(fusion=sum)",
    "text-pca(fusion=sum)",
)
MOST_NEIGHBOURS = 200
COLOURS = 9
"""Values of a map that get a colour each; all further ones share the last."""
_KEPT_UPLOADS = 8
_KEPT_ANSWERS = 4
_SHOWN_VALUES = 3
_COLOUR_BLOCK = 16_384


class TextAndPictureEncoder(Protocol):
    """What makes vectors of texts and pictures in the space of the collection's."""

    @property
    def logit_scale(self) -> float:
        """The factor that the model learnt for its cosines."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, d) unit rows."""
        ...

    def encode_images(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """(n, d) unit rows."""
        ...


@dataclass(frozen=True)
class Question:
    """What is asked: a row, or the name of an upload; weights: condition -> weight (below 0: regardless of it)."""

    query: int | str
    weights: Mapping[str, float]


class Workbench:
    """The pictures of one entity with their vectors (N, d), and the conditions added so far.

    methods: specs that may be asked for, the first by default; embeds: whether a picture of the user's can be a query.

    Raises InputError for methods that no index can have.
    """

    def __init__(
        self,
        collection: Collection,
        features: FloatArray,
        encoder: TextAndPictureEncoder,
        methods: Sequence[str] = METHODS,
        extras: Extras | None = None,
        *,
        embeds: bool = True,
    ) -> None:
        self.collection, self.methods, self.embeds = collection, tuple(dict.fromkeys(methods)), embeds
        for spec in self.methods:
            searchable_method(spec)
        self._encoder, self._lock = encoder, RLock()
        self._extras = extras or Extras(logit_scale=lambda: encoder.logit_scale)
        first = next((spec for spec in methods if spec != RAW), METHODS[0])
        base = ConditionalIndex(features, collection.keys, method=first, extras=self._extras)
        self._indexes = {first: base}
        self._base = base
        self._notes: list[str] = []
        self._answers: OrderedDict[tuple[Any, ...], FloatArray] = OrderedDict()
        self.conditions: dict[str, Worded] = {}
        self._posteriors: dict[str, LabelPosterior] = {}
        self._colours: dict[str, tuple[list[str], npt.NDArray[np.uint16]]] = {}
        self._uploads: OrderedDict[str, tuple[FloatArray, bytes]] = OrderedDict()

    def note(self, note: str) -> None:
        """Have the page say something beside the collection's own notes."""
        self._notes.append(note)

    def about(self) -> dict[str, Any]:
        """What the page says and offers before anything is asked."""
        with self._lock:
            return {
                "entity": self.collection.entity,
                "pictures": len(self.collection.keys),
                "shown": self.collection.read is not None,
                "embeds": self.embeds,
                "decisions": self.collection.manifest is not None,
                "notes": [visible(note) for note in (*self.collection.notes, *self._notes)],
                "methods": list(self.methods),
                "labels": list(self.collection.labels),
                "conditions": [self._condition(name) for name in self.conditions],
            }

    def add(self, name: str, worded: Worded, features: npt.ArrayLike | None = None) -> dict[str, Any]:
        """Add a condition, or replace one, in every index made so far; return what the page says of it.

        features: its texts' vectors where they are known; encoded now if not. Raises InputError for texts that cannot be
        encoded and for conditions that a method cannot use; then all stays as it was.
        """
        texts = [text.text for text in worded.texts]
        vectors = np.asarray(self._encoder.encode_texts(texts) if features is None else features)
        values = [text.value for text in worded.texts]
        condition = Condition(name, vectors, values, texts)
        with self._lock:
            posterior = LabelPosterior().fit(
                self._base.features[:1], vectors, values, logit_scale=self._extras.logit_scale()
            )
            self._base.add(condition)
            self._indexes = {
                spec: index for spec, index in self._indexes.items() if index is self._base
            }  # the others are made anew when they are asked for
            self.conditions[name], self._posteriors[name] = worded, posterior
            self._colours.pop(name, None)
            self._answers.clear()
            return self._condition(name)

    def remove(self, name: str) -> None:
        """Forget a condition; raises InputError for an unknown one."""
        with self._lock:
            self.require_condition(name)
            for index in self._indexes.values():
                index.remove(name)
            for kept in (self.conditions, self._posteriors, self._colours):
                kept.pop(name, None)
            self._answers.clear()

    def worded(self) -> dict[str, Worded]:
        """The conditions as they are now, whatever another request adds or removes meanwhile."""
        with self._lock:
            return dict(self.conditions)

    def require_condition(self, name: str) -> Worded:
        """The texts of a condition; raises InputError for an unknown one."""
        if name not in self.conditions:
            raise InputError(
                "no such condition",
                where="condition",
                expected=f"one of {list(self.conditions)}"[:500],
                found=repr(name)[:80],
            )
        return self.conditions[name]

    def upload(self, data: bytes) -> str:
        """Take a picture of the user's as a query; return its name, the same for the same bytes.

        Raises InputError or IntegrityError for what cannot be decoded, or embedded by what is here.
        """
        name = f"upload-{hashlib.sha256(data).hexdigest()[:16]}"
        image = decode_image(data, "the picture")
        vector = self._encoder.encode_images([image])
        with self._lock:
            self._uploads[name] = (vector, data)
            while len(self._uploads) > _KEPT_UPLOADS:
                self._uploads.popitem(last=False)
        return name

    def uploaded(self, name: str) -> bytes:
        """The bytes of an upload; raises InputError for one that is not kept."""
        return self._upload(name)[1]

    def neighbours(self, question: Question, methods: Sequence[str], top: int) -> dict[str, Any]:
        """What is nearest by each of `methods`: pictures with similarities and the likeliest value of every asked condition.

        Raises InputError for what there is not, and for weights that a method does not take.
        """
        if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= MOST_NEIGHBOURS:
            raise InputError(
                "not a number of neighbours", where="top", expected=f"1 to {MOST_NEIGHBOURS}", found=top
            )
        with self._lock:
            query = self._vector(question.query)
            own = question.query if isinstance(question.query, int) else None
            found = [self._nearest(spec, query, question.weights, top, own) for spec in methods]
            rows = sorted({int(row) for order, _ in found for row in order})
            asked = [name for name, weight in question.weights.items() if weight]
            shown = {row: self.collection.shown(row) for row in rows}
            for name in asked:
                for row, value in zip(rows, self._likeliest(name, self._base.features[rows]), strict=True):
                    shown[row].setdefault("values", {})[name] = value
            likeliest = {name: self._likeliest(name, query)[0] for name in asked}
        return {
            "query": {"values": likeliest, **({} if own is None else self.collection.shown(own))},
            "pictures": list(shown.values()),
            "methods": [
                {
                    "method": spec,
                    "rows": [int(row) for row in order],
                    "similarities": [round(float(s), 4) for s in similarities],
                }
                for spec, (order, similarities) in zip(methods, found, strict=True)
            ],
        }

    def why(self, query: int | str, row: int) -> list[dict[str, Any]]:
        """Of every condition, the values that are likeliest for the query or the picture `row`, with both chances, and the
        chance that both show the same value."""
        row = self.collection.require_row(row)
        with self._lock:
            pair = np.concatenate([self._vector(query), self._base.features[row : row + 1]])
            found = []
            for name, worded in self.conditions.items():
                chances = self._posteriors[name].posterior(pair)
                best = {int(i) for one in chances for i in np.argsort(-one)[:_SHOWN_VALUES]}
                order = sorted(best, key=lambda i: -float(chances[:, i].max()))
                values = worded.values
                found.append(
                    {
                        "condition": name,
                        "same": round(float(chances[0] @ chances[1]), 4),
                        "values": [
                            [
                                visible(values[i]),
                                round(float(chances[0, i]), 4),
                                round(float(chances[1, i]), 4),
                            ]
                            for i in order
                        ],
                    }
                )
        return found

    def plane(self, spec: str, weights: Mapping[str, float], colour: str) -> bytes:
        """The map of all pictures under weighted conditions, see `packed`.

        colour: "values:CONDITION" for the likeliest value, "label:ATTRIBUTE", or "" for none.
        """
        rows = drawn_rows(len(self.collection.keys))
        with self._lock:
            space = self._space(spec, weights, rows)
            names, codes = self._coloured(colour)
        points = flat_map(space)  # without the lock: sliders may move on meanwhile
        every = len(rows) == len(self.collection.keys)
        about = {"names": names, "rows": None if every else rows.tolist(), "of": len(self.collection.keys)}
        return packed(points, codes[rows], about)

    def _condition(self, name: str) -> dict[str, Any]:
        worded = self.conditions[name]
        return {
            "name": name,
            "origin": worded.origin,
            "texts": len(worded.texts),
            "values": [visible(value) for value in worded.values],
        }

    def _vector(self, query: int | str) -> FloatArray:
        """The vector (1, d) of a query."""
        if isinstance(query, str):
            return self._upload(query)[0]
        row = self.collection.require_row(query)
        return np.asarray(self._base.features[row : row + 1])

    def _upload(self, name: str) -> tuple[FloatArray, bytes]:
        with self._lock:
            if name not in self._uploads:
                raise InputError(
                    "this picture was dropped in before, and is no longer kept",
                    where="query",
                    hint="drop it in again",
                )
            return self._uploads[name]

    def _index(self, spec: str) -> ConditionalIndex:
        if spec not in self.methods:
            raise InputError(
                "no such method here",
                where="method",
                expected=f"one of {list(self.methods)}",
                found=repr(spec)[:80],
            )
        if spec not in self._indexes:
            self._indexes[spec] = self._base.beside(spec)
        return self._indexes[spec]

    def _nearest(
        self, spec: str, query: FloatArray, weights: Mapping[str, float], top: int, own: int | None
    ) -> tuple[npt.NDArray[np.int64], FloatArray]:
        if spec == RAW:  # no text moves it, so that only what is taken out counts
            index, weights = self._base, {name: w for name, w in weights.items() if w < 0}
        else:
            index = self._index(spec)
        place = (spec, query.tobytes(), tuple(sorted(weights.items())))
        if place not in self._answers:
            self._answers[place] = index.similarities(query[0], weights)
        self._answers.move_to_end(place)
        while len(self._answers) > _KEPT_ANSWERS:
            self._answers.popitem(last=False)
        similarities = self._answers[place]
        order = best_rows(similarities, top, own)
        return order, similarities[order]

    def _likeliest(self, name: str, features: FloatArray) -> list[list[Any]]:
        """[value, chance] of each of `features` (M, d)."""
        self.require_condition(name)
        values, chances = self.conditions[name].values, self._posteriors[name].posterior(features)
        best = chances.argmax(axis=1)
        return [[visible(values[i]), round(float(row[i]), 3)] for i, row in zip(best, chances, strict=True)]

    def _space(self, spec: str, weights: Mapping[str, float], rows: npt.NDArray[np.int64]) -> FloatArray:
        """Vectors of the pictures `rows` whose distances the map shows."""
        for name in weights:
            self.require_condition(name)
        counted = {} if spec == RAW else {name: weight for name, weight in weights.items() if weight > 0}
        removed = {name: min(1.0, -weight) for name, weight in weights.items() if weight < 0}
        features = np.asarray(self._base.features)
        every = len(rows) == len(features)
        if not counted and not removed:
            return unit_rows(features if every else features[rows])
        left = self._without(removed, features[rows]) if removed else None
        if not counted:
            assert left is not None
            return unit_rows(left)
        index, parted = self._index(spec), np.sqrt(shares(list(counted.values()))).astype(np.float32)
        parts = [
            (index.vectors(name)[rows] if left is None else index.transform(name, left)) * share
            for name, share in zip(counted, parted, strict=True)
        ]
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def _without(self, removed: Mapping[str, float], features: FloatArray) -> FloatArray:
        """`features` (M, d) regardless of conditions, as the index has it: see `index.removal`."""
        fits = [
            CLAY().fit(self._base.features, self._base.conditions[name].features).projection_
            for name in removed
        ]
        return Subspaces(features, fits).removal(list(removed.values())).rows(features)

    def _coloured(self, colour: str) -> tuple[list[str], npt.NDArray[np.uint16]]:
        """Names of the COLOURS commonest values, and the number (N,) of each picture's among them, COLOURS for others."""
        kind, _, name = colour.partition(":")
        if kind == "label" and name in self.collection.labels:
            return _coded(self.collection.labels[name])
        if kind != "values":
            return [], np.zeros(len(self.collection.keys), np.uint16)
        if name not in self._colours:
            values = self.require_condition(name).values
            features, best = self._base.features, np.empty(len(self.collection.keys), np.intp)
            texts = self._posteriors[name].texts_.astype(np.float32).T
            for start in range(0, len(best), _COLOUR_BLOCK):
                block = np.asarray(features[start : start + _COLOUR_BLOCK], np.float32)
                best[start : start + _COLOUR_BLOCK] = (block @ texts).argmax(axis=1)
            self._colours[name] = _coded([values[i] for i in best.tolist()])
        return self._colours[name]


def _coded(values: Sequence[str]) -> tuple[list[str], npt.NDArray[np.uint16]]:
    counts = Counter(values)
    names = [value for value, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    number = {value: min(place, COLOURS) for place, value in enumerate(names)}
    shown = [f"{visible(name)}" for name in names[:COLOURS]]
    others = len(names) - COLOURS
    rest = [visible(names[-1])] if others == 1 else [f"{others} others"] if others > 1 else []
    return [*shown, *rest], np.array([number[v] for v in values], np.uint16)
