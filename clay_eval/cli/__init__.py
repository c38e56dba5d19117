"""The command line: one small file a sub-command; heavy imports wait until a command runs."""

from __future__ import annotations

import sys
import warnings

import typer

from clay_eval.schemas.errors import ClayEvalError, StorageError

from . import (
    ablate,
    check_method,
    cost,
    datasets,
    embed,
    entities,
    evaluate,
    export,
    galleries,
    leaderboard,
    leak,
    merge,
    methods,
    plan,
    publish,
    rank,
    render,
    report,
    reproduce,
    review,
    run,
    score,
    submit,
    verify,
)

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
    *(run, entities, plan, render, merge, review, publish, embed),
    *(evaluate, report, export, score, verify, galleries, methods, check_method),
    *(ablate, cost, rank, leak, datasets, reproduce),
    *(submit, leaderboard),
):
    module.register(app)

_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 an unexpected fault, 2 bad input, 3 configuration changed, 4 data damaged, 5 folder in use,
    6 disk full or a file that cannot be read or written, 7 a language model's server, answers or budget, 130 interrupted,
    141 nobody reads the output.
    """
    # open_clip's own calls, which a user can do nothing about.
    warnings.filterwarnings("ignore", message=".torch.jit.script. is deprecated", category=FutureWarning)
    try:
        code = app(standalone_mode=False)
    except ClayEvalError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except typer.Exit as leave:
        code = leave.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except OSError as error:
        found = error.strerror or str(error)
        _complain(StorageError("the system refused to read or write", where=error.filename, found=found))
        sys.exit(StorageError.exit_code)
    except Exception as error:
        # Errors of usage have another class in every version of typer; all can show themselves.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(getattr(error, "exit_code", 1))
    if code == _INTERRUPTED:
        sys.stderr.write("\nInterrupted. The same command continues where it was.\n")
    sys.exit(code if isinstance(code, int) else 0)


def _complain(error: ClayEvalError) -> None:
    from rich.console import Console
    from rich.text import Text

    first, *rest = str(error).splitlines()
    console = Console(stderr=True, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), (first, "bold")))
    for line in rest:
        console.print(Text(line))
