"""One safetensors file of features: rows, the keys they belong to, and in its header what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.files import atomic_file, differences
from clay_eval.schemas.fingerprint import canonical_json
from clay_eval.schemas.validate import parse_json

FEATURES_SCHEMA = "clay-eval/features/1"


_LENGTH = 8
_ALIGNMENT = 8


class DamagedFeaturesError(IntegrityError):
    """A features file that is cut, altered, or not one of ours; the features can be computed again."""


@dataclass(frozen=True)
class FeatureFile:
    """Rows and where they come from.

    keys: sample keys, or texts; features: (n, d) float32; stamp: sha256 of the unit, or of encoder and texts.
    """

    keys: tuple[str, ...]
    features: NDArray[np.float32]
    stamp: str
    entity: str


def write_features(path: Path, identity: Mapping[str, Any], file: FeatureFile) -> None:
    """Write `file` atomically; the same content gives the same bytes.

    The header holds schema, encoder, unit_sha256, entity, and a sha256 over these and the tensors.
    """
    from safetensors.numpy import save

    keys = np.frombuffer(join_keys(file.keys), dtype=np.uint8)
    features = np.ascontiguousarray(file.features, dtype=np.float32)
    metadata = {
        "schema": FEATURES_SCHEMA,
        "encoder": canonical_json(dict(identity)),
        "unit_sha256": file.stamp,
        "entity": file.entity,
    }
    metadata["content_sha256"] = _digest(features, keys, metadata)
    data = save({"features": features, "keys": keys}, metadata=metadata)
    length = int.from_bytes(data[:_LENGTH], "little")
    with atomic_file(path) as stream:
        stream.write(_header(json.loads(data[_LENGTH : _LENGTH + length])))
        stream.write(data[_LENGTH + length :])


def read_features(path: Path, identity: Mapping[str, Any]) -> FeatureFile:
    """Read a features file that must be of the encoder `identity`.

    Values may still be NaN: the caller checks them, and the stamp. Raises FileNotFoundError if there is none, InputError
    for another encoder's features (with what differs), DamagedFeaturesError for anything cut or altered.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = _has_our_header(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFeaturesError("the features file is cut or damaged", where=path, found=error) from error
    if metadata.get("schema") != FEATURES_SCHEMA:
        raise DamagedFeaturesError(
            "not a features file of this version", where=path, expected=FEATURES_SCHEMA
        )
    _check_encoder(path, metadata, identity)
    features, keys = tensors.get("features"), tensors.get("keys")
    if (
        features is None
        or keys is None
        or features.dtype != np.float32
        or keys.dtype != np.uint8
        or features.ndim != 2
        or features.shape[1] != identity.get("dimension", features.shape[1])
    ):
        raise DamagedFeaturesError(
            "the features file has not the tensors it should have",
            where=path,
            expected=f"features (n, {identity.get('dimension', 'd')}) float32 and keys uint8",
            found={name: f"{tensor.shape} {tensor.dtype}" for name, tensor in tensors.items()},
        )
    finite = bool(np.isfinite(features).all())
    if finite and not (whole and metadata.get("content_sha256") == _digest(features, keys, metadata)):
        raise DamagedFeaturesError("the features were changed after they were written", where=path)
    names = split_keys(keys, path)
    if len(names) != len(features):
        raise DamagedFeaturesError(
            "the features file has not one key a row", where=path, expected=len(features), found=len(names)
        )
    return FeatureFile(names, features, metadata.get("unit_sha256", ""), metadata.get("entity", ""))


def _check_encoder(path: Path, metadata: Mapping[str, str], identity: Mapping[str, Any]) -> None:
    if metadata.get("encoder") == canonical_json(dict(identity)):
        return
    try:
        found = parse_json(metadata.get("encoder", ""), path)
    except InputError:
        found = None
    changed = (
        differences(dict(identity), found) if isinstance(found, dict) else ["its header names no encoder"]
    )
    raise InputError(
        "features of another encoder",
        where=path,
        found="".join(f"\n    {line}" for line in changed),
        hint="delete the file to have its features computed again, or name the encoder they were made with",
    )


def _header(record: Mapping[str, Any]) -> bytes:
    """A safetensors header with its length, keys sorted: the library itself writes them in random order."""
    text = canonical_json(record).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH, "little") + text


def _has_our_header(path: Path) -> bool:
    with path.open("rb") as stream:
        length = stream.read(_LENGTH)
        text = stream.read(int.from_bytes(length, "little"))
    return length + text == _header(json.loads(text))


def _digest(features: NDArray[np.float32], keys: NDArray[np.uint8], metadata: Mapping[str, str]) -> str:
    rest = {name: value for name, value in metadata.items() if name != "content_sha256"}
    digest = hashlib.sha256(f"{features.shape}{canonical_json(rest)}".encode())
    digest.update(np.ascontiguousarray(features).data)
    digest.update(np.ascontiguousarray(keys).data)
    return digest.hexdigest()


def join_keys(keys: tuple[str, ...]) -> bytes:
    # A text may hold a line break; as JSON strings, keys and texts alike stay one to a line.
    return "\n".join(json.dumps(key, ensure_ascii=False)[1:-1] for key in keys).encode()


def split_keys(keys: NDArray[np.uint8], path: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads(f'"{line}"') for line in keys.tobytes().decode().split("\n"))
    except ValueError as error:
        raise DamagedFeaturesError("the keys in the features file are damaged", where=path) from error
