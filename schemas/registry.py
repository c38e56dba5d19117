"""A table of named things that other packages may add to: what is built in registers itself, plug-ins by entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from .errors import InputError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Name -> thing of one kind, what is built in first, in the order of registration.

    group: the entry points of plug-ins. Each has the name of its thing and stands for the module, or something in it, that
    calls `register` when it is imported, which happens when the thing is asked for. What is built in costs no look at them.
    """

    def __init__(self, what: str, group: str) -> None:
        self.what, self.group = what, group
        self._things: dict[str, T] = {}

    def register(self, name: str, thing: T) -> T:
        """Add `thing` and return it; raises InputError for a name that is taken by something else."""
        if name in self._things and self._things[name] is not thing:
            raise InputError(
                f"a {self.what} of this name is there already",
                where=f"{self.what} {name!r}",
                found=f"{self._things[name]!r} and {thing!r}",
                hint="give it another name",
            )
        self._things[name] = thing
        return thing

    @property
    def registered(self) -> tuple[str, ...]:
        """The names that are known without a look at entry points: all that are built in."""
        return tuple(self._things)

    def __getitem__(self, name: str) -> T:
        """The thing; raises KeyError where there is none, InputError where a plug-in does not keep its promise."""
        if name not in self._things:
            self._import(self._plug_ins[name])
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._things, *(name for name in self._plug_ins if name not in self._things)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @cached_property
    def _plug_ins(self) -> Mapping[str, EntryPoint]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group)}

    def _import(self, point: EntryPoint) -> None:
        where = f"entry point {point.name} = {point.value} in {self.group}"
        try:
            point.load()
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"the {self.what} {point.name!r} of a plug-in cannot be imported",
                where=where,
                found=f"{type(error).__name__}: {error}",
                hint="mend or uninstall the package that brings it",
            ) from error
        if point.name not in self._things:
            raise InputError(
                f"a plug-in brings no {self.what} {point.name!r}", where=where, expected="a call of register"
            )
