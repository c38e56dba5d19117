"""What `clay-eval datasets` says: which benchmarks there are, and whether a folder holds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clay_eval.schemas.decoding import decode_image
from clay_eval.schemas.errors import ClayEvalError, InputError
from clay_eval.schemas.texts import shipped_texts

from ..labelled import ImageSource
from .benchmark import NOT_DOWNLOADED
from .catalogue import ASK, BENCHMARKS, PAPER_SETS, data_names
from .hugging_face import LAYOUT
from .naming import HUGGING_FACE, DataName, known_name
from .opening import open_benchmark

_SHOWN = 20


def catalogue_record() -> dict[str, dict[str, Any]]:
    """Name -> everything that is known of each benchmark, as JSON."""
    record: dict[str, dict[str, Any]] = {
        name: {
            "title": one.title,
            "entities": {
                entity: {"conditions": dict(conditions), "pictures": one.pictures[entity]}
                for entity, conditions in one.conditions.items()
            },
            "licence": one.licence,
            "download": [{"what": what, "from": where} for what, where in one.download],
            "layout": list(one.layout),
            "parts": list(one.tags),
            "notes": one.notes,
        }
        for name, one in BENCHMARKS.items()
    }
    record[HUGGING_FACE] = {
        "title": "Any image data set of Hugging Face",
        "entities": {},
        "licence": "that of the data set",
        "download": [{"what": "a data set with pictures in it", "from": "https://huggingface.co/datasets"}],
        "layout": list(LAYOUT),
        "parts": [],
        "notes": "Conditions are its class labels; choose other columns with --condition. NAME@SPLIT takes one split.",
    }
    for name, parents in PAPER_SETS.items():
        record[name] = {
            "title": "CLAY-EVAL, pictures that others made (the paper's, or someone's release)",
            "entities": {},
            "licence": ASK,
            "download": [{"what": "the pictures with their labels", "from": "who made them"}],
            "layout": [
                "pictures with a labels.csv (a column file, then a column a condition)",
                "or webdataset *.tar",
            ],
            "parts": [],
            "notes": "".join(
                f"{child} is evaluated within each {parent}. " for child, parent in parents.items()
            )
            + "Texts ship for the values of our entity specs.",
        }
    return record


def catalogue_lines() -> list[str]:
    """The same for people."""
    lines = [f"--data NAME:FOLDER takes these; {NOT_DOWNLOADED}.", ""]
    for name, one in catalogue_record().items():
        lines.append(f"{name}: {one['title']}")
        for entity, facts in one["entities"].items():
            conditions = ", ".join(
                f"{c} ({n})" if n else f"{c} (as the data has them)" for c, n in facts["conditions"].items()
            )
            size = (
                f"{facts['pictures']} pictures"
                if facts["pictures"]
                else "number of pictures: see the provider"
            )
            lines.append(f"    {entity}: {conditions or 'a condition a query'}; {size}")
        lines.append(f"    licence: {one['licence']}")
        lines += [f"    get: {part['what']} from {part['from']}" for part in one["download"]]
        lines.append(f"    layout: {', '.join(one['layout'])}")
        if one["parts"]:
            lines.append(f"    parts: {', '.join(f'{name}@{part}' for part in one['parts'])}")
        lines += [f"    note: {one['notes']}"] if one["notes"] else []
        lines.append("")
    return lines[:-1]


def check_folder(
    data: DataName, *, decode: bool = True, progress: Callable[[int], None] = lambda _: None
) -> tuple[dict[str, Any], ImageSource]:
    """Open a benchmark, decode every picture if asked to, and count; return a record and the open source.

    The record's `broken` names pictures that cannot be decoded, `differences` what is not as published. progress: called
    with 1 for every picture. Raises InputError for what the readers refuse.
    """
    known_name(data.name, data_names())
    source = open_benchmark(data)
    broken = _broken(source, progress) if decode else []
    entities: dict[str, Any] = {}
    differences = []
    for name, labels in source.entities.items():
        shipped = shipped_texts(name)
        entities[name] = {
            "pictures": len(labels.keys),
            "conditions": {c: len(set(column)) for c, column in labels.labels.items()},
            "texts": {c: shipped is not None and c in shipped.conditions for c in labels.labels},
        }
        if data.name in BENCHMARKS and not data.tags:
            differences += _differences(data.name, name, entities[name])
    record = {
        "name": data.name,
        "parts": list(data.tags),
        "fingerprint": source.fingerprint,
        "entities": entities,
        "pictures_in_no_list": getattr(source, "unlisted", 0),
        "decoded": decode,
        "broken": broken,
        "differences": differences,
    }
    return record, source


def check_lines(record: dict[str, Any]) -> list[str]:
    """The record of a check for people."""
    lines = []
    for name, facts in record["entities"].items():
        conditions = ", ".join(f"{c}: {n} values" for c, n in facts["conditions"].items())
        lines.append(f"{name}: {facts['pictures']} pictures; {conditions or 'no labels'}")
    if record["pictures_in_no_list"]:
        lines.append(f"left out: {record['pictures_in_no_list']} pictures that stand in no list")
    lines += [f"not as published: {line}" for line in record["differences"]]
    lines += [f"broken: {line}" for line in record["broken"][:_SHOWN]]
    if len(record["broken"]) > _SHOWN:
        lines.append(f"... and {len(record['broken']) - _SHOWN} more")
    lines.append(
        "every picture was decoded" if record["decoded"] else "pictures were hashed and not decoded (--quick)"
    )
    return lines


def _broken(source: ImageSource, progress: Callable[[int], None]) -> list[str]:
    found = []
    for unit in source.units():
        for key, data in source.images(unit):
            try:
                decode_image(data, f"{unit.entity}: {key}")
            except ClayEvalError as error:
                found.append(f"{error.where}: {error.what}" + (f" ({error.found})" if error.found else ""))
            progress(1)
    return found


def _differences(benchmark: str, entity: str, facts: dict[str, Any]) -> list[str]:
    published = BENCHMARKS[benchmark].pictures.get(entity)
    found = []
    if published is not None and published != facts["pictures"]:
        found.append(f"{entity} has {facts['pictures']} pictures, published are {published}")
    for condition, values in BENCHMARKS[benchmark].conditions[entity].items():
        if values is not None and facts["conditions"][condition] != values:
            found.append(
                f"{condition} of {entity} has {facts['conditions'][condition]} values, published are {values}"
            )
    return found


def require_folder(name: str | None, folder: object) -> None:
    """Raise InputError where one of a name and a folder is given without the other."""
    if (name is None) != (folder is None):
        raise InputError(
            "a check needs a name and a folder",
            where="clay-eval datasets",
            expected="NAME FOLDER, or neither",
        )
