"""From numbers to lines: each cell of the paper with ours or the reason why there is none, then ours that it has not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .cells import Measured, mean_of
from .paper import CLIP, GENECIS_ENTITY, MODELS, OWN_ROWS, SIGLIP, PaperCell, paper_cells
from .reproduce import ALONE, COMPARED, FOREIGN, NOT_RUN, UNEXPLAINED, Key, Line, Numbers

OWN = "no_paper_number"
_BENCHMARKS = {
    "stanford40-location-mood": "stanford40 with a location_mood.csv",
    "oxford-pets-cat": "oxford-pets",
    "oxford-pets-dog": "oxford-pets",
    GENECIS_ENTITY: "genecis",
}
_EXAMPLES = {CLIP: "--encoder ViT-B-32-quickgelu:openai", SIGLIP: "--encoder ViT-B-16-SigLIP:webli"}
_SPECS = {
    "GeneCIS": "--encoder GeneCIS=ENCODER --method 'GeneCIS=genecis-combiner(weights=FILE.safetensors)'",
    "GeneCIS-symmetric": "--encoder GeneCIS=ENCODER --method "
    "'GeneCIS-symmetric=genecis-combiner(mode=symmetric, weights=FILE.safetensors)'",
    "InstructBLIP": "--method 'InstructBLIP=instructblip(model=FOLDER)'",
}


def lines(found: Numbers, given: Mapping[str, str]) -> list[Line]:
    """All lines; given: row -> spec, as the user gave them."""
    used: set[tuple[Key, str]] = set()
    paper = [_line(cell, found, given, used) for cell in paper_cells()]
    own = [
        _own(key, one)
        for key, cells in found.measured.items()
        for one in cells
        if (key, one.measure) not in used
    ]
    known = {entity for cell in paper_cells() for entity, _ in cell.parts}
    own += [
        Line(OWN, label, _column(entity, conditions), NOT_RUN, why, method=method)
        for (entity, conditions, label, method), why in found.failed.items()
        if label not in MODELS or entity not in known
    ]
    return [*paper, *own]


def _line(cell: PaperCell, found: Numbers, given: Mapping[str, str], used: set[tuple[Key, str]]) -> Line:
    spec = given.get(cell.row, cell.method)
    line = Line(
        cell.table, cell.row, cell.column, NOT_RUN, paper=cell.value, measure=cell.measure, method=spec or ""
    )
    if spec is None:
        return _not_run(line, _how(cell.row))
    if missing := sorted({_BENCHMARKS.get(e, e) for e, _ in cell.parts if e not in found.entities}):
        return _not_run(line, f"no data: {', '.join(missing)}")
    keys = [_key(entity, conditions, cell, spec, found) for entity, conditions in cell.parts]
    if None in keys:
        failed = [
            found.failed[key]
            for entity, conditions in cell.parts
            for key in found.failed
            if key[:2] == (entity, conditions) and key[3] == spec and key[2] in (cell.model, *found.models)
        ]
        return _not_run(line, failed[0] if failed else _no_model(cell))
    chosen = [key for key in keys if key is not None]
    numbers = [
        next(one for one in found.measured[key] if one.measure == _measure(one, cell)) for key in chosen
    ]
    used |= {(key, one.measure) for key, one in zip(chosen, numbers, strict=True)}
    value, low, high = _mean(numbers)
    if any(entity in found.foreign for entity, _ in cell.parts):
        status, why = FOREIGN, "drawn here after the same design; the paper's number is of its own pictures"
    elif not cell.explained:
        status, why = UNEXPLAINED, "the paper's number is no mean of its single conditions"
    else:
        status, why = COMPARED, ""
    return Line(
        *(cell.table, cell.row, cell.column, status, why),
        encoder=found.models.get(cell.model, chosen[0][2]),
        method=spec,
        measure=numbers[0].measure,
        value=value,
        low=low,
        high=high,
        chance=sum(one.chance for one in numbers) / len(numbers),
        queries=sum(one.queries for one in numbers),
        paper=cell.value,
    )


def _key(entity: str, conditions: tuple[str, ...], cell: PaperCell, spec: str, found: Numbers) -> Key | None:
    """Where the number lies: under the cell's own model, or under any for methods with a model of their own."""
    exact = (entity, conditions, cell.model, spec)
    if exact in found.measured:
        return exact
    if cell.row not in OWN_ROWS or cell.model in found.models:
        return None
    return next((k for k in found.measured if k[:2] == (entity, conditions) and k[3] == spec), None)


def _measure(one: Measured, cell: PaperCell) -> str:
    """The measure of a cell: the one that leads, or the recall that the paper's column names."""
    return cell.measure if one.entity == GENECIS_ENTITY else one.measure


def _mean(numbers: Sequence[Measured]) -> tuple[float, float, float]:
    return mean_of(numbers) if len(numbers) > 1 else (numbers[0].value, numbers[0].low, numbers[0].high)


def _own(key: Key, one: Measured) -> Line:
    entity, conditions, label, method = key
    why = "the paper has no such number" if label in MODELS else f"{label} is none of the paper's models"
    return Line(
        *(OWN, label, _column(entity, conditions), ALONE, why, label, method, one.measure),
        *(one.value, one.low, one.high, None if math.isnan(one.chance) else one.chance, one.queries),
    )


def _column(entity: str, conditions: tuple[str, ...]) -> str:
    return f"{entity}/{'+'.join(conditions)}" if conditions else entity


def _not_run(line: Line, why: str) -> Line:
    return Line(
        line.table,
        line.row,
        line.column,
        NOT_RUN,
        why,
        method=line.method,
        measure=line.measure,
        paper=line.paper,
    )


def _how(row: str) -> str:
    if row in _SPECS:
        return f"{row} needs weights of its own: {_SPECS[row]}"
    return f"{row} is not built here"


def _no_model(cell: PaperCell) -> str:
    if cell.model in _EXAMPLES:
        return f"no encoder that is {cell.model}: {_EXAMPLES[cell.model]}, or {cell.model}=ENCODER for weights of your own"
    return _how(cell.row)
