"""The texts of a release, made from its records alone: whoever has the records can make them again, byte for byte."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clay_eval.evaluator.retrieval.results import Result
from clay_eval.schemas.entity import EntitySpec
from clay_eval.schemas.release import CARD, CROISSANT, RESULTS

from . import facts, licences
from .croissant import croissant
from .pages import render, yaml_text

LAYOUT = 5
"""The number of what the texts look like; release.json names it under "layout" unless it is 1.

`clay-eval verify` makes the texts of a release again, so a change of what comes out for the same records, in a template,
`facts` or anything that they use, needs another number, or every release made before is taken for a forgery.
"""
OLDEST = 1
"""The first layout that `texts` still makes."""
_ADDED = {
    2: ("queries_without_relevant", "seeds_std", "icc"),
    3: ("hard_negatives", "hard_negatives_chance"),
}
"""Layout -> the columns of results.csv that came with it."""


_CHECKED = 4
"""The layout since which card and datasheet say which labels a judge checked."""
_LOADABLE = 5
"""The layout since which the card names a place that can be loaded, authors with "and" are one, and one attempt is one."""
_DATA_SET = re.compile(r"https?://(?:www\.)?huggingface\.co/datasets/([\w.-]+/[\w.-]+)/?", re.ASCII)


@dataclass(frozen=True)
class Records:
    """What the texts are made of.

    release: release.json, files and seal not used. manifest: of the shards as published. planned: plan.json. report: of the
    baselines, or None. table: bytes and sha256 of labels.parquet. extension: of the pictures.
    """

    release: Mapping[str, Any]
    manifest: Mapping[str, Any]
    planned: Mapping[str, Any]
    specs: Sequence[EntitySpec]
    report: Mapping[str, Any] | None
    table: Mapping[str, Any]
    extension: str


def texts(records: Records, layout: int = LAYOUT) -> dict[str, str]:
    """Path -> content of every text that is made from the records, as in `layout`, OLDEST to LAYOUT."""
    release, manifest = records.release, records.manifest
    entities = facts.entity_facts(records.specs, records.planned, manifest)
    described = facts.description(release, entities, facts.made_by(manifest["renderer"]))
    said: dict[str, Any] = {
        "description": described,
        "citation": facts.citation(release, one_author_each=layout >= _LOADABLE),
        "keywords": list(facts.KEYWORDS),
        "biases": facts.biases(manifest),
        "limitations": facts.limitations(manifest),
        "people": facts.people(manifest),
    }
    said["rai"] = facts.responsible_ai(release, manifest, said)
    values = {
        **said,
        "release": release,
        "entities": entities,
        "extension": records.extension,
        "counts": manifest["filter"],
        "renderer_said": _renderer_said(manifest["renderer"]),
        "baselines": facts.baseline_facts(records.report),
        "planned_by": [m["name"] for m in release["models"] if m["role"] == "planner"],
        "place": _place(release["url"] or "", layout),
        "paper": facts.PAPER,
        "says_checked": layout >= _CHECKED,
        "drawn_again": manifest["filter"]["attempts"] > 1 or layout < _LOADABLE,
        "head": yaml_text(facts.front_matter(release)),
    }
    made = {
        CARD: render("README.md", **values),
        "datasheet.md": render("datasheet.md", **values),
        "CHANGELOG.md": render("CHANGELOG.md", **values),
        f"{licences.FOLDER}/README.md": render("licences.md", **values),
        "eval.yaml": yaml_text(facts.evaluation_task(release, described)),
        CROISSANT: _pretty(croissant(release, manifest, records.table, records.extension, said)),
    }
    if records.report is not None:
        made[RESULTS] = results_csv(records.report, layout)
    return made


def results_csv(report: Mapping[str, Any], layout: int = LAYOUT) -> str:
    """The results of a report as a table, a line a method and set of conditions, a column a field of `Result`."""
    later = {name for number, added in _ADDED.items() if number > layout for name in added}
    names = [field.name for field in dataclasses.fields(Result) if field.name not in later]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in report["results"]:
        cells = {**row, "conditions": "+".join(row["conditions"])}
        writer.writerow(["" if cells.get(name) is None else cells[name] for name in names])
    return stream.getvalue()


def _place(url: str, layout: int) -> str:
    """What `datasets` loads it by: its name on the Hub, where `url` is its page there, or a folder."""
    if layout < _LOADABLE:
        return url.removeprefix("https://huggingface.co/datasets/") if "huggingface.co" in url else "FOLDER"
    page = _DATA_SET.fullmatch(url)
    return page[1] if page else "FOLDER"


def _renderer_said(renderer: Mapping[str, Any]) -> str:
    """The renderer's settings in one line, without what is long."""
    said = [
        f"{name} {value}"
        for name, value in sorted(renderer.items())
        if name != "type" and isinstance(value, (str, int, float)) and len(str(value)) <= 60
    ]
    return f"{renderer['type']} ({', '.join(said)})."


def _pretty(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
