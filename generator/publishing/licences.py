"""Which licences the models of a data set have, and whether they let what was made with them be published.

A table of known models comes with the package (model_licences.json). What it says is a reading of those texts, not the
texts: each names where the text is. A restricted or an unknown licence needs the text itself, which then lies in the
release, pinned by its sha256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.validate import read_text

from .models import OURS, Model

FOLDER = "licences"
_TEXT_LIMIT = 1 << 20
_UNKNOWN = {"id": "unknown", "title": "not known to clay-eval", "url": None}
_JUDGE = "It only chose among pictures; nothing depends on its licence."
_STATED = "The publisher states that this licence lets what was made be published; its text lies beside."


@dataclass(frozen=True)
class Stated:
    """What the publisher says of models' licences: texts by model name, and names whose restrictions were accepted."""

    texts: Mapping[str, Path] = field(default_factory=dict)
    accepted: Sequence[str] = ()


@dataclass(frozen=True)
class Licensed:
    """A model with its licence: `record` is what release.json says of it, `text` the pinned text, if any."""

    record: dict[str, Any]
    text: str | None = None


@cache
def _table() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("model_licences.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def data_licence(name: str) -> dict[str, Any]:
    """The licence of the data set itself, by its SPDX name: id, title, url; InputError for one that is not in the table."""
    known = {spdx.casefold(): spdx for spdx in _table()["data"]}
    if name.casefold() not in known:
        raise InputError(
            "this licence of the data set is not known here",
            where="--licence",
            expected=f"one of {', '.join(known.values())}",
            found=name,
        )
    spdx = known[name.casefold()]
    facts = _table()["data"][spdx]
    return {"id": spdx, "title": facts["title"], "url": facts["url"]}


def hub_licence(spdx: str) -> str:
    """What the Hugging Face Hub calls a licence of data."""
    return str(_table()["data"][spdx].get("hub", spdx.casefold()))


def known_licence(model: Model) -> dict[str, Any] | None:
    """The table's entry (with "id") for a model, or None. Names of folders on a disk match restricted licences only."""
    if model.source == OURS:
        return {"id": "apache-2.0", **_table()["licences"]["apache-2.0"]}
    for line in _table()["models"]:
        if line["role"] == model.role and fnmatchcase(model.name.casefold(), line["match"].casefold()):
            return {"id": line["licence"], **_table()["licences"][line["licence"]]}
    return None


def licensed_models(models: Sequence[Model], stated: Stated, licence: str) -> list[Licensed]:
    """The licences of `models`, checked against the data set's `licence` (SPDX).

    A judge only chooses pictures, so its licence is told but nothing depends on it. Raises InputError for a model whose
    licence is unknown, or restricts what may be done with pictures, until its text is given (and its restrictions are
    accepted), and where the data set's own licence would allow what the model's forbids.
    """
    names = {model.name for model in models}
    for option, said in (("--model-licence", stated.texts), ("--accept-licence", stated.accepted)):
        if strange := sorted(set(said) - names):
            raise InputError(
                "a licence of a model that was not used",
                where=option,
                expected=f"one of {sorted(names)}",
                found=strange[0],
            )
    return [_licensed(model, stated, licence) for model in models]


def _licensed(model: Model, stated: Stated, licence: str) -> Licensed:
    known = known_licence(model)
    text = _text(stated.texts[model.name]) if model.name in stated.texts else None
    accepted = model.name in stated.accepted
    if model.role != "judge":
        _require_allowed(model, known, text, accepted, licence)
    sha256 = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    return Licensed(_record(model, known, sha256, accepted), text)


def refuse_other_licence(model: Model, said: Mapping[str, Any], licence: str) -> str | None:
    """Hold what a release says of a model's licence (`said`, of its "models") against the table.

    licence: of the data set (SPDX). Returns what is to be noted: that the table does not know the model. Raises InputError
    where it knows it and `said` is something else, or its licence would not have let the release be made.
    """
    known = known_licence(model)
    given = said["text"] is not None and said["text"]["path"] is not None
    sha256 = said["text"]["sha256"] if given else None
    if known is None and said["licence"] != _UNKNOWN:
        return f"the licence of the {model.role} {model.name} is not known here: not checked"
    made = _record(model, known, sha256, said["accepted"])
    if made != said:
        differing = next(name for name in made if made[name] != said[name])
        raise InputError(
            "the licence of a model is another than it has",
            where=f"{model.role} {model.name}, {differing}",
            expected=made[differing],
            found=said[differing],
        )
    if model.role != "judge":
        _require_allowed(model, known, sha256, said["accepted"], licence)
    return None


def _record(
    model: Model, known: Mapping[str, Any] | None, text: str | None, accepted: bool
) -> dict[str, Any]:
    """What release.json says of a model; text: sha256 of the licence's text, where that was given."""
    outputs = known["outputs"] if known else "unknown" if text is None else "stated"
    allows = _JUDGE if model.role == "judge" else known["allows"] if known else _STATED
    pinned: dict[str, str | None] | None = None
    if text is not None:
        pinned = {"path": f"{FOLDER}/{model.role}-{_slug(model.name)}.txt", "sha256": text}
    elif known and known.get("sha256"):
        pinned = {"path": None, "sha256": known["sha256"]}
    return {
        "role": model.role,
        "name": model.name,
        "revision": model.revision,
        "digest": model.digest,
        "licence": {name: known[name] for name in ("id", "title", "url")} if known else _UNKNOWN,
        "outputs": outputs,
        "allows": allows,
        "text": pinned,
        "accepted": accepted,
    }


def _require_allowed(
    model: Model, known: Mapping[str, Any] | None, text: str | None, accepted: bool, licence: str
) -> None:
    what = f"{model.role} {model.name}"
    give_text = f'--model-licence "{model.name}=FILE"'
    if known is None and text is None:
        raise InputError(
            "the licence of a model is not known, so it may forbid to publish what was made with it",
            where=what,
            expected=f"a model that the table knows, by its name on the Hub; {model.source}",
            hint=f"read its licence; if that allows it, put the text into the release: {give_text}",
        )
    if known is None:
        return
    if known["outputs"] == "restricted" and not (text and accepted):
        lacks = (
            [] if text else [f"its text as it was when the pictures were made ({known['url']}): {give_text}"]
        )
        if not accepted:
            lacks.append(f'your word that this release keeps to it: --accept-licence "{model.name}"')
        raise InputError(
            f"the licence of a model restricts what may be done with pictures: {known['title']}",
            where=what,
            found=known["allows"],
            hint=" and ".join(lacks) + "; or render with a model under a free licence, such as "
            "black-forest-labs/FLUX.1-schnell",
        )
    if known.get("noncommercial") and not _table()["data"][licence].get("noncommercial"):
        raise InputError(
            f"the data set's licence allows what a model's licence forbids: {known['title']}",
            where=what,
            expected="a licence for non-commercial use, such as CC-BY-NC-4.0",
            found=licence,
            hint="--licence CC-BY-NC-4.0",
        )


def _text(path: Path) -> str:
    text = read_text(path, limit=_TEXT_LIMIT)
    if not text.strip():
        raise InputError("this licence is empty", where=path, expected="the text of a licence")
    return text


def _slug(name: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return plain.strip("-.")[:80] or "model"
