"""What holds for folders of models of every library."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from clay_eval.schemas.errors import InputError, IntegrityError
from clay_eval.schemas.fingerprint import fingerprint
from clay_eval.schemas.model_folders import (
    ModelFolder,
    check_whole,
    files_digests,
    local_folder,
    not_fetched,
    other_weights,
)

EXPECTED = "a folder, or ORG/NAME"


def test_a_name_is_a_folder_or_one_of_the_hub(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), "--model", EXPECTED) == ModelFolder(tmp_path, tmp_path.name)
    assert local_folder("org/name-1.5", "--model", EXPECTED) is None


@pytest.mark.parametrize("name", ["name", "a/b/c", "org/", "/name", "./org/name", "org/name@main", "-x/y"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        local_folder(name, "--model", EXPECTED)
    assert (caught.value.where, caught.value.expected) == ("--model", EXPECTED)


def test_weights_in_other_formats_are_refused_where_no_safetensors_are(tmp_path: Path) -> None:
    assert other_weights(tmp_path) is None
    for name in ("b.ckpt", "a.bin", "config.json"):
        (tmp_path / name).touch()
    refused = other_weights(tmp_path)
    assert refused is not None
    assert (refused.where, refused.found) == (str(tmp_path), "a.bin, b.ckpt")
    (tmp_path / "model.safetensors").touch()
    assert other_weights(tmp_path) is None
    with pytest.raises(IntegrityError, match="cut short"):
        check_whole([tmp_path / "model.safetensors"])


def test_digests_are_of_names_sizes_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    weights, text = tmp_path / "unet" / "w.safetensors", tmp_path / "config.json"
    weights.write_bytes(b"abc")
    text.write_bytes(b"{}")
    assert files_digests(tmp_path, [weights], [text]) == {
        "weights_sha256": hashlib.sha256(b"unet/w.safetensors\x003\x00abc").hexdigest(),
        "configuration_sha256": fingerprint({"config.json": hashlib.sha256(b"{}").hexdigest()}),
    }


def test_what_cannot_be_fetched_names_model_and_revision() -> None:
    error = OSError("outer")
    error.__cause__ = OSError("\n no network \n here")
    told = not_fetched(error, "--model org/name", "org/name", "v2")
    assert told.found == "no network"
    assert "hf download org/name --revision v2 --local-dir FOLDER" in str(told.hint)
