"""The procedural renderer: which drawing code serves which attributes."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import PIL
from PIL import Image

from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.samples import SampleSpec

from . import humans, objects
from .humans import ACTIONS, AGES, BACKGROUNDS, draw_human
from .objects import COLORS, SUBCATEGORIES, draw_object

DRAWING_VERSION = 2
"""Raised whenever the same sample spec would give other pixels."""

_OBJECT = frozenset({"category", "subcategory", "color"})
_HUMAN = frozenset({"age", "action", "background"})
_OBJECT_DIVERSITY: Mapping[str, Collection[str]] = {
    "viewpoint": objects.VIEWPOINTS,
    "setting": objects.SETTINGS,
    "light": objects.LIGHTS,
    "framing": objects.FRAMINGS,
}
MIN_SIZE, MAX_SIZE = 64, 2048


def draw(labels: Mapping[str, str], diversity: Mapping[str, str], seed: int, size: int) -> Image.Image:
    """The picture of one sample: `size` x `size` RGB; the same arguments give the same pixels.

    Raises InputError for labels that no drawing code knows.
    """
    drawer = {_OBJECT: draw_object, _HUMAN: draw_human}.get(frozenset(labels))
    if drawer is None:
        raise InputError(
            "no drawing code for these attributes",
            expected=f"{sorted(_OBJECT)} or {sorted(_HUMAN)}",
            found=sorted(labels),
        )
    return drawer(labels, diversity, random.Random(seed), size)


_HINT = "draw this entity with a text-to-image model: --model NAME, or --renderer endpoint"


class ProceduralRenderer:
    """Draws the demonstration entities, and any entity spec whose values are among theirs."""

    def __init__(self, size: int = 128) -> None:
        if not MIN_SIZE <= size <= MAX_SIZE:
            raise InputError(
                "picture size out of range", where="--size", expected=f"{MIN_SIZE} to {MAX_SIZE}", found=size
            )
        self.size = size
        self.identity: dict[str, Any] = {
            "type": "procedural",
            "version": DRAWING_VERSION,
            "size": size,
            "pillow": PIL.__version__,
        }

    def check(self, spec: EntitySpec) -> None:
        """Raise InputError if a value of `spec`, core or diversity, has no drawing."""
        names = frozenset(a.name for a in spec.attributes)
        known: dict[str, Collection[str]]
        if names == _OBJECT:
            things = {name for group in SUBCATEGORIES.values() for name in group}
            known = {"category": SUBCATEGORIES, "subcategory": things, "color": COLORS, **_OBJECT_DIVERSITY}
            self._check_things(spec)
        elif names == _HUMAN:
            known = {"age": AGES, "action": ACTIONS, "background": BACKGROUNDS, **humans.DIVERSITY}
        else:
            raise InputError(
                f"the procedural renderer cannot draw {spec.entity!r}",
                where="--renderer procedural",
                expected=f"the attributes {sorted(_OBJECT)} or {sorted(_HUMAN)}",
                found=sorted(names),
                hint=f"plan demo-object or demo-human, or {_HINT}",
            )
        given = {a.name: a.values for a in (*spec.attributes, *spec.diversity)}
        if given.keys() != known.keys():
            raise InputError(
                "the procedural renderer needs other diversity attributes",
                where=f"entity {spec.entity}",
                expected=f"{sorted(known.keys() - names)}",
                found=sorted(given.keys() - names),
                hint=_HINT,
            )
        for name, values in given.items():
            unknown = [v for v in values if v not in known[name]]
            if unknown:
                raise InputError(
                    f"the procedural renderer cannot draw some values of {name!r}",
                    where=f"entity {spec.entity}",
                    expected=f"some of {sorted(known[name])}",
                    found=unknown,
                    hint=_HINT,
                )

    def _check_things(self, spec: EntitySpec) -> None:
        """A sub-category is drawn under its own category only."""
        subcategory = next(a for a in spec.attributes if a.name == "subcategory")
        for category, values in subcategory.choices.items():
            things = SUBCATEGORIES.get(str(category), ())
            unknown = [v.name for v in values if v.name not in things]
            if subcategory.parent != "category" or (things and unknown):
                raise InputError(
                    "the procedural renderer cannot draw these sub-categories",
                    where=f"entity {spec.entity} at $.attributes, subcategory",
                    expected=f"'category' as parent, and of {category!r} some of {sorted(things)}",
                    found=f"parent {subcategory.parent!r}, {category!r}: {unknown}",
                    hint=_HINT,
                )

    def render(self, samples: Sequence[SampleSpec]) -> list[Image.Image]:
        """One picture a sample."""
        return [draw(s.labels, s.diversity, s.seed, self.size) for s in samples]
