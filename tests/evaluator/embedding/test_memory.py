"""A device that has too little memory is told from other faults, and the way out is said."""

from __future__ import annotations

import pytest
import torch

from clay_eval.evaluator.embedding.encoders.devices import is_out_of_memory, memory_errors
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


@pytest.mark.parametrize("error", FULL)
def test_too_little_memory_becomes_a_way_out(error: Exception) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(InputError, match="too little memory for one batch") as caught, memory_errors(64):
        raise error
    assert caught.value.__cause__ is error
    assert "--batch-size" in str(caught.value.hint)


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
    with pytest.raises(type(error)) as caught, memory_errors(64):
        raise error
    assert caught.value is error
