"""From NAME:FOLDER to labelled pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.manifest import MANIFEST

from ..folders import open_folder
from ..labelled import ImageSource
from ..notes import said
from .benchmark import Benchmark, Listing
from .catalogue import BENCHMARKS, PAPER_SETS, data_names
from .hugging_face import HuggingFaceSource
from .naming import HUGGING_FACE, DataName, known_name
from .source import BenchmarkSource


def open_benchmark(
    data: DataName,
    entity: str | None = None,
    parents: Mapping[str, str] | None = None,
    conditions: Sequence[str] | None = None,
) -> ImageSource:
    """Open a benchmark; `entity` and `conditions` choose some of what it has, None all of it.

    For a data set of Hugging Face they are as in `open_folder`: a name of one's own, and columns.

    Raises InputError for a name, tag, entity or condition that there is not, parents of a benchmark's conditions, and
    whatever is wrong in the folder.
    """
    name = known_name(data.name, data_names())
    if name in PAPER_SETS:
        return _of_the_paper(name, data, entity, conditions)
    if name == HUGGING_FACE:
        return said(HuggingFaceSource(data.folder, entity, conditions, data.tags, parents))
    benchmark = BENCHMARKS[name]
    if parents:
        raise InputError(
            "the conditions of a benchmark have no parents", where="--parent", found=dict(parents)
        )
    listing = listed(benchmark, data)
    if entity is not None:
        if entity not in listing.entities:
            raise InputError(
                "no such entity", where="--entity", expected=list(listing.entities), found=repr(entity)
            )
        listing = replace(listing, entities={entity: listing.entities[entity]})
    if conditions is not None:
        listing = _with_conditions(listing, conditions)
    return said(BenchmarkSource(name, listing, conditions, data.tags))


def _of_the_paper(
    name: str, data: DataName, entity: str | None, conditions: Sequence[str] | None
) -> ImageSource:
    if entity not in (None, name) or data.tags:
        raise InputError(
            "no such part", where=f"--data {name}", expected=f"{name}:FOLDER", found=entity or data.tags
        )
    if any((place / MANIFEST).is_file() for place in (data.folder, data.folder / "shards")):
        return open_folder(data.folder, name, None, conditions)
    return open_folder(data.folder, name, PAPER_SETS[name], conditions)


def listed(benchmark: Benchmark, data: DataName) -> Listing:
    """What the benchmark's lists say, pictures of the asked tags only; no picture is read."""
    listing = benchmark.read(benchmark, data.folder)
    if not data.tags:
        return listing
    if unknown := sorted(set(data.tags) - set(benchmark.tags)):
        raise InputError(
            "no such part",
            where=f"--data {data.name}@{'+'.join(data.tags)}",
            expected=list(benchmark.tags) or "no @ at all",
            found=unknown,
        )
    chosen = {
        name: [picture for picture in group if picture.tags.issuperset(data.tags)]
        for name, group in listing.entities.items()
    }
    kept = {name: group for name, group in chosen.items() if group}
    if not kept:
        raise InputError("no picture is in this part", where=data.folder, found="+".join(data.tags))
    return replace(listing, entities=kept)


def _with_conditions(listing: Listing, conditions: Sequence[str]) -> Listing:
    known = {name: set(group[0].labels) for name, group in listing.entities.items()}
    if unknown := sorted(set(conditions) - set().union(*known.values())):
        raise InputError(
            "no such condition",
            where="--condition",
            expected=sorted(set().union(*known.values())),
            found=unknown,
        )
    kept = {name: group for name, group in listing.entities.items() if known[name] & set(conditions)}
    return replace(listing, entities=kept)
