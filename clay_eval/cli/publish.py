"""clay-eval publish"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from clay_eval.stages.folders import RunFolder
from clay_eval.stages.publishing import publish as build

from .common import Json, Out, emit, note, progress_bar, progress_bars
from .options import grouped

EPILOG = """
**Example**

    clay-eval publish --out runs/first --to releases/first-1.0.0 --version 1.0.0 --date 2026-11-25
    --title "Objects and people" --author "A. Author" --contact data@example.org

    clay-eval publish --out runs/more --to releases/first-1.1.0 --version 1.1.0 --date 2026-12-01
    --previous releases/first-1.0.0 --push ORG/NAME --json

Makes a folder that can be given away as it is: shards, labels, data set card, Croissant record, datasheet, licences,
provenance, baselines, changelog, checksums. Nothing is taken from the clock, so the same command makes the same bytes. What
is not whole, whose models' licences forbid it, whose version does not say what changed, or in which a key stands that this
machine knows, is refused. --push uploads it to
the Hugging Face Hub with the token in HF_TOKEN; run again, it uploads what is missing. clay-eval verify checks a release.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="publish", epilog=EPILOG)(grouped(publish))


@dataclass(frozen=True)
class StatedOptions:
    """What is said of a release."""

    date: Annotated[str | None, typer.Option("--date", help="Day of publication, YYYY-MM-DD.")] = None
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", help="SPDX name of the data's licence. Default: the last one, or CC-BY-4.0."
        ),
    ] = None
    title: Annotated[str | None, typer.Option("--title", help="What the data set is called.")] = None
    author: Annotated[list[str] | None, typer.Option("--author", help="Who made it; may be repeated.")] = None
    contact: Annotated[
        str | None, typer.Option("--contact", help="Where faults and requests for removal go.")
    ] = None
    url: Annotated[str | None, typer.Option("--url", help="The data set's web page.")] = None
    note: Annotated[
        list[str] | None, typer.Option("--note", help="A line for the changelog; may be repeated.")
    ] = None
    model_licence: Annotated[
        list[str] | None,
        typer.Option("--model-licence", help="MODEL=FILE: the text of a model's licence; may be repeated."),
    ] = None
    accept_licence: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-licence",
            help="MODEL: this release keeps to its licence's restrictions; may be repeated.",
        ),
    ] = None


def publish(
    *,
    out: Out,
    to: Annotated[Path, typer.Option("--to", help="The folder of the release; made if it is not there.")],
    version: Annotated[
        str,
        typer.Option("--version", help="MAJOR.MINOR.PATCH; checked against what changed since --previous."),
    ],
    previous: Annotated[
        Path | None, typer.Option("--previous", help="The folder of the release before this one.")
    ] = None,
    stated: StatedOptions,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Publish the run's report, if there is one.")
    ] = True,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy shards even where they could be linked.")
    ] = False,
    llm_key_file: Annotated[
        Path | None,
        typer.Option(
            "--llm-key-file",
            help="A file with a key that must not stand in the release; those in the environment are known.",
        ),
    ] = None,
    push: Annotated[
        str | None, typer.Option("--push", help="ORG/NAME on the Hugging Face Hub to upload it to.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a release of finished shards, as the Hub, Croissant's tools and reviewers expect it."""
    from clay_eval.generator.publishing.licences import Stated
    from clay_eval.generator.publishing.privacy import naming_folders, private_folders
    from clay_eval.generator.publishing.push import push_release, require_ready
    from clay_eval.generator.publishing.request import Request
    from clay_eval.schemas.fingerprint import file_sha256
    from clay_eval.schemas.release import RELEASE
    from clay_eval.schemas.secrets import of_key
    from clay_eval.schemas.validate import read_text

    key = read_text(llm_key_file, limit=1 << 16) if llm_key_file else ""
    request = Request(
        version=version,
        date=stated.date,
        licence=stated.licence,
        title=stated.title,
        authors=stated.author or (),
        contact=stated.contact,
        url=stated.url,
        notes=stated.note or (),
        stated=Stated(_texts(stated.model_licence or ()), stated.accept_licence or ()),
        repository=push,
        previous=previous,
        copy=copy,
        baselines=baselines,
        secrets=of_key(str(llm_key_file), key),
    )
    if push is not None:
        require_ready()
    with progress_bars() as progress:
        release = build(RunFolder(out), to, request, progress)
    digest = file_sha256(to / RELEASE)
    left = _lacking(release)
    if named := naming_folders(to, private_folders()):
        left.append(f"{len(named)} files name folders of this machine, as they came in: {named[0]}")
    lines = [
        f"{to}: version {release['version']}, {release['samples']} samples, {len(release['files']) + 2} files",
        f"digest of this release: {digest}",
        *(f"note: {line}" for line in left if push is None),
    ]
    pushed = None
    if push is not None:
        for line in left:  # after the upload it is too late to be told
            note(f"note: {line}")
        with progress_bar("upload", None):
            pushed = push_release(to, push, release["version"])
        lines.append(f"uploaded: {pushed}")
    record = {
        "folder": str(to),
        "version": release["version"],
        "samples": release["samples"],
        "digest": digest,
        "changes": release["log"][-1],
        "lacking": left,
        "uploaded": pushed,
    }
    emit(json, record, *lines)


def _texts(said: Sequence[str]) -> dict[str, Path]:
    """Model -> file, of MODEL=FILE."""
    from clay_eval.schemas.errors import InputError

    texts = {}
    for text in said:
        name, _, path = text.rpartition("=")
        if not name or not path:
            raise InputError(
                "this names no model and file", where="--model-licence", expected="MODEL=FILE", found=text
            )
        texts[name] = Path(path)
    return texts


def _lacking(release: dict[str, object]) -> list[str]:
    """What reviewers will miss."""
    wanted = {
        "authors": "nobody is named as author: --author",
        "contact": "there is no contact for requests for removal: --contact",
        "url": "there is no web page: --url",
        "report": "there are no baselines: clay-eval evaluate, then publish again",
    }
    return [line for name, line in wanted.items() if not release[name]]
