"""Which models took part: what drew, what planned, what judged, with revision and digest as the artefacts record them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import IntegrityError
from clay_eval.schemas.validate import parse_json, read_text

OURS = "it comes with clay-eval"
HUB = "it is named as on the Hub"
FOLDER = "the name of a folder, or a short one, says nothing of its licence"


@dataclass(frozen=True)
class Model:
    """A model that took part, in the role "renderer", "planner" or "judge". `source`: OURS, HUB or FOLDER."""

    role: str
    name: str
    revision: str | None = None
    digest: str | None = None
    source: str = FOLDER


def models_of(manifest: Mapping[str, Any], plan: Path) -> list[Model]:
    """The models behind a manifest and the plan in the folder `plan`, renderer first; each once."""
    return models_from(manifest, sorted((plan / "llm" / "calls").glob("*.json")))


def models_from(manifest: Mapping[str, Any], calls: Iterable[Path]) -> list[Model]:
    """`models_of`, where `calls` are the files of the language models' kept replies, in order."""
    found = [*_renderer(manifest["renderer"]), *_planners(calls), *_judges(manifest["filter"]["judge"])]
    return list(dict.fromkeys(found))


def _renderer(identity: Mapping[str, Any]) -> Iterator[Model]:
    if identity["type"] == "procedural":
        return
    name = str(identity.get("model", identity["type"]))
    weights = identity.get("weights_sha256")
    ours = name == "embedded" and weights is not None and weights == _embedded_weights()
    yield Model("renderer", name, identity.get("revision"), _sha256(weights), OURS if ours else _source(name))


def _embedded_weights() -> str | None:
    """The digest of the pipeline that comes with the package, as a renderer's identity has it."""
    from ..render.diffusion_loading import INDEX, folder_digests

    folder = Path(str(resources.files("clay_eval.data.embedded") / "pipeline"))
    if not (folder / INDEX).is_file():
        return None
    return folder_digests(folder, parse_json(read_text(folder / INDEX), folder / INDEX))["weights_sha256"]


def _planners(calls: Iterable[Path]) -> Iterator[Model]:
    """The language models whose replies are kept with the plan."""
    for path in calls:
        record = parse_json(read_text(path), path)
        name = record.get("model") if isinstance(record, dict) else None
        if not isinstance(name, str) or not name:
            raise IntegrityError("a kept reply names no model", where=path, hint="restore the file")
        yield Model("planner", name, source=_source(name))


def _judges(judge: Mapping[str, Any] | None) -> Iterator[Model]:
    if judge is None:
        return
    for one in judge.get("judges", [judge]):
        facts = one.get("encoder", one)
        name = str(facts.get("name", facts.get("model", one.get("type"))))
        source = OURS if facts.get("demonstration") else _source(name)
        yield Model("judge", name, facts.get("revision"), _sha256(facts.get("weights_sha256")), source)


def _sha256(digest: Any) -> str | None:
    return None if digest is None else f"sha256 {digest}"


def _source(name: str) -> str:
    return HUB if name.count("/") == 1 else FOLDER
