"""The command line: one small file a sub-command; heavy imports wait until a command runs."""

from __future__ import annotations

import sys
import warnings

import typer

from clay_eval.schemas.errors import ClayEvalError, StorageError

from . import (
    ablate,
    audit,
    check_method,
    cluster,
    cost,
    datasets,
    embed,
    entities,
    evaluate,
    explore,
    export,
    galleries,
    leaderboard,
    leak,
    merge,
    methods,
    paraphrase,
    plan,
    preview,
    publish,
    rank,
    render,
    report,
    reproduce,
    review,
    run,
    score,
    search,
    status,
    submit,
    verify,
)
from .ending import interruptible, shortage
from .streams import standard_streams

app = typer.Typer(
    name="clay-eval",
    help="Conditional image similarity: make labelled pictures, score CLAY and its rivals on them.",
    epilog="Start here:  clay-eval run --out runs/demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for module in (
    *(run, entities, plan, preview, render, status, merge, review, publish, embed),
    *(evaluate, explore, search, audit, report, export, score, verify, galleries, methods, check_method),
    *(ablate, paraphrase, cluster, cost, rank, leak, datasets, reproduce),
    *(submit, leaderboard),
):
    module.register(app)

_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 an unexpected fault, 2 bad input, 3 configuration changed, 4 data damaged, 5 folder in use,
    6 disk full, memory short, or a file that cannot be read or written, 7 a language model's server, answers or budget,
    129, 130 and 143 interrupted (SIGHUP, Ctrl-C, SIGTERM), 141 nobody reads the output.
    """
    # open_clip's own calls, which a user can do nothing about.
    warnings.filterwarnings("ignore", message=".torch.jit.script. is deprecated", category=FutureWarning)
    with interruptible() as interruption, standard_streams():
        code = _code()
        if code == _INTERRUPTED:
            sys.stderr.write("\nInterrupted. The same command continues where it was.\n")
            code = interruption.exit_code
        sys.exit(code)


def _code() -> int:
    """Run the command, show its error if it has one, and return the exit code."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except typer.Exit as leave:
        code = leave.exit_code
    except Exception as error:
        clear = shortage(error) or _clear(error)
        if clear is not None:
            _complain(clear)
            return clear.exit_code
        # Errors of usage have another class in every version of typer; all can show themselves.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 0


def _clear(error: Exception) -> ClayEvalError | None:
    if isinstance(error, ClayEvalError):
        return error
    if isinstance(error, OSError):
        found = error.strerror or str(error)
        return StorageError("the system refused to read or write", where=error.filename, found=found)
    return None


def _complain(error: ClayEvalError) -> None:
    first, *rest = str(error).splitlines()
    try:
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True, soft_wrap=True)
        console.print(Text.assemble(("error: ", "bold red"), (first, "bold")))
        for line in rest:
            console.print(Text(line))
    except (MemoryError, ImportError, RuntimeError):  # where memory is short, for this, too
        sys.stderr.write("\n".join([f"error: {first}", *rest, ""]))
