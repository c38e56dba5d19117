"""Published benchmarks where they lie on a disk, read as `ImageSource`s. Nothing is ever downloaded.

>>> from clay_eval.evaluator.datasets import open_benchmark, parse_data_name
>>> parse_data_name("clevr4:data/clevr4")
DataName(name='clevr4', tags=(), folder=PosixPath('data/clevr4'))
"""

from __future__ import annotations

from .naming import DataName, parse_data_name
from .opening import open_benchmark

__all__ = ["DataName", "open_benchmark", "parse_data_name"]
