"""Methods by their specs: `clay`, `clay(n_components=30, fusion=sum)`, `package.module:Class(depth=2)`.

A spec's canonical form is the method's name everywhere: parameters sorted, numbers as Python writes them. `fusion` says how
several conditions meet (see `fusion`) and is the engine's; all other parameters go to the class.

>>> str(parse_spec("clay( fusion=sum,n_components=30 )"))
'clay(fusion=sum, n_components=30)'
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clay_eval.schemas.errors import InputError
from clay_eval.schemas.reading import is_path

from ...vectors.arrays import FloatArray
from ...vectors.fusion import STACK, check_fusion, fusion_of
from ..images.registry import image_method_names, is_image_method
from .guard import guarded, plug_in_errors
from .importing import import_target
from .protocol import (
    RIVAL,
    Scalar,
    asked_names,
    describe,
    is_ours,
    is_privileged,
    needs_of,
    require_similarity,
    role_of,
    takes_components,
)
from .registry import BUILT_IN, MethodFactory, method_class, method_names, resolve_method

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BARE = r'[^\s,="()][^,="()]*?'
LONGEST_SPEC = 200
_SPEC = re.compile(rf'\s*(?P<name>[A-Za-z_][\w.:-]*)\s*(?:\((?P<parameters>(?:{_QUOTED}|[^()"])*)\)\s*)?')
_PARAMETER = re.compile(rf"\s*(?P<name>[A-Za-z_]\w*)\s*=\s*(?P<value>{_QUOTED}|{_BARE})\s*(?:,(?=\s*\S)|$)")
Features = Callable[[tuple[str, ...]], FloatArray | tuple[FloatArray, FloatArray]]
_WORDS: Mapping[str, Scalar] = {"true": True, "false": False, "none": "none", "null": None}


@dataclass(frozen=True)
class MethodSpec:
    """A method's name or `package.module:Class`, its parameters, and how it joins several conditions.

    fusion: None for the class's own, which is "stack" unless the class says otherwise.
    """

    name: str
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    fusion: str | None = None

    def __str__(self) -> str:
        given = dict(self.parameters) | ({} if self.fusion is None else {"fusion": self.fusion})
        inside = ", ".join(f"{name}={_written(given[name])}" for name in sorted(given))
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True, eq=False)
class Method:
    """What the engine runs: fresh instances by `factory`, conditions joined by `fusion`, `name` for the report.

    asks: what its `fit` asks for beyond features and texts; privileged: whether it sees labels of images; needs: what it
    is told, a name of `protocol.NEEDS`; role, ours: see `protocol.role_of` and `protocol.is_ours`; uses_texts: whether it
    looks at the texts (a class says no by `uses_texts = False`); features: for methods that embed the images anew for each
    set of conditions, conditions -> rows (N, k), or a pair of rows for queries and for the database; then nothing is
    fitted, and `factory` raises InputError. embedder: makes `features` for an entity; identity: what such a method depends
    on; made: an instance, for its parameters.
    """

    name: str
    factory: MethodFactory
    fusion: str = STACK
    asks: tuple[str, ...] = ()
    privileged: bool = False
    target: str = ""
    uses_texts: bool = True
    features: Features | None = None
    embedder: Callable[[str], Features] | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    needs: str = "texts"
    role: str = RIVAL
    ours: bool = False
    made: object = None

    @property
    def parameters(self) -> dict[str, Scalar]:
        """What its class is made with."""
        told = describe(self.factory() if self.made is None else self.made)
        return {name: value for name, value in told.items() if not name.endswith("_")}

    def of_entity(self, name: str) -> Method:
        """The method ready for the images of one entity."""
        return self if self.embedder is None else replace(self, features=self.embedder(name))


def parse_spec(text: str) -> MethodSpec:
    """Read a spec; raises InputError where it cannot be read, names a parameter twice, or an unknown fusion."""
    match = _SPEC.fullmatch(text)
    if match is None:
        raise _unreadable(text)
    inside = match["parameters"] or ""
    parameters: dict[str, Scalar] = {}
    place = len(inside) if not inside.strip() else 0
    while place < len(inside):
        found = _PARAMETER.match(inside, place)
        if found is None or found["name"] in parameters:
            raise _unreadable(text)
        parameters[found["name"]] = _value(found["value"], text)
        place = found.end()
    fusion = parameters.pop("fusion", None)
    if fusion is not None:
        check_fusion(str(fusion))
    usual = fusion == STACK and _own_fusion(match["name"]) == STACK
    return MethodSpec(match["name"], parameters, None if fusion is None or usual else str(fusion))


def prepare_methods(
    specs: Iterable[str],
    n_components: int | None = None,
    images: Callable[[MethodSpec], Method] | None = None,
) -> list[Method]:
    """Return the method of each spec, in order, each once; classes are imported here.

    n_components: of the methods that take it from the user's settings (`protocol.takes_components`), where a spec gives
    none; images: prepares methods that embed pictures, see `reencoding.image_methods`.

    Raises InputError for specs that cannot be read, unknown methods, and parameters that a class does not take.
    """
    methods: dict[str, Method] = {}
    for text in specs:
        spec = parse_spec(text)
        if len(str(spec)) > LONGEST_SPEC:
            raise InputError(
                "a method's spec is too long",
                where=f"--method {text[:80]}...",
                expected=f"at most {LONGEST_SPEC} characters",
                found=len(str(spec)),
                hint="link files to shorter paths",
            )
        if not reencodes(spec.name):
            methods.setdefault(str(spec), _prepare(spec, n_components))
        elif images is None:
            raise InputError(f"{spec.name} embeds pictures, and there are none here", where=str(spec))
        elif str(spec) not in methods:
            with plug_in_errors(spec.name, "when it was made"):
                methods[str(spec)] = images(spec)
    return list(methods.values())


def uses_texts(methods: Iterable[Method]) -> bool:
    """Whether any of `methods` looks at texts."""
    return any(method.uses_texts for method in methods)


def reencodes(name: str) -> bool:
    """Whether a method embeds the pictures anew for every set of conditions; `package.module:Class` is imported."""
    if ":" not in name:
        return name not in BUILT_IN and name in image_method_names()
    with plug_in_errors(name, "when it was imported"):
        return is_image_method(import_target(name))


def _prepare(spec: MethodSpec, n_components: int | None) -> Method:
    parameters = dict(spec.parameters)
    with plug_in_errors(spec.name, "when it was imported"):
        if n_components is not None and takes_components(method_class(spec.name)):
            parameters.setdefault("n_components", n_components)
        _, factory = resolve_method(spec.name, **parameters)
    with plug_in_errors(spec.name, "when it was made"):
        instance = factory()
    require_similarity(instance)
    if spec.name not in BUILT_IN:
        factory = guarded(str(spec), factory)
    return Method(
        str(spec),
        factory,
        spec.fusion or fusion_of(instance),
        asked_names(instance),
        is_privileged(instance),
        f"{type(instance).__module__}:{type(instance).__qualname__}",
        bool(getattr(instance, "uses_texts", True)),
        identity=dict(getattr(instance, "identity", {})),
        needs=needs_of(instance),
        role=role_of(instance),
        ours=is_ours(instance),
        made=instance,
    )


def _own_fusion(name: str) -> str:
    """How a method joins conditions where the user does not say; "stack" for what cannot be imported."""
    target = name if ":" in name else method_names().get(name)
    try:
        return STACK if target is None else fusion_of(import_target(target))
    except InputError:
        return STACK


def _value(written: str, spec: str) -> Scalar:
    if written.startswith('"'):
        try:
            return str(json.loads(written))
        except ValueError as error:
            raise _unreadable(spec) from error
    if written.lower() in _WORDS:
        return _WORDS[written.lower()]
    for kind in (int, float):
        try:
            return kind(written)
        except ValueError:
            continue
    return written


def _written(value: Scalar) -> str:
    """So that it reads back as it is: text that could be taken for something else goes into quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if not isinstance(value, str):
        return repr(value)
    plain = re.fullmatch(_BARE, value) is not None and value == value.strip() and _value(value, "") == value
    return value if plain else json.dumps(value)


def _unreadable(text: str) -> InputError:
    name = text.partition("(")[0].strip()
    if is_path(name):
        there = Path(name.partition(":")[0]).exists()
        return InputError(
            "a method is named by its module, not by a file" if there else "no such file",
            where=f"--method {name}",
            expected="NAME, or package.module:Class",
            hint="PYTHONPATH=FOLDER clay-eval ... --method MODULE:CLASS",
        )
    return InputError(
        "cannot read this method",
        where="--method",
        expected="NAME, NAME(parameter=value, ...), or package.module:Class(parameter=value)",
        found=repr(text),
        hint="text with commas or brackets goes into double quotes; "
        "in a shell, put all of it into quotes: --method 'clay(n_components=30)'",
    )
