"""Reading features that were made elsewhere: a key and a vector a row, from .npy, .safetensors or .parquet.

| file | vectors | keys |
|---|---|---|
| NAME.npy | the array (N, d) | NAME.keys.txt beside it, UTF-8, one a line |
| NAME.safetensors | the tensor `features` | metadata `keys`, a JSON list; or the uint8 tensor `keys`, UTF-8, one a line |
| NAME.parquet | the column `feature` or `embedding`, lists of one length | the column `key` |

Numbers are float16, float32 or float64; bfloat16 of .safetensors becomes float32. Nothing is
unpickled, and sizes are checked before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import BOM, parse_json, read_text

from ..vectors.arrays import FloatArray
from .feature_files import FEATURES_SCHEMA, DamagedFeaturesError, split_keys
from .parquet_bounds import check_texts, rows_at_once

KEYS_SUFFIX = ".keys.txt"
MAX_BYTES = 64 << 30
"""The most that is read into memory; .npy files are mapped, and may be larger."""
_FLOATS = ("float16", "float32", "float64")
_BRAIN = "BF16"
_VECTORS = ("feature", "embedding", "features")

_NPY_FAULTS = (
    *(ValueError, OSError, EOFError, SyntaxError, TypeError, KeyError),
    *(OverflowError, RecursionError, MemoryError, TokenError),  # of shapes and types that no file can hold
)

Table = tuple[tuple[str, ...], FloatArray]


def read_npy(path: Path) -> Table:
    """Keys and the array of a .npy file, mapped into memory, not read."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NPY_FAULTS as error:
        raise _unreadable(path, error) from error
    if not isinstance(array, np.ndarray):
        raise _unreadable(path, "an archive of arrays")
    _check_array(path, array.shape, array.dtype.newbyteorder("=").name)
    return read_keys(path.with_suffix(KEYS_SUFFIX)), array


def read_keys(path: Path) -> tuple[str, ...]:
    """One key a line; raises InputError naming the line of an empty one, and for a file that is missing or not UTF-8."""
    if not path.is_file():
        raise InputError(
            "the keys of these features are missing",
            where=path,
            expected="a text file, one key a line, in order",
        )
    lines = read_text(path).removesuffix("\n").split("\n")
    keys = tuple(line.removesuffix("\r") for line in lines)
    if "" in keys:
        raise InputError("a line without a key", where=f"{path} line {keys.index('') + 1}")
    return keys


def read_safetensors(path: Path) -> Table:
    """Keys and features of a .safetensors file; files of our own feature store are read too."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata, names = file.metadata() or {}, set(file.keys())
            if "features" not in names:
                raise InputError(
                    "no features in this file",
                    where=path,
                    expected="a tensor 'features'",
                    found=sorted(names),
                )
            slice_ = file.get_slice("features")
            _check_array(path, tuple(slice_.get_shape()), _float_name(slice_.get_dtype()), in_memory=True)
            brain = slice_.get_dtype() == _BRAIN
            features = _widened(path) if brain else file.get_tensor("features")
            raw = file.get_tensor("keys") if "keys" in names else None
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return _keys_of(path, metadata, raw), features


def _widened(path: Path) -> FloatArray:
    """The tensor `features` of bfloat16 numbers, which NumPy lacks, as float32."""
    import torch
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        widened: FloatArray = file.get_tensor("features").to(torch.float32).numpy()
    return widened


def read_parquet(path: Path) -> Table:
    """Keys and vectors of a .parquet file, batch by batch into one array."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path, memory_map=True, read_dictionary=["key"]) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            column = next((name for name in _VECTORS if name in schema.names), None)
            if "key" not in schema.names or column is None:
                raise InputError(
                    "a column is missing",
                    where=path,
                    expected="key, and feature or embedding",
                    found=schema.names,
                )
            kind = schema.field(column).type
            if not hasattr(kind, "value_type"):
                raise _not_floats(path, kind)
            number = _float_name(str(kind.value_type))
            if number not in _FLOATS:
                raise _not_floats(path, number)
            at_once = rows_at_once(path, file.metadata, column, np.dtype(number).itemsize)
            keys: list[str] = []
            length = 0
            matrix: FloatArray | None = None
            for batch in file.iter_batches(at_once, columns=["key", column], use_threads=False):
                length = check_texts(path, batch.column("key"), length)
                block = _block(path, batch.column(column), keys)
                if matrix is None:
                    _check_array(path, (rows, block.shape[1]), number, in_memory=True)
                    matrix = np.empty((rows, block.shape[1]), dtype=block.dtype)
                _require_width(path, block, matrix.shape[1], len(keys))
                matrix[len(keys) : len(keys) + len(block)] = block
                keys += _texts(path, batch.column("key"), len(keys))
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    if matrix is None:
        raise InputError("no features in this file", where=path, found="no rows")
    return tuple(keys), matrix


