"""One identity per content: canonical JSON, hashes, seals."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clay_eval.schemas.errors import (
    BusyError,
    ClayEvalError,
    ConfigChangedError,
    InputError,
    IntegrityError,
    StorageError,
)
from clay_eval.schemas.fingerprint import canonical_json, file_sha256, fingerprint, is_sealed, sealed_text
from clay_eval.schemas.software import versions

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value
    assert fingerprint(value) == hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()


def test_canonical_json_is_the_sorted_compact_text() -> None:
    assert canonical_json({"b": [1, 2.5, "é"], "a": {"d": None, "c": True}}) == (
        '{"a":{"c":true,"d":null},"b":[1,2.5,"é"]}'
    )


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers(), min_size=2))
def test_order_of_keys_does_not_matter(record: dict[str, int]) -> None:
    assert fingerprint(record) == fingerprint(dict(reversed(record.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")], {"half": "\ud800"}])
def test_what_is_no_json_has_no_fingerprint(value: object) -> None:
    with pytest.raises(ValueError):
        fingerprint(value)


def test_file_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than two blocks, and not a whole number of them
    (tmp_path / "f").write_bytes(data)
    assert file_sha256(tmp_path / "f") == hashlib.sha256(data).hexdigest()


@given(st.dictionaries(st.text(st.characters(codec="utf-8")).filter(lambda k: k != "seal"), JSON, max_size=4))
def test_seal_holds_and_sealing_again_changes_nothing(record: dict[str, object]) -> None:
    text = sealed_text(record)
    read = json.loads(text)
    assert {k: v for k, v in read.items() if k != "seal"} == record
    assert is_sealed(text, read)
    assert sealed_text(read) == text
    assert not is_sealed(text.rstrip("\n"), read)
    assert not is_sealed(json.dumps(record), record)


def test_exit_codes_are_told_apart() -> None:
    kinds = [InputError, ConfigChangedError, IntegrityError, BusyError, StorageError]
    assert [kind.exit_code for kind in kinds] == [2, 3, 4, 5, 6]


def test_an_error_says_all_it_knows_and_survives_a_process_border() -> None:
    error = IntegrityError("it broke", where=Path("a/b"), expected=[1], found=0, hint="mend it")
    for same in (error, pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):  # noqa: S301
        assert type(same) is IntegrityError
        assert " ".join(str(same).split()) == "it broke where: a/b expected: [1] found: 0 try: mend it"
    assert str(ClayEvalError("bare")) == "bare"


def test_versions_name_what_is_installed_only() -> None:
    found = versions("numpy", "no-such-distribution-at-all")
    assert set(found) == {"python", "clay-eval", "numpy"}
    assert list(found) == sorted(found)
