"""The plan: every combination of core values less exclusions, dealt out as sample specs.

Order: the combinations are shuffled once (by the plan's seed and the spec's fingerprint) and dealt round after round, so
that any prefix of the plan is as balanced as it can be, and a larger --count only adds samples to a smaller one.
Diversity values and phrasings are dealt evenly, whatever the core values and each other: dealing.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.entity import Attribute, EntitySpec
from clay_eval.schemas.errors import InputError
from clay_eval.schemas.samples import SampleSpec

from .dealing import Deal, permutations

MAX_COMBINATIONS = 20_000_000
MAX_VALUES = 1 << 16
MAX_PAIRS = 5_000_000


def _seed(fingerprint: str, seed: int, combination: int, index: int) -> int:
    """53 bits (whole in JSON) from the spec's fingerprint, the plan's seed, the combination and the index."""
    digest = hashlib.sha256(f"{fingerprint}|{seed}|{combination}|{index}".encode()).digest()
    return int.from_bytes(digest[:7], "big") >> 3


@dataclass(frozen=True)
class Combinations:
    """All combinations of an entity's core values.

    codes: (C, A) uint16, the position of each attribute's value in `attributes[a].values`; a row a combination, in the
    order of enumeration (the last attribute fastest, parents before children). kept: (C,) bool, False where excluded.
    excluded_by: for each exclusion of the spec, how many combinations its core part matches; one that names diversity
    values, too, excludes none of them.
    """

    attributes: tuple[Attribute, ...]
    codes: NDArray[np.uint16]
    kept: NDArray[np.bool_]
    excluded_by: tuple[int, ...]


def combinations(spec: EntitySpec) -> Combinations:
    """Enumerate the combinations of `spec`; raise InputError if its exclusions leave none."""
    attributes = spec.ordered()
    column = {a.name: i for i, a in enumerate(attributes)}
    place = {a.name: {value: i for i, value in enumerate(a.values)} for a in attributes}
    codes = np.zeros((1, 0), np.uint16)
    for attribute in attributes:
        if len(attribute.values) > MAX_VALUES:
            raise InputError(
                "too many values",
                where=f"{spec.source or spec.entity} at $.attributes[{spec.attributes.index(attribute)}]",
                expected=f"at most {MAX_VALUES}",
                found=len(attribute.values),
            )
        codes = _extend(codes, attribute, attributes, column)
    matches = []
    for exclusion in spec.exclusions:
        hit = np.ones(len(codes), bool)
        for name in exclusion.when.keys() & column.keys():
            hit &= np.isin(codes[:, column[name]], [place[name][v] for v in exclusion.when[name]])
        matches.append(hit)
    whole = [m for m, e in zip(matches, spec.exclusions, strict=True) if e.when.keys() <= column.keys()]
    kept = ~np.any(whole, axis=0) if whole else np.ones(len(codes), bool)
    if not kept.any():
        raise InputError(
            "the exclusions leave no combination at all",
            where=f"{spec.source or spec.entity} at $.exclusions",
            expected="at least one combination kept",
            found=f"{len(codes)} combinations, all excluded",
        )
    return Combinations(attributes, codes, kept, tuple(int(m.sum()) for m in matches))


def _extend(
    codes: NDArray[np.uint16],
    attribute: Attribute,
    attributes: Sequence[Attribute],
    column: dict[str, int],
) -> NDArray[np.uint16]:
    """Every row of `codes` once for each value that the new attribute can take there."""
    position = {name: i for i, name in enumerate(attribute.values)}
    if attribute.parent is None:
        options = [np.array([position[v.name] for v in attribute.choices[None]], np.uint16)]
        which = np.zeros(len(codes), np.intp)
    else:
        parent = attributes[column[attribute.parent]]
        options = [
            np.array([position[v.name] for v in attribute.choices[name]], np.uint16) for name in parent.values
        ]
        which = codes[:, column[attribute.parent]].astype(np.intp)
    sizes = np.array([len(o) for o in options])[which]
    total = int(sizes.sum())
    if total > MAX_COMBINATIONS:
        raise InputError(
            "too many combinations",
            where=f"attribute {attribute.name}",
            expected=f"at most {MAX_COMBINATIONS}",
            found=f"{total}, or more",
        )
    rows = np.repeat(np.arange(len(codes)), sizes)
    within = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = np.cumsum([0, *(len(o) for o in options)])[which]
    values = np.concatenate(options)[np.repeat(starts, sizes) + within]
    return np.column_stack([codes[rows], values])


def _require_countable_pairs(spec: EntitySpec) -> None:
    """Raise InputError where the coverage would have to count more than MAX_PAIRS pairs of values."""
    sizes = [len(attribute.values) for attribute in (*spec.attributes, *spec.diversity)]
    pairs = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
    if pairs > MAX_PAIRS:
        raise InputError(
            "too many pairs of values to count",
            where=spec.source or spec.entity,
            expected=f"at most {MAX_PAIRS:,} pairs of values of two attributes",
            found=f"{pairs:,}",
            hint="give attributes fewer values",
        )


class Plan:
    """The samples of one entity; iterate it to stream them.

    count: how many samples (None: images_per_combination for every combination kept).
    """

    def __init__(self, spec: EntitySpec, *, count: int | None = None, seed: int = 0) -> None:
        if count is not None and count < 1:
            raise InputError("nothing to plan", where="--count", expected="1 or more", found=count)
        if seed < 0:
            raise InputError("a seed is not negative", where="--seed", expected="0 or more", found=seed)
        self.spec = spec
        self.seed = seed
        self.combinations = combinations(spec)
        _require_countable_pairs(spec)
        kept = np.flatnonzero(self.combinations.kept)
        self.numbers = kept[permutations(1, len(kept), spec.fingerprint, seed, "order")[0]]
        self.count = count or len(kept) * spec.images_per_combination
        self._deal = Deal(spec, self.combinations.codes[self.numbers], self._fingerprint, seed)

    def __len__(self) -> int:
        return self.count

    def diversity_codes(self, start: int, stop: int) -> NDArray[np.int64]:
        """(stop - start, diversity attributes): the position of each diversity value of samples start..stop."""
        return self._deal.codes(start, stop)[:, :-1]

    def core_codes(self, start: int, stop: int) -> NDArray[np.uint16]:
        """(stop - start, core attributes): the position of each core value of samples start..stop."""
        rows: NDArray[np.uint16] = self.combinations.codes[
            self.numbers[np.arange(start, stop) % len(self.numbers)]
        ]
        return rows

    def __iter__(self) -> Iterator[SampleSpec]:
        block = 4096
        for start in range(0, self.count, block):
            stop = min(start + block, self.count)
            core = self.core_codes(start, stop).tolist()
            dealt = self._deal.codes(start, stop).tolist()
            for i in range(start, stop):
                index, place = divmod(i, len(self.numbers))
                yield self._sample(int(self.numbers[place]), index, core[i - start], dealt[i - start])

    def _sample(self, combination: int, index: int, core: list[int], dealt: list[int]) -> SampleSpec:
        spec = self.spec
        labels = {
            a.name: self._names[a.name][c] for a, c in zip(self.combinations.attributes, core, strict=True)
        }
        chosen = {a.name: self._names[a.name][c] for a, c in zip(spec.diversity, dealt[:-1], strict=True)}
        words = {
            a.name: self._phrases[a.name][labels[a.parent] if a.parent else None, labels[a.name]]
            for a in spec.attributes
        }
        words |= {name: self._phrases[name][None, value] for name, value in chosen.items()}
        return SampleSpec(
            key=f"{spec.entity}-c{combination:05d}-i{index:04d}",
            entity=spec.entity,
            combination=combination,
            index=index,
            labels={a.name: labels[a.name] for a in spec.attributes},
            diversity=chosen,
            prompt=spec.prompts[dealt[-1]].format_map(words),
            negative_prompt=spec.negative_prompt.format_map(words),
            seed=_seed(self._fingerprint, self.seed, combination, index),
        )

    @cached_property
    def _fingerprint(self) -> str:
        return self.spec.fingerprint

    @cached_property
    def _names(self) -> dict[str, tuple[str, ...]]:
        return {a.name: a.values for a in (*self.spec.attributes, *self.spec.diversity)}

    @cached_property
    def _phrases(self) -> dict[str, dict[tuple[str | None, str], str]]:
        return {
            a.name: {(parent, v.name): v.phrase for parent, group in a.choices.items() for v in group}
            for a in (*self.spec.attributes, *self.spec.diversity)
        }
