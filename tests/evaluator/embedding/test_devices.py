"""Who computes on an accelerator does so alone."""

from __future__ import annotations

import threading

import pytest

from clay_eval.evaluator.embedding.encoders.devices import in_turn

PATIENCE = 60


@pytest.mark.parametrize(
    ("mine", "other", "waits"),
    [
        ("cuda", "cuda", True),
        ("cuda:0", "cuda:1", True),
        ("mps", "mps", True),
        ("cpu", "cuda", False),
        ("cuda", "cpu", False),
        ("cpu", "cpu", False),
    ],
)
def test_one_at_a_time(mine: str, other: str, waits: bool) -> None:
    inside, begun = threading.Event(), threading.Event()

    def compute() -> None:
        begun.set()
        with in_turn(other):
            inside.set()

    thread = threading.Thread(target=compute)
    with in_turn(mine), in_turn(mine):
        thread.start()
        assert begun.wait(PATIENCE)
        assert inside.wait(0.05 if waits else PATIENCE) is not waits
    assert inside.wait(PATIENCE)
    thread.join(PATIENCE)
