"""The page of contracts, from titles and descriptions of the JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

ORDER = (
    "entity-spec",
    "condition-texts",
    "sample-spec",
    "plan",
    "render-settings",
    "manifest",
    "decisions",
    "applying",
    "report",
    "neighbours",
    "experiment",
    "audit",
    "galleries",
    "reproduced-cell",
    "submission",
    "score",
    "leaderboard",
    "release",
)
WHERE: Mapping[str, str] = {
    "entity-spec": "`plan/specs/ENTITY.json`, and any file given to `clay-eval plan`",
    "condition-texts": "`plan/conditions/ENTITY.json`, and any file given with `--texts`",
    "sample-spec": "each line of `plan/plan.jsonl`",
    "plan": "`plan/plan.json`",
    "render-settings": "`shards/render.json`",
    "manifest": "`shards/manifest.json`",
    "decisions": "`decisions.json`, saved by the contact sheets",
    "applying": "a note in `shards/` while decisions are applied",
    "report": "`report/report.json`",
    "neighbours": "`report/neighbours.json`",
    "experiment": "`experiments/NAME/experiment.json`",
    "audit": "`audit/audit.json`",
    "galleries": "the file given to `clay-eval galleries`",
    "reproduced-cell": "`reproduce/cells/` of a run that reproduces the paper's numbers",
    "submission": "`method.json` of a submission",
    "score": "`score.json` of a submission",
    "leaderboard": "what `clay-eval leaderboard --json` prints",
    "release": "`release.json` of a release",
}
_DEPTH = 3
_SUFFIX = ".schema.json"


def schemas() -> dict[str, dict[str, Any]]:
    """Name -> schema, in reading order; those that ORDER does not know come last."""
    found = {
        path.name.removesuffix(_SUFFIX): json.loads(path.read_text("utf-8"))
        for path in files("clay_eval.schemas").iterdir()
        if path.name.endswith(_SUFFIX)
    }
    names = [name for name in ORDER if name in found] + sorted(set(found) - set(ORDER))
    return {name: found[name] for name in names}


def contracts() -> str:
    """A section a schema."""
    return "\n\n".join(_section(name, schema) for name, schema in schemas().items())


def _section(name: str, schema: Mapping[str, Any]) -> str:
    title, _, about = str(schema["title"]).partition(":")
    sentence = " ".join(filter(None, [about.strip(), schema.get("description", "")]))
    head = f"## {title}\n\n{sentence[:1].upper()}{sentence[1:]}{'.' if sentence else ''}"
    place = f"Where: {WHERE[name]}. " if name in WHERE else ""
    version = schema.get("properties", {}).get("schema", {}).get("const")
    place += f"`schema` is `{version}`. " if version else ""
    rows = "\n".join(_rows(schema, schema, "", 0))
    table = f"| field | type | | what |\n|---|---|---|---|\n{rows}"
    return f"{head}\n\n{place}In full: `{name}{_SUFFIX}`.\n\n{table}"


def _rows(node: Mapping[str, Any], root: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    for name, given in node.get("properties", {}).items():
        if name == "schema" and not depth:
            continue
        field = _resolved(given, root)
        here = f"{path}{name}"
        needed = "required" if name in node.get("required", ()) else ""
        yield f"| `{here}` | {_type(field)} | {needed} | {_cell(field.get('description', ''))} |"
        if depth + 1 < _DEPTH:
            yield from _inside(field, root, here, depth + 1)


def _inside(field: Mapping[str, Any], root: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    """Rows of what an object holds, the items of a list, the values of a mapping, however these are nested."""
    yield from _rows(field, root, f"{path}.", depth)
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(field.get(key), dict):
            yield from _inside(_resolved(field[key], root), root, path + step, depth)


def _resolved(node: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the schema points at, with what stands beside the reference."""
    while "$ref" in node:
        target: Any = root
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _type(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join("null" if value is None else f"`{value}`" for value in field["enum"])
    if "type" in field:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        return " or ".join(kinds)
    options = [_type(option) for option in field.get("anyOf", field.get("oneOf", ()))]
    return " or ".join(dict.fromkeys(filter(None, options)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
