"""clay-eval check-method"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .common import Json, emit

EPILOG = """
**Example**

    clay-eval check-method my_package.my_module:MyMethod

    clay-eval check-method 'my_package.my_module:MyMethod(depth=2)'

Runs a method on made-up features with a known structure and looks for wrong shapes, NaN, results that depend on the
batch or on the order of images, use of labels, altered inputs, and chance. Exit code 1 if something was found.
"""
_FOUND = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="check-method", epilog=EPILOG)(check_method)


def check_method(
    method: Annotated[str, typer.Argument(help="package.module:Class, or the name of a method.")],
    json: Json = False,
) -> None:
    """Check that a method keeps to what the evaluation relies on."""
    from clay_eval.evaluator.conformance.check import check_method as check
    from clay_eval.evaluator.methods.support.guard import plug_in_errors
    from clay_eval.evaluator.methods.support.registry import resolve_method
    from clay_eval.evaluator.methods.support.specs import parse_spec

    spec = parse_spec(method)
    with plug_in_errors(spec.name, "when it was imported"):
        _, factory = resolve_method(spec.name, **spec.parameters)
    findings = check(factory)
    record: dict[str, Any] = {
        "method": str(spec),
        "ok": all(finding.ok for finding in findings),
        "findings": [{"name": f.name, "ok": f.ok, "seen": f.seen, "mend": f.mend} for f in findings],
    }
    lines = []
    for finding in findings:
        lines.append(f"{'ok    ' if finding.ok else 'FAULT '} {finding.name}: {finding.seen}")
        if not finding.ok and finding.mend:
            lines.append(f"       {finding.mend}")
    faults = sum(not finding.ok for finding in findings)
    lines.append(f"{spec}: {faults or 'no'} fault{'' if faults == 1 else 's'} in {len(findings)} checks")
    emit(json, record, *lines)
    if faults:
        raise typer.Exit(_FOUND)
