"""What is measured, how often, and what is not; no test looks at how long anything took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from planted_world import study

from clay_eval.evaluator.experiments import cost as cost_module
from clay_eval.evaluator.experiments.cost import (
    RE_ENCODING,
    Cost,
    CostSettings,
    chosen_rows,
    find_costs,
    machine,
    repeated,
)
from clay_eval.evaluator.experiments.cost_findings import cost_findings
from clay_eval.schemas.errors import InputError

SETTINGS = CostSettings(methods=("raw", "clay", "asymmetric"), counts=(1, 4), images=20, repeats=3)


class Encoder:
    """Counts how often it was run, and on what."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.conditions: list[str] = []

    def __call__(self, rows: Sequence[int], condition: str) -> None:
        self.calls.append(list(rows))
        self.conditions.append(condition)


def test_repeats_come_after_a_warm_up() -> None:
    times = iter([100.0, 1.0, 2.0, 3.0])
    found = repeated(lambda: {"part": next(times)}, 3)
    np.testing.assert_array_equal(found["part"], [1, 2, 3])


def test_every_method_and_count_is_measured_and_encoding_stands_in_every_total() -> None:
    encoder = Encoder()
    found, notes = find_costs(study(copies=1), SETTINGS, encoder)
    assert notes == []
    assert [(c.method, c.conditions) for c in found] == [
        (method, count) for method in ("raw", "clay", "asymmetric", RE_ENCODING) for count in (1, 4)
    ]
    for cost in found:
        assert cost.measured
        assert 0 <= cost.quartile_low <= cost.total <= cost.quartile_high
        assert cost.total >= cost.encoding
        assert min(cost.fit, cost.transform, cost.similarity) >= 0
    features = [c for c in found if c.method != RE_ENCODING]
    assert all(min(cost.fit, cost.transform, cost.similarity) > 0 for cost in features)
    # A warm-up and three passes; then four conditions, three times.
    assert len(encoder.calls) == 1 + 3 + 3 * 4
    assert all(rows == encoder.calls[0] and len(rows) == 20 for rows in encoder.calls)


def test_beyond_the_budget_times_are_computed_from_fewer_and_said_so() -> None:
    encoder = Encoder()
    found, notes = find_costs(study(copies=1), replace(SETTINGS, budget=0.0), encoder)
    one, four = [cost for cost in found if cost.method == RE_ENCODING]
    assert (one.measured, four.measured) == (True, False)
    assert four.total == pytest.approx(4 * one.total)
    assert len(encoder.calls) == 4
    made = cost_findings(found, machine(), notes)
    assert (
        "encoding again for 4 conditions is computed in proportion to the most that was measured"
        in made.warnings
    )


def test_what_is_computed_follows_the_most_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = [0.0], [0]

    def encode(rows: Sequence[int], condition: str) -> None:
        calls[0] += 1
        now[0] += 1.0 if calls[0] <= 2 else 1.5

    monkeypatch.setattr(cost_module, "perf_counter", lambda: now[0])
    settings = replace(SETTINGS, methods=("raw",), counts=(10, 2, 1), repeats=1, budget=5.0)
    found, _ = find_costs(study(copies=1), settings, encode)
    again = [(c.conditions, c.total, c.measured) for c in found if c.method == RE_ENCODING]
    assert again == [(1, 1.0, True), (2, 3.0, True), (10, 15.0, False)]
    assert [c.total for c in found if c.method == "raw"] == [1.0, 1.0, 1.0]


def test_image_methods_encode_for_each_condition_in_turn() -> None:
    slow = Encoder()
    settings = replace(SETTINGS, methods=("clay",), repeats=1)
    found, _ = find_costs(study(copies=1), settings, None, image_methods={"mine:Slow": slow})
    assert [(c.method, c.conditions) for c in found[2:]] == [("mine:Slow", 1), ("mine:Slow", 4)]
    assert all(cost.encoding == cost.total and cost.measured for cost in found[2:])
    assert slow.conditions == ["color", "color", "color", "shape", "place", "color"]
    table = cost_findings(found, machine(), []).tables[0]
    assert table.rows[1][0] == "mine:Slow"


def test_what_is_shared_among_conditions_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds to read the pictures and half a second a condition, as long as the budget goes and beyond."""
    now, asked = [0.0], list[list[str]]()

    def once(rows: Sequence[int], condition: str) -> None:
        now[0] += 3.5

    def each(rows: Sequence[int], conditions: Sequence[str]) -> None:
        asked.append(list(conditions))
        now[0] += 3.0 + 0.5 * len(conditions)

    monkeypatch.setattr(cost_module, "perf_counter", lambda: now[0])
    settings = replace(SETTINGS, methods=("raw",), counts=(64, 4, 1, 8), repeats=1, budget=5.0)
    found, _ = find_costs(study(copies=1), settings, None, lambda _: None, {"mine": once}, {"mine": each})
    mine = [(c.conditions, c.total, c.measured) for c in found if c.method == "mine"]
    assert mine == [(1, 3.5, True), (4, 5.0, True), (8, 7.0, False), (64, 35.0, False)]
    assert asked == [["color", "shape"], ["color", "shape"], ["color", "shape", "place", "color"]]


def test_without_an_encoder_re_encoding_is_not_made_up() -> None:
    found, notes = find_costs(study(copies=1), SETTINGS, None)
    assert RE_ENCODING not in {cost.method for cost in found}
    assert all(cost.encoding == 0 for cost in found)
    assert any("encoding is not in the totals" in note for note in notes)


def test_fewer_images_than_asked_for_are_said() -> None:
    found, notes = find_costs(study(copies=1), replace(SETTINGS, images=1000, counts=(1,)), Encoder())
    assert {cost.images for cost in found} == {60}
    assert notes == ["planted has 60 images only, not 1000"]


def test_rows_are_drawn_by_the_seed() -> None:
    rows = chosen_rows(50, 10, 3)
    assert rows == sorted(set(rows)) == chosen_rows(50, 10, 3)
    assert rows != chosen_rows(50, 10, 4)
    assert chosen_rows(5, 10, 0) == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="too few images"):
        chosen_rows(1, 10, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"counts": ()},
        {"counts": (0, 1)},
        {"counts": (2, 2)},
        {"images": 1},
        {"repeats": 0},
        {"budget": float("nan")},
        {"methods": ("no-such",)},
        {"methods": ("clay(",)},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        replace(SETTINGS, **bad)  # type: ignore[arg-type]


def test_the_machine_is_part_of_the_settings() -> None:
    here = machine()
    assert {"processor", "cores", "threads", "gpu"} <= set(here)
    assert SETTINGS.record(here)["machine"] == here
    assert SETTINGS.record(here) != SETTINGS.record({**here, "processor": "another"})


def test_one_more_condition_is_the_slope() -> None:
    def cost(method: str, count: int, total: float) -> Cost:
        return Cost("e", method, count, 100, total, total, total, 1.0, 0.2, 0.1, 0.05, True)

    found = [
        cost("clay", 1, 1.5),
        cost("clay", 11, 2.5),
        cost(RE_ENCODING, 1, 1.0),
        cost(RE_ENCODING, 11, 11.0),
    ]
    table = cost_findings(found, machine(), []).tables[0]
    assert {row[0]: row[2] for row in table.rows} == {
        "clay": pytest.approx(0.1),
        RE_ENCODING: pytest.approx(1.0),
    }
