"""A device that has too little memory is told from other faults: batches are halved, and the way out is said."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from clay_eval.evaluator.embedding.encoders.devices import is_out_of_memory
from clay_eval.evaluator.embedding.encoders.rows import Batches, encode_rows
from clay_eval.evaluator.embedding.encoders.transformers_loading import to_device
from clay_eval.schemas.errors import InputError

FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]
OTHER = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ValueError("out of memory"),
    MemoryError(),
]


class Small:
    """A model on a device with room for `most` items; an item is a number, and its row the direction (number, 1)."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error = most, error
        self.asked: list[int] = []

    def __call__(self, batch: Sequence[float]) -> torch.Tensor:
        self.asked.append(len(batch))
        if len(batch) > self.most:
            raise self.error
        return torch.tensor([[number, 1.0] for number in batch])


def rows(model: Small, items: Sequence[float], batches: Batches) -> np.ndarray:
    return encode_rows(model, items, dimension=2, batches=batches, device="cpu", precision="fp32")


@pytest.mark.parametrize("error", FULL)
def test_a_batch_that_does_not_fit_is_halved(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert is_out_of_memory(error)
    items = [float(number) for number in range(11)]
    expected = rows(Small(11, error), items, Batches(11))
    small, batches = Small(2, error), Batches(7)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(rows(small, items, batches), expected)
    assert small.asked == [7, 3, *[1] * 11]
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with 7 items at once; going on with 3 (try --batch-size 3)",
        "out of memory with 3 items at once; going on with 1 (try --batch-size 1)",
    ]
    small.asked.clear()
    rows(small, items[:3], batches)
    assert small.asked == [1, 1, 1], "it does not try again what did not fit"


@pytest.mark.parametrize("error", FULL)
def test_an_item_that_does_not_fit(error: Exception) -> None:
    with pytest.raises(InputError, match="too little memory for one picture or text") as caught:
        rows(Small(0, error), [1.0, 2.0, 3.0], Batches(64))
    assert "--device cpu" in str(caught.value.hint)


def test_the_last_batch_may_be_the_one_that_does_not_fit() -> None:
    small = Small(2, FULL[0])
    assert len(rows(small, [1.0, 2.0, 3.0], Batches(64))) == 3
    assert small.asked == [3, 1, 1, 1]


@pytest.mark.parametrize("error", FULL)
def test_a_model_that_does_not_fit(error: Exception) -> None:
    class Large(torch.nn.Module):
        def to(self, *_: object) -> Large:  # type: ignore[override]
            raise error

    with pytest.raises(InputError, match="too little memory for this model"):
        to_device(Large(), "cpu")


@pytest.mark.parametrize("error", OTHER)
def test_other_faults_stay_what_they_are(error: Exception) -> None:
    assert not is_out_of_memory(error)
    small = Small(0, error)
    with pytest.raises(type(error)) as caught:
        rows(small, [1.0, 2.0], Batches(2))
    assert caught.value is error
    assert small.asked == [2]
