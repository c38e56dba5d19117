"""Entity specs: the attributes pictures are labelled with, their values, and the combinations that contradict."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from .errors import InputError
from .fingerprint import fingerprint
from .validate import check, parse_json, read_text
from .words import case_twins, nfc

RESERVED = ("key", "entity", "shard", "image", "image_key", "image_sha256", "record_sha256")
"""Columns of labels.csv, labels.parquet and croissant.json of every entity; no attribute may be called so."""


@dataclass(frozen=True)
class Value:
    """A value's name (the label) and how it is said in a prompt."""

    name: str
    phrase: str


@dataclass(frozen=True)
class Attribute:
    """An attribute; with a `parent`, the values that exist depend on the parent's value.

    `choices` maps a parent's value (None without a parent) to the values that are possible under it.
    """

    name: str
    title: str
    parent: str | None
    choices: Mapping[str | None, tuple[Value, ...]]

    @property
    def values(self) -> tuple[str, ...]:
        """Names of all values under any parent, in order of appearance, each once."""
        return tuple(dict.fromkeys(value.name for group in self.choices.values() for value in group))

    def phrase(self, name: str, parent_value: str | None = None) -> str:
        """How the value `name` is said in a prompt."""
        group = self.choices[parent_value if self.parent else None]
        return next(value.phrase for value in group if value.name == name)


@dataclass(frozen=True)
class Exclusion:
    """What contradicts: each named attribute takes one of the listed values.

    Core attributes alone: the combination is not drawn. With diversity attributes: what its core part names is drawn with
    other diversity values.
    """

    when: Mapping[str, frozenset[str]]
    reason: str


@dataclass(frozen=True)
class EntitySpec:
    """A checked entity spec; `record` is the JSON it was read from, `fingerprint` its identity, `source` its place.

    `prompts` are the phrasings of the prompt, one at least; each names every core attribute.
    """

    entity: str
    title: str
    attributes: tuple[Attribute, ...]
    diversity: tuple[Attribute, ...]
    exclusions: tuple[Exclusion, ...]
    prompts: tuple[str, ...]
    negative_prompt: str
    images_per_combination: int
    record: Mapping[str, Any]
    source: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal sha256 of the spec's canonical JSON."""
        return fingerprint(self.record)

    @property
    def core_names(self) -> frozenset[str]:
        """Names of the core attributes."""
        return frozenset(a.name for a in self.attributes)

    @property
    def parents(self) -> dict[str, str]:
        """Attribute -> the attribute it depends on, for those that depend on one."""
        return {a.name: a.parent for a in self.attributes if a.parent is not None}

    def ordered(self) -> tuple[Attribute, ...]:
        """The core attributes, parents before children."""
        done: dict[str, Attribute] = {}
        pending = list(self.attributes)
        while pending:
            ready = [a for a in pending if a.parent is None or a.parent in done]
            done.update((a.name, a) for a in ready)
            pending = [a for a in pending if a.name not in done]
        return tuple(done.values())


def _values(items: list[Any], where: str) -> tuple[Value, ...]:
    values = tuple(
        Value(nfc(item), item)
        if isinstance(item, str)
        else Value(nfc(item["name"]), item.get("phrase", item["name"]))
        for item in items
    )
    times = Counter(value.name for value in values)
    twice = next((name for name, count in times.items() if count > 1), None)
    if twice is not None:
        raise InputError(
            "a value stands twice in one list", where=where, expected="every value once", found=repr(twice)
        )
    return values


def _require_distinct(names: Iterable[str], where: str) -> None:
    """Raise InputError for names that are equal but for case: people, and texts, do not tell them apart."""
    if twins := case_twins(names):
        raise InputError(
            "values that differ in case only",
            where=where,
            expected="values that differ in more than upper and lower case",
            found=", ".join(map(repr, twins[0])),
            hint="write them alike if they mean the same, or name the difference",
        )


