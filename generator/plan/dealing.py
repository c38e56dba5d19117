"""Dealing: which diversity values, and which phrasing of the prompt, every sample of a plan gets.

Each attribute gives a combination a starting value and moves on by one for every further picture of that combination.
Starting values are dealt in decks, so that every value comes equally often; of several shuffled decks the one is taken
whose values have met those of the attributes before it, core and diversity, least often. After each lap through its
values an attribute is dealt afresh, so that attributes with equally many values do not go in step. The phrasings of the
prompt are dealt as if they were one more attribute. Where an exclusion bars a value from a combination, those allowed there
take its place in turn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.entity import EntitySpec, Exclusion
from clay_eval.schemas.errors import InputError

CANDIDATES = 12
"""How many shuffled decks are tried."""
MOST_COMPARED = 1 << 16
"""With more combinations than this, chance alone keeps attributes apart, and nothing is compared."""
_WIDEST = 16
_BATCHES = 1024
_LAPS_HELD = 8


def permutations(decks: int, size: int, *parts: object) -> NDArray[np.intp]:
    """(decks, size): shuffled 0..size-1 in every row, decided by `parts`.

    Sorts raw PCG64 output, which NumPy keeps the same across versions; it does not promise that of its shuffles.
    """
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    raw = np.random.PCG64(int.from_bytes(digest[:16], "big")).random_raw(decks * size)
    return np.argsort(raw.reshape(decks, size), axis=1, kind="stable")


def _coprime_pair(sizes: Sequence[int]) -> tuple[int, ...]:
    """The positions of the two sizes without a common divisor whose product is largest; none if there are no such two."""
    pairs = [(a, b) for a, b in combinations(range(len(sizes)), 2) if math.gcd(sizes[a], sizes[b]) == 1]
    return max(pairs, key=lambda pair: sizes[pair[0]] * sizes[pair[1]], default=())


@dataclass(frozen=True)
class _Bar:
    """An exclusion that names diversity values: (C,) bool, where its core part holds; barred values by attribute number."""

    core: NDArray[np.bool_]
    values: Mapping[int, NDArray[np.bool_]]


class Deal:
    """Diversity values of an entity's samples.

    core: (C, A) codes of the kept combinations' core values, in the order of the plan; sample n is picture n // C of
    combination n % C. fingerprint and seed decide all that is shuffled. Raises InputError if exclusions leave a
    combination without any value of a diversity attribute.
    """

    def __init__(self, spec: EntitySpec, core: NDArray[np.uint16], fingerprint: str, seed: int) -> None:
        self.spec = spec
        self.core = core
        self._parts = (fingerprint, seed)
        self._names = (*(a.name for a in spec.diversity), None)
        self.sizes = (*(len(a.values) for a in spec.diversity), len(spec.prompts))
        self._steady = _coprime_pair(self.sizes)
        self._held: list[dict[int, NDArray[np.uint16]]] = [{} for _ in self.sizes]
        self._bars = [self._bar(e) for e in spec.exclusions if not e.when.keys() <= spec.core_names]
        self._require_choice()

    def codes(self, start: int, stop: int) -> NDArray[np.int64]:
        """(stop - start, diversity attributes + 1): the position of each diversity value, last that of the phrasing."""
        rounds, places = np.divmod(np.arange(start, stop), len(self.core))
        dealt = np.zeros((len(rounds), len(self.sizes)), np.int64)
        for number, size in enumerate(self.sizes):
            laps = self._laps(number, rounds)
            for lap in np.unique(laps).tolist():
                rows = slice(*np.searchsorted(laps, [lap, lap + 1]))
                dealt[rows, number] = (self._starts(number, lap)[places[rows]] + rounds[rows]) % size
        barred = np.zeros(len(rounds), bool)
        for bar in self._bars:
            hit = bar.core[places]
            for number, values in bar.values.items():
                hit &= values[dealt[:, number]]
            barred |= hit
        for row in np.flatnonzero(barred).tolist():
            dealt[row] = self._instead(int(places[row]), int(rounds[row]), dealt[row].tolist())
        return dealt

    def _laps(self, number: int, rounds: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which deal of the starting values an attribute uses in these rounds."""
        return rounds * 0 if number in self._steady else rounds // self.sizes[number]

    def _starts(self, number: int, lap: int) -> NDArray[np.uint16]:
        """(C,): where a diversity attribute starts a lap, evenly many at every value."""
        held = self._held[number]
        if lap not in held:
            while len(held) >= _LAPS_HELD:
                held.pop(next(iter(held)))
            held[lap] = self._dealt_starts(number, lap)
        return held[lap]

    def _dealt_starts(self, number: int, lap: int) -> NDArray[np.uint16]:
        size, count = self.sizes[number], len(self.core)
        name = self._names[number]
        parts = (*self._parts, *(("phrasing",) if name is None else ("diversity", name)), lap)
        decks = -(-count // size)
        if size == 1 or size > _WIDEST or count > MOST_COMPARED:
            return permutations(decks, size, *parts).ravel()[:count].astype(np.uint16)
        tried = permutations(decks * CANDIDATES, size, *parts).reshape(decks, CANDIDATES, size)
        return self._least_met(number, lap, tried).ravel()[:count].astype(np.uint16)

    def _least_met(self, number: int, lap: int, tried: NDArray[np.intp]) -> NDArray[np.intp]:
        """(decks, size): of each deck's candidates, the one whose values met the earlier attributes' least so far.

        Meetings are counted within the lap, and weighed by the number of values on the other side, as chi-square does.
        """
        decks, _, size = tried.shape
        rounds = np.arange(lap * size, (lap + 1) * size)
        others = [*self._earlier(number, rounds, decks * size)]
        met = [np.zeros((int(other.max()) + 1, size), np.int64) for other in others]
        there = (np.arange(decks * size) < len(self.core)).reshape(decks, 1, size, 1)
        chosen = np.empty((decks, size), np.intp)
        step = -(-decks // _BATCHES)
        for first in range(0, decks, step):
            part = slice(first, first + step)
            values = (tried[part, :, :, None] + rounds) % size
            cost = np.zeros(values.shape[:2], np.int64)
            for other, table in zip(others, met, strict=True):
                beside = other[part, None]
                cost += len(table) * (table[beside, values] * there[part]).sum((2, 3))
            best = cost.argmin(1)
            rows = np.arange(len(best))
            chosen[part] = tried[part][rows, best]
            weights = np.broadcast_to(there[part][:, 0], values[rows, best].shape).astype(np.int64)
            for other, table in zip(others, met, strict=True):
                np.add.at(table, (other[part], values[rows, best]), weights)
        return chosen

    def _earlier(self, number: int, rounds: NDArray[np.intp], length: int) -> Iterator[NDArray[np.intp]]:
        """(decks, size, rounds): codes of each core attribute and each earlier diversity attribute, padded to `length`."""
        size = self.sizes[number]
        for column in self.core.T:
            codes = np.resize(column.astype(np.intp), length)
            yield np.broadcast_to(codes.reshape(-1, size, 1), (length // size, size, len(rounds)))
        for other in self._before(number):
            many = self.sizes[other]
            laps = self._laps(other, rounds).tolist()
            starts = [self._starts(other, lap).astype(np.intp) for lap in laps]
            codes = np.stack(
                [np.resize((s + r) % many, length) for s, r in zip(starts, rounds, strict=True)], 1
            )
            yield codes.reshape(-1, size, len(rounds))

    def _before(self, number: int) -> list[int]:
        """The attributes that are dealt before this one: those that keep going round come first."""
        order = [*self._steady, *(n for n in range(len(self.sizes)) if n not in self._steady)]
        return order[: order.index(number)]

    def _bar(self, exclusion: Exclusion) -> _Bar:
        core = np.ones(len(self.core), bool)
        for column, attribute in zip(self.core.T, self.spec.ordered(), strict=True):
            if attribute.name in exclusion.when:
                core &= np.isin(column, [attribute.values.index(v) for v in exclusion.when[attribute.name]])
        values = {
            number: np.isin(np.arange(len(a.values)), [a.values.index(v) for v in exclusion.when[a.name]])
            for number, a in enumerate(self.spec.diversity)
            if a.name in exclusion.when
        }
        return _Bar(core, values)

    def _require_choice(self) -> None:
        """Raise InputError if the exclusions bar every value of a diversity attribute from a combination."""
        for number, attribute in enumerate(self.spec.diversity):
            bars = [bar for bar in self._bars if set(bar.values) == {number}]
            if not bars:
                continue
            active = np.column_stack([bar.core for bar in bars])
            patterns, places = np.unique(active, axis=0, return_index=True)
            for pattern, place in zip(patterns, places, strict=True):
                if (
                    pattern.any()
                    and np.any([bars[i].values[number] for i in np.flatnonzero(pattern)], 0).all()
                ):
                    raise self._no_choice(int(place), f"no value of {attribute.name!r}")

    def _no_choice(self, place: int, found: str) -> InputError:
        names = zip(self.spec.ordered(), self.core[place].tolist(), strict=True)
        labels = ", ".join(f"{a.name} {a.values[code]!r}" for a, code in names)
        return InputError(
            "the exclusions leave a combination without diversity values",
            where=f"{self.spec.source or self.spec.entity} at $.exclusions",
            expected=f"a value of every diversity attribute for {labels}",
            found=found,
            hint="exclude the combination of core values itself, or fewer diversity values",
        )

    def _instead(self, place: int, turn: int, dealt: Sequence[int]) -> list[int]:
        """The values of a sample whose dealt ones are excluded: as many of these as may stay, others in turn."""
        bars = [bar for bar in self._bars if bar.core[place]]
        choices = [self._order(bars, n, place, turn, code) for n, code in enumerate(dealt[:-1])]
        for found in product(*choices):
            if not any(all(v[found[n]] for n, v in bar.values.items()) for bar in bars):
                return [*found, dealt[-1]]
        raise self._no_choice(place, "every choice of diversity values is excluded")

    def _order(self, bars: Sequence[_Bar], number: int, place: int, turn: int, code: int) -> list[int]:
        """An attribute's values, the one that was dealt first; of those always barred here none."""
        alone = [bar.values[number] for bar in bars if set(bar.values) == {number}]
        barred = [v for v in range(self.sizes[number]) if any(values[v] for values in alone)]
        rest = [v for v in range(self.sizes[number]) if v not in barred and v != code]
        first = int(self._starts(number, 0)[place])
        if code in barred:
            first += turn // self.sizes[number] * len(barred) + barred.index(code)
        else:
            first += turn
        first %= max(1, len(rest))
        return [*([] if code in barred else [code]), *rest[first:], *rest[:first]]
