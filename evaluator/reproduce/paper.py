"""The paper's tables, cell by cell: what each number is about, so that only like is put beside like.

What the paper leaves open, and is chosen and recorded here: which part of a benchmark is used (all pictures unless
NAME@PART says otherwise), the condition texts (ours), which ViT-B is "CLIP-B" (patches of 32 or 16), and what "without
manifold" keeps (here `clay(log_map=false)`: the texts' flat projection).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

SINGLE, MULTI, ABLATION, GENECIS = (
    "single_condition",
    "multi_condition",
    "manifold_ablation",
    "genecis_focus_attribute",
)
TITLES = {
    SINGLE: "Single conditions",
    MULTI: "Several conditions at once",
    ABLATION: "With and without the manifold",
    GENECIS: "GeneCIS, focus on an attribute",
}
GENECIS_ENTITY = "genecis-focus-attribute"
RECALLS = {"recall@1": "Hit@1", "recall@2": "Hit@2", "recall@3": "Hit@3"}
CLIP, SIGLIP = "CLIP-B", "SigLIP-B"
MODELS = {CLIP: 512, SIGLIP: 768}
"""The paper's dual encoders, and how many columns their features have."""
OWN_ROWS = {
    "GeneCIS": "genecis-combiner",
    "GeneCIS-symmetric": "genecis-combiner",
    "InstructBLIP": "instructblip",
}
"""Rows of methods that need weights or models of their own, `--method ROW=SPEC` -> the method that such a spec is of."""
OURS = ("clay-object", "clay-human")
"""The paper's own data sets: pictures drawn here after the same design are other pictures."""

_ENTITIES = {
    "stanford40/location": ("stanford40-location-mood", ("location",)),
    "stanford40/mood": ("stanford40-location-mood", ("mood",)),
    "oxford-pets/cat": ("oxford-pets-cat", ("breed",)),
    "oxford-pets/dog": ("oxford-pets-dog", ("breed",)),
}
_FINE = (
    *("oxford-pets/cat", "oxford-pets/dog", "ppmi/instrument", "flowers102/flower", "stanford-cars/car"),
    *("fgvc-aircraft/aircraft", "food101/food"),
)
_KNOWN_ENCODERS = {
    ("open_clip", "ViT-B-32", "openai"): CLIP,
    ("open_clip", "ViT-B-32-quickgelu", "openai"): CLIP,
    ("open_clip", "ViT-B-16", "openai"): CLIP,
    ("open_clip", "ViT-B-16-quickgelu", "openai"): CLIP,
    ("open_clip", "ViT-B-16-SigLIP", "webli"): SIGLIP,
    ("transformers", "openai/clip-vit-base-patch32", None): CLIP,
    ("transformers", "openai/clip-vit-base-patch16", None): CLIP,
    ("transformers", "google/siglip-base-patch16-224", None): SIGLIP,
}

Part = tuple[str, tuple[str, ...]]
"""An entity and its conditions."""


@dataclass(frozen=True)
class PaperCell:
    """A number of the paper, as a share: the mean over `parts` of `measure` of the method of `row`.

    model: which of the paper's dual encoders, or the row itself where it has a model of its own; method: its spec, None
    where there is none here unless one is given; explained: whether its own tables explain the mean.
    """

    table: str
    row: str
    column: str
    value: float
    parts: tuple[Part, ...]
    model: str
    method: str | None
    measure: str = "AP"
    explained: bool = True


@cache
def paper_tables() -> Mapping[str, Any]:
    """data/paper_tables.json."""
    text = resources.files("clay_eval.data").joinpath("paper_tables.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def paper_cells() -> tuple[PaperCell, ...]:
    """Every number of the four tables, table by table, row by row."""
    tables, found = paper_tables(), []
    for table in (SINGLE, MULTI, ABLATION):
        for row, values in tables[table]["rows"].items():
            model, method = _ablation_of(row) if table == ABLATION else _method_of(row)
            for column, value in zip(tables[table]["columns"], values, strict=True):
                parts = _group(column) if table == ABLATION else (part_of(column),)
                explained = table != ABLATION or column not in OURS
                found.append(
                    PaperCell(table, row, column, value / 100, parts, model, method, explained=explained)
                )
    for row, values in tables[GENECIS]["rows"].items():
        model, method = _method_of(row)
        for column, value in zip(tables[GENECIS]["columns"], values, strict=True):
            parts = ((GENECIS_ENTITY, ()),)
            found.append(PaperCell(GENECIS, row, column, value / 100, parts, model, method, RECALLS[column]))
    return tuple(found)


def part_of(column: str) -> Part:
    """The entity and the conditions of a column.

    >>> part_of("clay-human/age+action"), part_of("oxford-pets/cat")
    (('clay-human', ('age', 'action')), ('oxford-pets-cat', ('breed',)))
    """
    if column in _ENTITIES:
        return _ENTITIES[column]
    entity, _, conditions = column.partition("/")
    return entity, tuple(conditions.split("+"))


def clay() -> str:
    """CLAY with the paper's k."""
    return f"clay(n_components={paper_tables()['protocol']['k']})"


def flat_clay() -> str:
    """CLAY without the log map."""
    return f"clay(log_map=false, n_components={paper_tables()['protocol']['k']})"


def paper_model(identity: Mapping[str, Any]) -> str | None:
    """Which of the paper's encoders this identity is, by library, public name and weights' tag; None for all others.

    Weights from a file have no public name: say what they are (`--encoder CLIP-B=...`).
    """
    if identity.get("demonstration"):
        return None
    library, name = str(identity.get("library")), str(identity.get("name"))
    if library == "transformers" and identity.get("pretrained") == "folder":
        return None
    tag = None if library == "transformers" else identity.get("pretrained")
    return _KNOWN_ENCODERS.get((library, name, tag))


def _method_of(row: str) -> tuple[str, str | None]:
    if row in MODELS:
        return row, "raw"
    inner = row.removeprefix("CLAY (").removesuffix(")")
    return (inner, clay()) if inner in MODELS and inner != row else (row.removesuffix("-symmetric"), None)


def _ablation_of(row: str) -> tuple[str, str]:
    return CLIP, {"with manifold": clay(), "without manifold": flat_clay()}[row]


def _group(column: str) -> tuple[Part, ...]:
    """The single conditions that a column of the ablation is the mean of."""
    columns = paper_tables()[SINGLE]["columns"]
    chosen = _FINE if column == "fine-grained" else [c for c in columns if c.startswith(f"{column}/")]
    return tuple(part_of(name) for name in chosen)
