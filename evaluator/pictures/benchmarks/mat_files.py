"""MATLAB 5 files (the format of `save -v6` and `-v7`): numbers, texts, cells and structs, read from strangers' bytes.

scipy's reader ends the whole process on some damaged files. This one reads less (no sparse arrays, objects, functions), and
every length is checked against the bytes that are there. After MathWorks, "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from clay_eval.schemas.errors import InputError

MAX_BYTES = 32 << 20
"""Of a file, and of what its compressed variables unpack to; a byte becomes a Python number of some ten."""
_MAX_DEPTH = 8
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR, _NUMBERS = 1, 2, 4, range(6, 16)
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}


class MatError(Exception):
    """The bytes are no such file."""


def read_mat(data: bytes, name: str, where: object) -> Any:
    """The variable `name`: numbers as a flat list, a text as str, a cell as a list, a struct (array) as a list of dicts.

    Elements stand in MATLAB's order, columns first. Raises InputError for anything that is not such a file, and for a name
    that is not in it.
    """
    try:
        order = _byte_order(data)
        reader = _Reader(memoryview(data), order, _HEADER)
        names, left = [], MAX_BYTES
        while reader.left >= 8:
            kind, content = reader.element()
            if kind == _COMPRESSED:
                kind, content = _Reader(inflated := _inflated(content, left), order).element()
                left -= len(inflated)
            if kind != _MATRIX:
                continue
            matrix = _matrix_head(_Reader(content, order))
            names.append(matrix.name)
            if matrix.name == name:
                return _value(matrix, 0)
    except (MatError, zlib.error, struct.error, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise InputError(
            "not a readable MATLAB file", where=str(where), expected="a MATLAB 5 file", found=str(error)[:200]
        ) from error
    raise InputError("a MATLAB file without its variable", where=str(where), expected=name, found=names)


@dataclass
class _Reader:
    """A cursor over elements."""

    data: memoryview
    order: str
    place: int = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.place

    def element(self) -> tuple[int, memoryview]:
        """(type, content) of the next element; what it is padded with is skipped."""
        first, size = struct.unpack_from(f"{self.order}II", self.data, self.place)
        if first >> 16:
            kind, size, start = first & 0xFFFF, first >> 16, self.place + 4
            end = self.place + 8
            if size > 4:
                raise MatError("a small element of more than 4 bytes")
        else:
            kind, start = first, self.place + 8
            end = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(self.data):
            raise MatError("an element longer than the file")
        self.place = min(end, len(self.data))
        return kind, self.data[start : start + size]


@dataclass(frozen=True)
class _Matrix:
    """Flags, shape and name of a matrix, and a cursor at its content."""

    kind: int
    count: int
    rows: int
    name: str
    rest: _Reader


def _matrix_head(reader: _Reader) -> _Matrix:
    _, flags = reader.element()
    _, shape = reader.element()
    _, name = reader.element()
    sides = np.frombuffer(shape, f"{reader.order}i4")
    if len(flags) != 8 or len(sides) < 2 or (sides < 0).any():
        raise MatError("a matrix without flags or shape")
    count = int(np.prod(sides.astype(object)))
    kind = struct.unpack_from(f"{reader.order}I", flags)[0] & 0xFF
    return _Matrix(kind, count, int(sides[0]), bytes(name).decode("ascii"), reader)


def _value(matrix: _Matrix, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise MatError("nested too deeply")
    reader = matrix.rest
    if matrix.kind in _NUMBERS:
        return _numbers(reader, matrix.count)
    if matrix.kind == _CHAR:
        return _text(reader, matrix)
    if matrix.kind == _CELL:
        _fits(matrix.count, 1, reader)
        return [_nested(reader, depth) for _ in range(matrix.count)]
    if matrix.kind == _STRUCT:
        _, length = reader.element()
        _, names = reader.element()
        (size,) = struct.unpack(f"{reader.order}i", length)
        if not 0 < size <= 64 or len(names) % size:
            raise MatError("a struct without field names")
        raw = bytes(names)
        fields = [raw[i : i + size].partition(b"\0")[0].decode("ascii") for i in range(0, len(raw), size)]
        if len(set(fields)) < len(fields) or not fields:
            raise MatError("a struct whose fields have no names of their own")
        _fits(matrix.count, len(fields), reader)
        return [{field: _nested(reader, depth) for field in fields} for _ in range(matrix.count)]
    raise MatError(f"an array of class {matrix.kind}")


def _nested(reader: _Reader, depth: int) -> Any:
    kind, content = reader.element()
    if kind != _MATRIX:
        raise MatError("something else than an array in an array")
    return _value(_matrix_head(_Reader(content, reader.order)), depth + 1) if len(content) else []


def _fits(count: int, each: int, reader: _Reader) -> None:
    if count * each * 8 > reader.left:
        raise MatError("more elements than bytes")


def _numbers(reader: _Reader, count: int) -> list[Any]:
    if count == 0:
        return []
    kind, content = reader.element()
    if kind not in _DTYPES:
        raise MatError(f"numbers of type {kind}")
    found = np.frombuffer(content, f"{reader.order}{_DTYPES[kind]}")
    if len(found) != count:
        raise MatError("another number of elements than its shape says")
    return list(found.tolist())


def _text(reader: _Reader, matrix: _Matrix) -> str:
    if matrix.count == 0:
        return ""
    kind, content = reader.element()
    if kind not in _ENCODINGS or matrix.rows != 1:
        raise MatError("a text that is not one line")
    encoding = _ENCODINGS[kind]
    suffix = {"<": "-le", ">": "-be"}[reader.order] if encoding in ("utf-16", "utf-32") else ""
    return bytes(content).decode(encoding + suffix)


def _byte_order(data: bytes) -> str:
    mark = data[126:128]
    if len(data) < _HEADER or mark not in (b"IM", b"MI"):
        raise MatError("no header of MATLAB 5")
    return "<" if mark == b"IM" else ">"


def _inflated(content: memoryview, limit: int) -> memoryview:
    inflater = zlib.decompressobj()
    data = inflater.decompress(content, limit + 1)
    if len(data) > limit:
        raise MatError(f"more than {MAX_BYTES} bytes when unpacked")
    if not inflater.eof:
        raise MatError("compressed data that end early")
    return memoryview(data)
