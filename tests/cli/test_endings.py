"""How commands end that are told to, that nobody reads, and that lack memory: cleanly, with a code and in plain words."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clay_eval.cli.ending import Interruption, interruptible, shortage
from clay_eval.schemas.errors import InputError, ResourceError

Start = Callable[..., subprocess.Popen[str]]
MAIN = "from clay_eval.cli import main; main()"
SIGNALLED = """
import os, pathlib, signal
replace = pathlib.Path.replace
def signalled(self, target):
    if pathlib.Path(target).name == "plan.jsonl":
        for number in {signals}:
            os.kill(os.getpid(), number)
    return replace(self, target)
pathlib.Path.replace = signalled
"""


def plan(out: Path) -> list[object]:
    return ["plan", "demo-object", "--count", 48, "--out", out]


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGINT], 130),
        ([signal.SIGTERM], 143),
        ([signal.SIGHUP], 129),
        ([signal.SIGHUP, signal.SIGHUP, signal.SIGTERM], 129),
    ],
)
def test_signals_in_a_write_end_as_ctrl_c_does(
    start: Start, tmp_path: Path, signals: list[signal.Signals], code: int
) -> None:
    process = start(*plan(tmp_path), before=SIGNALLED.format(signals=[int(number) for number in signals]))
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (code, ""), err
    assert err.endswith("Interrupted. The same command continues where it was.\n")
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("plan.jsonl"))
    again = start(*plan(tmp_path))
    assert "48 samples" in again.communicate(timeout=120)[0]
    assert again.returncode == 0


def test_a_signal_that_is_ignored_stays_so(start: Start, tmp_path: Path) -> None:
    """As under nohup."""
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = start(*plan(tmp_path), before=f"{ignored}\n{SIGNALLED.format(signals=[int(signal.SIGHUP)])}")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, "48 samples" in out) == (0, True), err


def test_a_terminal_that_is_gone_hides_no_exit_code(start: Start, tmp_path: Path) -> None:
    lost = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 2)"
    process = start(*plan(tmp_path), before=f"{lost}\n{SIGNALLED.format(signals=[int(signal.SIGHUP)])}")
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 129
    assert not list(tmp_path.rglob("*.part"))


def test_handlers_are_of_the_command_only() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    seen: list[Interruption] = []

    def terminated() -> None:
        with interruptible() as interruption:
            seen.append(interruption)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        terminated()
    assert (seen[0].signal, seen[0].exit_code) == (signal.SIGTERM, 143)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
    assert Interruption().exit_code == 130


def redirected(how: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `clay-eval ARGUMENTS` with a shell's redirection."""
    command = [sys.executable, "-c", MAIN, *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *command], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("arguments", [["methods"], ["methods", "--json"], ["--help"], ["plan", "--help"]])
@pytest.mark.parametrize("how", [">&-", ">/dev/full", "<&- >&-"])
def test_results_that_are_lost_are_an_error(how: str, arguments: list[str]) -> None:
    found = redirected(how, *arguments)
    assert (found.returncode, found.stdout) == (6, "")
    assert found.stderr.startswith("error: cannot write to standard output\n")
    assert "Traceback" not in found.stderr
    assert "Exception ignored" not in found.stderr


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_messages_that_are_lost_are_none(how: str, tmp_path: Path) -> None:
    found = redirected(how, *plan(tmp_path))
    assert (found.returncode, found.stderr) == (0, "")
    assert "48 samples" in found.stdout
    wrong = redirected(how, "plan", "demo-objct", "--out", tmp_path / "x")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "")


def test_all_streams_closed_no_file_takes_their_place(tmp_path: Path) -> None:
    found = redirected("<&- >&- 2>&-", *plan(tmp_path / "closed"))
    assert (found.returncode, found.stdout, found.stderr) == (6, "", "")
    assert redirected("", *plan(tmp_path / "open")).returncode == 0
    files = [
        sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*")) for n in ("closed", "open")
    ]
    assert files[0] == files[1]
    for file in files[0]:
        one, other = tmp_path / "closed" / file, tmp_path / "open" / file
        assert one.is_dir() or one.read_bytes() == other.read_bytes(), file


@pytest.mark.parametrize("arguments", [["methods", "--json"], ["--help"]])
def test_nobody_reads_the_output(start: Start, arguments: list[str]) -> None:
    unread = "import os; r, w = os.pipe(); os.close(r); os.dup2(w, 1)"
    process = start(*arguments, before=unread)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 141


def test_a_limit_on_memory(start: Start, tmp_path: Path) -> None:
    lines = "".join(f"q Q0 document-{number} 1 {number} t\n" for number in range(400_000))
    (tmp_path / "a.run").write_text(lines)
    (tmp_path / "q.txt").write_text("q 0 document-1 1\n")
    limited = """
import resource
import clay_eval.cli
import clay_eval.evaluator.trec.scores
import clay_eval.evaluator.exports.per_query
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (24 << 20),) * 2)
"""
    process = start("score", tmp_path / "a.run", "--qrels", tmp_path / "q.txt", before=limited)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (6, ""), err
    assert "Traceback" not in err
    assert err.startswith("error: there is not enough memory\n")
    assert "clay_eval.evaluator.trec.files" in err
    assert "ulimit -v" in err


def told(raise_: Callable[[], object]) -> ResourceError | None:
    try:
        raise_()
    except Exception as error:
        return shortage(error)
    raise AssertionError


def fails(error: Exception) -> Callable[[], object]:
    def raise_() -> object:
        raise error

    return raise_


def test_what_libraries_say_when_memory_is_short() -> None:
    import torch

    for raise_, said in [
        (lambda: np.empty(1 << 58, np.uint8), "Unable to allocate"),
        (lambda: torch.empty(1 << 58, dtype=torch.uint8), "memory"),
        (lambda: bytearray(1 << 61), "no more could be allocated"),
        (fails(RuntimeError("std::bad_alloc")), "bad_alloc"),
        (fails(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), "x.tar")), "Cannot allocate memory"),
        (fails(ImportError("libx.so: failed to map segment from shared object")), "map segment"),
        (fails(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")), "CUDA out of memory"),
    ]:
        found = told(raise_)
        assert found is not None, said
        assert (found.exit_code, found.what) == (6, "there is not enough memory")
        assert said in str(found.found)
        assert "--batch-size" in str(found.hint)
    threads = told(fails(RuntimeError("can't start new thread")))
    assert threads is not None
    assert "threads" in threads.what
    assert "ulimit -u" in str(threads.hint)


def test_what_was_raised_from_a_lack_of_memory_is_one() -> None:
    damaged = InputError("damaged")
    damaged.__cause__ = MemoryError()
    assert told(fails(damaged)) is not None
    for other in (
        InputError("out of memory"),
        RuntimeError("shapes differ"),
        KeyError("x"),
        OSError(2, "no"),
    ):
        assert told(fails(other)) is None


@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_names_that_the_output_has_no_letters_for(
    start: Start, tmp_path: Path, encoding: str, more: list[str]
) -> None:
    """A path that is no text in any encoding is shown with escapes; JSON stays JSON."""
    shards = tmp_path / "r\udcff\u00fcn"
    arguments = ["plan", "demo-object", "--count", 2, "--out", shards, *more]
    out, err = start(*arguments, PYTHONIOENCODING=encoding).communicate()
    assert "Traceback" not in err
    if more:
        assert json.loads(out)["samples"] == 2
    else:
        assert "plan: " in out