def _attribute(record: Mapping[str, Any], where: str) -> Attribute:
    groups: dict[str | None, tuple[Value, ...]]
    if "values" in record:
        groups = {None: _values(record["values"], f"{where}.values")}
    else:
        listed = {nfc(parent): items for parent, items in record["values_by_parent"].items()}
        if len(listed) < len(record["values_by_parent"]):
            raise InputError(
                "a parent's value stands twice, in two Unicode forms",
                where=f"{where}.values_by_parent",
                expected="every value once",
                found=", ".join(map(ascii, record["values_by_parent"])),
            )
        groups = {
            parent: _values(items, f"{where}.values_by_parent[{parent!r}]")
            for parent, items in listed.items()
        }
    attribute = Attribute(record["name"], record.get("title", record["name"]), record.get("parent"), groups)
    _require_distinct(attribute.values, where)
    return attribute


def parse_entity(record: dict[str, Any], where: str | Path) -> EntitySpec:
    """Check `record` against the schema and its own sense; raise InputError with the place that is wrong."""
    check(record, "entity-spec", where)
    spec = EntitySpec(
        entity=record["entity"],
        title=record.get("title", record["entity"]),
        attributes=tuple(
            _attribute(a, f"{where} at $.attributes[{i}]") for i, a in enumerate(record["attributes"])
        ),
        diversity=tuple(
            _attribute(a, f"{where} at $.diversity[{i}]") for i, a in enumerate(record.get("diversity", []))
        ),
        exclusions=tuple(
            Exclusion({name: frozenset(map(nfc, values)) for name, values in e["when"].items()}, e["reason"])
            for e in record.get("exclusions", [])
        ),
        prompts=(record["prompt"],) if isinstance(record["prompt"], str) else tuple(record["prompt"]),
        negative_prompt=record.get("negative_prompt", ""),
        images_per_combination=record["images_per_combination"],
        record=record,
        source=str(where),
    )
    for problem in _problems(spec, where):
        raise problem
    return spec


def _problems(spec: EntitySpec, where: str | Path) -> Iterator[InputError]:
    """The ways in which a spec that fits the schema still makes no sense, in order of how basic they are."""
    names = [a.name for a in (*spec.attributes, *spec.diversity)]
    times = Counter(names)
    core = {a.name: a for a in spec.attributes}
    known = {a.name: a.values for a in (*spec.attributes, *spec.diversity)}
    for field_name, attributes in (("attributes", spec.attributes), ("diversity", spec.diversity)):
        for i, attribute in enumerate(attributes):
            at = f"{where} at $.{field_name}[{i}].name"
            if times[attribute.name] > 1:
                yield InputError(
                    "two attributes have the same name",
                    where=at,
                    expected="a name of its own",
                    found=repr(attribute.name),
                )
            if attribute.name in RESERVED:
                yield InputError(
                    "an attribute has a reserved name",
                    where=at,
                    expected=f"none of {list(RESERVED)}",
                    found=repr(attribute.name),
                )
    for i, attribute in enumerate(spec.attributes):
        at = f"{where} at $.attributes[{i}]"
        if attribute.parent is None:
            continue
        if attribute.parent not in core:
            yield InputError(
                f"the parent of {attribute.name!r} is not a core attribute",
                where=f"{at}.parent",
                expected=f"one of {sorted(core)}",
                found=repr(attribute.parent),
            )
            return
        seen: list[str] = [attribute.name]
        step: str | None = attribute.parent
        while step is not None and step in core:
            if step in seen:
                yield InputError(
                    "attributes depend on each other in a circle",
                    where=f"{at}.parent",
                    expected="an attribute that does not depend on this one",
                    found=" -> ".join([*seen, step]),
                )
                return
            seen.append(step)
            step = core[step].parent
    places = {attribute.name: i for i, attribute in enumerate(spec.attributes)}
    for attribute in spec.ordered():
        if attribute.parent is None:
            continue
        at = f"{where} at $.attributes[{places[attribute.name]}]"
        for value in attribute.choices:
            if value not in known[attribute.parent]:
                yield InputError(
                    f"{attribute.name!r} lists values for an unknown value of its parent",
                    where=f"{at}.values_by_parent",
                    expected=f"one of {list(core[attribute.parent].values)}",
                    found=repr(value),
                )
        for value in core[attribute.parent].values:
            if value not in attribute.choices:
                yield InputError(
                    f"{attribute.name!r} has no values for a value of its parent",
                    where=f"{at}.values_by_parent",
                    expected=f"values for {value!r}",
                    found=f"values for {sorted(map(str, attribute.choices))}",
                )
    for i, exclusion in enumerate(spec.exclusions):
        for name, values in exclusion.when.items():
            at = f"{where} at $.exclusions[{i}].when"
            if name not in known:
                yield InputError(
                    "an exclusion names no core attribute and no diversity attribute",
                    where=at,
                    expected=f"some of {names}",
                    found=repr(name),
                )
            elif unknown := sorted(values.difference(known[name])):
                yield InputError(
                    f"an exclusion names values that {name!r} does not have",
                    where=f"{at}.{name}",
                    expected=f"some of {list(known[name])}",
                    found=unknown,
                )
    yield from _prompt_problems(spec, names, where)


