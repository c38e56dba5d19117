"""Whole or absent: atomic writes on good and full disks, locks, changed settings."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from clay_eval.schemas import files
from clay_eval.schemas.errors import BusyError, ConfigChangedError, InputError, StorageError
from clay_eval.schemas.files import (
    atomic_file,
    differences,
    locked,
    refuse_changes,
    remove_leftovers,
    write_sealed,
    write_text,
)


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_file_appears_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "f"
    with atomic_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["f"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "fsync":
        monkeypatch.setattr(files.os, "fsync", full)

    def write() -> None:
        with atomic_file(path) as stream:
            if call == "write":
                full()
            stream.write(b"new")

    with pytest.raises(StorageError) as caught:
        write()
    assert caught.value.exit_code == 6
    assert "full" in caught.value.what
    assert caught.value.where == str(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_real_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """The kernel itself refuses the write, in the middle of a stream that is larger than any buffer."""
    process = python(
        """
        import resource, sys
        from pathlib import Path
        from clay_eval.schemas.errors import ClayEvalError
        from clay_eval.schemas.files import atomic_file
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            with atomic_file(Path(sys.argv[1])) as stream:
                for _ in range(100):
                    stream.write(bytes(5000))
        except ClayEvalError as error:
            sys.exit(error.exit_code)
        """,
        tmp_path / "f",
    )
    _, error = process.communicate()
    assert process.returncode == 6, error
    assert names(tmp_path) == []


@pytest.mark.parametrize("path", ["file/f", "file/deeper/f", "folder", "n" * 300])
def test_a_place_where_one_cannot_write(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / path, "text")
    assert str(tmp_path / path) in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "in the way"


def test_other_errors_of_the_block_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "f"):
        (tmp_path / "missing").read_bytes()
    assert names(tmp_path) == []


def test_leftovers_are_removed_and_only_they(tmp_path: Path) -> None:
    process = python(
        """
        import os, sys
        from pathlib import Path
        from clay_eval.schemas.files import atomic_file
        with atomic_file(Path(sys.argv[1])) as stream:
            stream.write(b"half")
            stream.flush()
            os.kill(os.getpid(), 9)
        """,
        tmp_path / "f.tar",
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (tmp_path / ".mine.part").write_text("a download of mine")
    (tmp_path / "f.part").write_text("mine too")
    assert len(names(tmp_path)) == 3
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".mine.part", "f.part"]


HOLD = """
import sys, time
from pathlib import Path
from clay_eval.schemas.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(120)
"""


def test_a_second_process_is_told_that_the_folder_is_busy_until_the_first_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    holder = python(HOLD, folder)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError) as caught, locked(folder):
            pass
        assert caught.value.exit_code == 5
        assert caught.value.where == str(folder)
    finally:
        holder.kill()
        holder.communicate(timeout=60)
    with locked(folder):
        assert folder.is_dir()


def test_the_lock_is_for_one_holder_within_a_process_too_and_ends_with_the_block(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(BusyError), locked(tmp_path):
            pass
        with pytest.raises(BusyError), locked(tmp_path):  # the failed attempt did not free it
            pass
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_locking_a_file_or_below_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError), locked(tmp_path / "file"):
        pass
    with pytest.raises(StorageError), locked(tmp_path / "file" / "out"):
        pass


def test_differences_name_every_changed_leaf() -> None:
    before = {"same": 1, "a": {"b": [1, 2], "c": "x"}, "gone": None}
    now = {"same": 1, "a": {"b": [1, 3], "c": "x"}, "new": 0}
    assert differences(before, now) == [
        "a.b: [1, 2] -> [1, 3]",
        "gone: None -> (absent)",
        "new: (absent) -> 0",
    ]
    assert differences(before, before) == []


def test_refuse_changes(tmp_path: Path) -> None:
    refuse_changes(tmp_path, {"seed": 1}, {"seed": 1})
    with pytest.raises(ConfigChangedError) as caught:
        refuse_changes(tmp_path, {"seed": 1, "count": None}, {"seed": 2, "count": None})
    assert caught.value.exit_code == 3
    assert "seed: 1 -> 2" in caught.value.what
    assert "count" not in caught.value.what


def test_write_sealed_is_the_same_twice(tmp_path: Path) -> None:
    write_sealed(tmp_path / "a", {"x": 1})
    write_sealed(tmp_path / "b", {"x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
