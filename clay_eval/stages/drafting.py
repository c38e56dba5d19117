"""The stage that has a language model draft what is planned: find the server, draft, record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .folders import Progress, RunFolder, silent, steps

if TYPE_CHECKING:
    from clay_eval.generator.plan.llm.asking import Chat
    from clay_eval.generator.plan.llm.client import Server
    from clay_eval.generator.plan.llm.drafting import Draft, DraftOptions
    from clay_eval.generator.plan.llm.meter import Limits

DEFAULT_URL = "https://api.openai.com/v1"
STEPS = 6
_TEMPERATURE = 0.7
_MAX_TOKENS = 4000


@dataclass(frozen=True)
class LlmOptions:
    """Which model to ask (see `clay-eval plan --help`), and the seed that goes with the questions.

    max_tokens: of a reply, None for `_MAX_TOKENS`, or what the local model takes.
    """

    llm: str
    model: str | None
    key_file: Path | None
    seed: int
    max_tokens: int | None = None


def draft_plans(
    folder: RunFolder,
    sources: Sequence[str],
    llm: LlmOptions,
    limits: Limits,
    options: DraftOptions,
    progress: Progress = silent,
) -> tuple[list[Draft], dict[str, Any]]:
    """Draft each of `sources` (a sentence, a partial spec, a shipped entity) and write it to plan/llm/.

    Returns the drafts and a record of what was written, what it cost and what fell short.
    """
    from clay_eval.generator.plan.llm.drafting import draft, write_draft

    place = folder.plan / "llm"
    read = [source_of(text) for text in sources]
    drafts, files = [], {}
    with chatting(place, llm, limits) as chat:
        advance = steps(progress, "draft", STEPS * len(read))
        for source in read:
            drafts.append(draft(chat, source, options, advance))
            files[drafts[-1].spec.entity] = write_draft(drafts[-1], place)
    usage = chat.client.meter.usage
    record = {
        "model": chat.client.server.model,
        "format": chat.rung,
        "cost": {**vars(usage), "text": str(usage)},
        "files": files,
        "notes": {d.spec.entity: list(d.notes) for d in drafts},
    }
    return drafts, record


def refuse_another_plan(folder: RunFolder, sources: Sequence[str], count: int | None, seed: int) -> None:
    """Raise ConfigChangedError where a finished plan has other entities, count or seed than a draft of `sources` would have.

    It would be refused in the end; this is before a model is asked for it, which may cost something.
    """
    from clay_eval.generator.plan.llm.outline import read_sentence
    from clay_eval.generator.plan.planning import PLAN, read_plan_record
    from clay_eval.schemas.files import refuse_changes

    if not (folder.plan / PLAN).exists():
        return
    done = read_plan_record(folder.plan)
    read = map(source_of, sources)
    names = sorted(
        read_sentence(one).entity if isinstance(one, str) else str(one.get("entity")) for one in read
    )
    before = {**done["settings"], "entities": sorted(done["entities"])}
    refuse_changes(folder.plan, before, {"count": count, "seed": seed, "entities": names})


def reply_bound(local: bool) -> int:
    """Tokens of a reply at most where nobody says otherwise."""
    from clay_eval.generator.plan.llm.local import MAX_TOKENS

    return MAX_TOKENS if local else _MAX_TOKENS


@contextmanager
def chatting(place: Path, llm: LlmOptions, limits: Limits) -> Iterator[Chat]:
    """Questions to the model that `llm` names, every reply kept in `place`/calls; `place` is locked meanwhile."""
    from clay_eval.generator.plan.llm.asking import Chat
    from clay_eval.generator.plan.llm.client import ChatClient
    from clay_eval.generator.plan.llm.store import CallStore
    from clay_eval.schemas.files import locked, remove_leftovers

    tokens = llm.max_tokens or reply_bound(llm.llm == "local")
    parameters = {"temperature": _TEMPERATURE, "seed": llm.seed, "max_tokens": tokens}
    with _server(llm) as server, locked(place):
        for part in (place, place / "calls"):
            remove_leftovers(part)
        client = ChatClient(server, limits)
        try:
            yield Chat(client, CallStore(place / "calls"), parameters)
        finally:
            client.close()


def quality_of(drafts: list[Draft], encoder: str) -> dict[str, dict[str, dict[str, float]]]:
    """Entity -> condition -> number of texts, rank and share of variance between values, by `encoder`."""
    from clay_eval.evaluator.embedding.encoders import load_encoder
    from clay_eval.evaluator.vectors.text_quality import text_quality

    model = load_encoder(encoder)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for drafted in drafts:
        found[drafted.spec.entity] = {}
        for name, texts in drafted.texts.conditions.items():
            quality = text_quality(model.encode_texts([t.text for t in texts]), [t.value for t in texts])
            figures = {"texts": len(texts), "rank": quality.rank, "between_share": quality.between_share}
            found[drafted.spec.entity][name] = figures
    return found


def source_of(text: str) -> str | dict[str, Any]:
    """A sentence as it is; the record of a shipped entity, or of a partial spec in a JSON file."""
    from clay_eval.schemas.entity import load_entity, shipped_entities
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.validate import parse_json, read_text

    if text in shipped_entities():
        return dict(load_entity(text).record)
    if not text.endswith(".json"):
        return text
    record = parse_json(read_text(Path(text)), text)
    if not isinstance(record, dict):
        raise InputError("not a partial entity spec", where=text, expected="a JSON object")
    return record


@contextmanager
def _server(llm: LlmOptions) -> Iterator[Server]:
    """The server that `--llm` names."""
    from urllib.parse import urlsplit

    from clay_eval.generator.plan.llm.client import Server
    from clay_eval.generator.plan.llm.local import local_server
    from clay_eval.schemas.errors import InputError
    from clay_eval.schemas.secrets import known_secrets, of_key, of_url, without_userinfo
    from clay_eval.schemas.validate import read_text

    if llm.llm == "local":
        if llm.model:
            raise InputError("the local model is the only one there", where="--model", found=llm.model)
        with local_server() as server:
            yield server
        return
    url = (os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).strip() if llm.llm == "env" else llm.llm
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        sound = False
    key = (
        read_text(llm.key_file, limit=1 << 16) if llm.key_file else os.environ.get("OPENAI_API_KEY", "")
    ).strip()
    secrets = known_secrets(*of_key("the key", key), *of_url("--llm", url))
    if not sound:
        raise InputError(
            "not a server",
            where="OPENAI_BASE_URL" if llm.llm == "env" else "--llm",
            expected="local, env, or an http(s) URL",
            found=secrets.masked(without_userinfo(url)),
        )
    model = llm.model or os.environ.get("OPENAI_MODEL")
    if not model:
        raise InputError("no model is named", where="--model", expected="a model that the server knows")
    # Passwords and tokens in a URL must not get into records.
    yield Server(url, model, secrets.masked(without_userinfo(url)), key)
