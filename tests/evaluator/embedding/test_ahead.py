"""Pictures are prepared while the model works on those before, a bounded number of them, and errors keep their place."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_encoders import InSteps, Pictures, rows_of

from clay_eval.evaluator.embedding.ahead import ahead
from clay_eval.evaluator.embedding.encoders import normalise_rows
from clay_eval.evaluator.embedding.store import FeatureStore, embed, embed_units
from clay_eval.evaluator.pictures.labelled import Unit
from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import IntegrityError

PATIENCE = 60
"""Seconds after which a thread that should have come is given up; nobody waits for them where all is well."""


@pytest.mark.parametrize("most", [1, 2, 5])
def test_all_items_in_their_order(most: int) -> None:
    with ahead(iter(range(100)), most) as items:
        assert list(items) == list(range(100))


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_are_made_ahead_than_asked_for(most: int) -> None:
    made: list[int] = []
    enough = threading.Event()

    def making() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            if len(made) == 1 + most:
                enough.set()
            yield number

    with ahead(making(), most) as items:
        next(items)
        assert enough.wait(PATIENCE), "made while the first is worked on"
        assert len(made) == 1 + most
    assert len(made) <= 2 + most, "none after the block was left"


def test_an_error_stands_where_its_item_would() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise IntegrityError("broken")

    with ahead(failing(), 2) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(IntegrityError, match="broken"):
            next(items)


def test_leaving_early_ends_the_thread() -> None:
    before = threading.active_count()
    with contextlib.suppress(KeyError), ahead(iter(range(10**9)), 2) as items:
        next(items)
        raise KeyError
    assert threading.active_count() == before


class Units(Pictures):
    """The pictures in units of two."""

    def units(self) -> tuple[Unit, ...]:
        keys = tuple(self.data)
        return tuple(Unit(f"e-{i}", f"sha{i}", "e", keys[i : i + 2]) for i in range(0, len(keys), 2))

    def images(self, unit: Unit) -> Iterator[tuple[str, bytes]]:
        return ((key, self.data[key]) for key in unit.keys)


class Waiting(InSteps):
    """Encodes a batch only when the next one has been prepared, of the next unit, too."""

    def __init__(self, pictures: int) -> None:
        super().__init__()
        self.pictures, self.encoded, self.prepared = pictures, 0, 0
        self.came = threading.Condition()

    def prepare(self, images: Any) -> list[Any]:
        found = super().prepare(images)
        with self.came:
            self.prepared += len(images)
            self.came.notify_all()
        return found

    def encode_prepared(self, prepared: Any) -> Any:
        wanted = min(self.pictures, self.encoded + len(prepared) + 1)
        with self.came:
            assert self.came.wait_for(lambda: self.prepared >= wanted, PATIENCE), (
                "nothing is prepared meanwhile"
            )
        self.encoded += len(prepared)
        return super().encode_prepared(prepared)


@pytest.mark.parametrize("source", [Pictures(), Units()], ids=["one unit", "many units"])
def test_the_next_batch_is_prepared_meanwhile(source: Pictures, tmp_path: Path) -> None:
    encoder, store = Waiting(len(source.data)), FeatureStore(tmp_path)
    embed(source, encoder, store, 2)
    whole = [rows_of(decode_image(data, key)) for key, data in source.data.items()]
    np.testing.assert_array_equal(
        store.load(source, encoder.identity)["e"].matrix, normalise_rows(np.stack(whole))
    )


def test_units_before_a_broken_picture_are_kept(tmp_path: Path) -> None:
    source, encoder, store = Units(), InSteps(), FeatureStore(tmp_path)
    source.data["p5"] = b"no picture"
    with pytest.raises(IntegrityError, match="picture"):
        list(embed_units(source, source.units(), encoder, store, 2))
    assert [store.read_unit(encoder.identity, unit) is not None for unit in source.units()] == [
        True,
        True,
        False,
        False,
    ]