def _block(path: Path, vectors: Any, before: list[str]) -> FloatArray:
    """A batch of lists as an array (n, d)."""
    if vectors.null_count or vectors.flatten().null_count:
        raise InputError(
            "a vector is missing, or a number in it", where=path, found=f"after row {len(before)}"
        )
    lengths = (
        np.unique(vectors.value_lengths().to_numpy(zero_copy_only=False)) if len(vectors) else np.array([0])
    )
    if len(lengths) > 1:
        raise InputError(
            "vectors of different lengths", where=path, found=lengths[:5].tolist(), expected="one length"
        )
    block: FloatArray = (
        vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(vectors), int(lengths[0]))
    )
    return block


def _require_width(path: Path, block: FloatArray, width: int, row: int) -> None:
    if block.shape[1] != width:
        raise InputError(
            "vectors of different lengths", where=f"{path}, row {row}", expected=width, found=block.shape[1]
        )


def _texts(path: Path, column: Any, row: int) -> list[str]:
    keys: list[str] = column.to_pylist()
    wrong = next((i for i, key in enumerate(keys) if not isinstance(key, str)), None)
    if wrong is not None:
        raise InputError(
            "a key is not a text", where=f"{path}, row {row + wrong}", found=repr(keys[wrong])[:80]
        )
    return keys


def _keys_of(path: Path, metadata: dict[str, str], raw: NDArray[Any] | None) -> tuple[str, ...]:
    if raw is not None:
        if raw.dtype != np.uint8 or raw.ndim != 1:
            raise InputError(
                "the tensor 'keys' is not text",
                where=path,
                expected="uint8, UTF-8, one key a line",
                found=raw.dtype,
            )
        try:
            if metadata.get("schema") == FEATURES_SCHEMA:
                return split_keys(raw, path)
            return tuple(raw.tobytes().decode().removeprefix(BOM).removesuffix("\n").split("\n"))
        except (UnicodeDecodeError, DamagedFeaturesError) as error:
            raise InputError("the tensor 'keys' is not text", where=path, found=error) from error
    try:
        keys = parse_json(metadata.get("keys", ""), path)
    except InputError:
        keys = None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InputError(
            "the keys of these features are missing",
            where=path,
            expected='the metadata "keys", a JSON list of texts, or a uint8 tensor "keys"',
        )
    return tuple(keys)


def _float_name(name: str) -> str:
    spelt = {"F16": "float16", "F32": "float32", "F64": "float64", _BRAIN: "float32"}
    arrow = {"halffloat": "float16", "float": "float32", "double": "float64"}
    return {**spelt, **arrow}.get(name, name)


def _check_array(path: Path, shape: tuple[int, ...], number: str, in_memory: bool = False) -> None:
    if number not in _FLOATS:
        raise _not_floats(path, number)
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(
            "features have two axes: a row an item, a column a number",
            where=path,
            expected="shape (N, d)",
            found=shape,
        )
    size = shape[0] * shape[1] * np.dtype(number).itemsize
    if in_memory and size > MAX_BYTES:
        raise InputError(
            "too many features to read into memory",
            where=path,
            expected=f"at most {MAX_BYTES} bytes",
            found=size,
            hint="write them as .npy, which is mapped and not read",
        )


def _not_floats(path: Path, found: object) -> InputError:
    return InputError(
        "features are not floating-point numbers",
        where=path,
        expected=f"vectors of {', '.join(_FLOATS)}",
        found=found,
    )


def _unreadable(path: Path, found: object) -> InputError:
    return InputError(
        "not a file of features that can be read", where=path, expected=", ".join(READERS), found=found
    )


READERS: dict[str, Callable[[Path], Table]] = {
    ".npy": read_npy,
    ".safetensors": read_safetensors,
    ".parquet": read_parquet,
}