def _prompt_problems(spec: EntitySpec, names: list[str], where: str | Path) -> Iterator[InputError]:
    single = isinstance(spec.record["prompt"], str)
    places = ["$.prompt" if single else f"$.prompt[{i}]" for i in range(len(spec.prompts))]
    templates = [*zip(places, spec.prompts, strict=True), ("$.negative_prompt", spec.negative_prompt)]
    for place, text in templates:
        try:
            fields = [part for part in string.Formatter().parse(text) if part[1] is not None]
        except ValueError as error:
            yield InputError(
                "the template has unbalanced braces",
                where=f"{where} at {place}",
                expected="{attribute}; a brace that is meant is doubled",
                found=f"{text!r} ({error})",
            )
            return
        for _, name, format_spec, conversion in fields:
            if name not in names or format_spec or conversion:
                yield InputError(
                    "the template names something that is not an attribute",
                    where=f"{where} at {place}",
                    expected=f"some of {names}",
                    found="{" + str(name) + "}",
                )
        if place == "$.negative_prompt":
            continue
        clear = _told({str(name) for _, name, _, _ in fields}, spec)
        for attribute in spec.attributes:
            if attribute.name not in clear:
                yield InputError(
                    "the prompt does not say a core attribute, so pictures could not match their labels",
                    where=f"{where} at {place}",
                    expected="{" + attribute.name + "}, or a child of it whose phrases tell its values apart",
                    found=repr(text),
                )


def _told(said: Collection[str], spec: EntitySpec) -> set[str]:
    """The core attributes whose values a template tells that holds the fields `said`."""
    clear = {a.name for a in spec.attributes if a.name in said}
    for attribute in reversed(spec.ordered()):
        phrases = [value.phrase for group in attribute.choices.values() for value in group]
        if attribute.parent and attribute.name in clear and len(set(phrases)) == len(phrases):
            clear.add(attribute.parent)
    return clear


def shipped_entities() -> list[str]:
    """Names of the entity specs that come with the package."""
    folder = resources.files("clay_eval.data.entities")
    return sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json"))


def load_entity(name_or_path: str | Path) -> EntitySpec:
    """Read a shipped entity spec by name, or one from a file.

    Raises InputError if there is none, or for the first thing that is wrong in it.
    """
    name = str(name_or_path)
    if name in shipped_entities():
        text = resources.files("clay_eval.data.entities").joinpath(f"{name}.json").read_text("utf-8")
        return parse_entity(parse_json(text, name), name)
    path = Path(name_or_path)
    if not path.exists() and path.suffix != ".json":
        raise InputError(
            "no such entity", where=name, expected=f"a path of a JSON file, or one of {shipped_entities()}"
        )
    record = parse_json(read_text(path), path)
    return parse_entity(record, path)
