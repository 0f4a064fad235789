"""Fields made of fields: lists, maps, and tables with known keys. All of one is read, whatever is wrong with a part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from buildfarm.recipe.fields import Field, Schema
from buildfarm.recipe.nodes import Kind, ListNode, MapNode, Node, Scalar
from buildfarm.recipe.reading import Reading

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list; all items are read, whatever is wrong with one. A text that comes again is told, unless ``repeats``."""

    item: Field[T]
    repeats: bool = False

    @property
    def wanted(self) -> str:
        """With its item."""
        return f"a list, each item {self.item.wanted}"

    def read(self, node: Node, reading: Reading) -> tuple[T, ...] | None:
        """The items."""
        if not isinstance(node, ListNode):
            reading.mismatch(node, self.wanted, listed(node))
            return None
        values = [self.item.read(item, reading) for item in node.items]
        if not self.repeats:
            _tell_repeats(node, values, reading)
        known = tuple(value for value in values if value is not None)
        return known if len(known) == len(values) else None

    def schema(self) -> Schema:
        """``array``."""
        return {"type": "array", "items": self.item.schema()}


def _tell_repeats(node: ListNode, values: list[Any], reading: Reading) -> None:
    seen: set[str] = set()
    for item, value in zip(node.items, values, strict=True):
        if isinstance(value, str) and value in seen:
            reading.warn("duplicate", item.span, f"{value!r} is in this list already", "leave one out")
        elif isinstance(value, str):
            seen.add(value)


def listed(node: Node) -> str:
    """How to write one value as the list that was wanted; empty where it is no text or number."""
    if isinstance(node, Scalar) and node.kind in (Kind.TEXT, Kind.WHOLE, Kind.NUMBER):
        return f'write ["{node.text}"]'
    return ""


@dataclass(frozen=True, slots=True)
class Single(Generic[T]):
    """One value that stands for a list of one."""

    item: Field[T]

    @property
    def wanted(self) -> str:
        """The item's."""
        return self.item.wanted

    def read(self, node: Node, reading: Reading) -> tuple[T, ...] | None:
        """A tuple of one."""
        value = self.item.read(node, reading)
        return None if value is None else (value,)

    def schema(self) -> Schema:
        """The item's."""
        return self.item.schema()


@dataclass(frozen=True, slots=True)
class MapOf(Generic[T]):
    """A table whose keys the author chooses, within what ``key`` admits."""

    key: Field[str]
    item: Field[T]
    example: str = ""

    @property
    def wanted(self) -> str:
        """With its key and its item."""
        return f"a table from {self.key.wanted} to {self.item.wanted}"

    def read(self, node: Node, reading: Reading) -> Mapping[str, T] | None:
        """The items by key; keys that come to the same (``Foo``, ``foo`` as project names) are an error."""
        if not isinstance(node, MapNode):
            reading.mismatch(node, self.wanted, self.example and f"for example: {self.example}")
            return None
        values: dict[str, T] = {}
        for name, item in node.entries:
            key, value = self.key.read(name, reading), self.item.read(item, reading)
            if key in values:
                message = f"{name.text!r} is there already, spelt otherwise"
                reading.error("duplicate-key", name.span, message, "put both into one")
            elif key is not None and value is not None:
                values[key] = value
        return values if len(values) == len(node.entries) else None

    def schema(self) -> Schema:
        """``object`` with ``propertyNames``."""
        return {"type": "object", "propertyNames": self.key.schema(), "additionalProperties": self.item.schema()}


@dataclass(frozen=True, slots=True)
class Key:
    """One row of a table: its name, its field, what it is about, and the argument it becomes (its name by default)."""

    name: str
    field: Field[Any]
    about: str = ""
    into: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[T_co]):
    """A table with known keys, which become the arguments of ``make``. ``checks`` tell what no key can know alone,
    ``instead`` what to write in place of a key that is unknown here (empty: what is near).
    """

    wanted: str
    make: Callable[..., T_co]
    keys: tuple[Key, ...]
    required: tuple[str, ...] = ()
    checks: tuple[Callable[[MapNode, Reading], None], ...] = ()
    instead: Callable[[str, MapNode], str] = lambda _key, _node: ""
    _by_name: Mapping[str, Key] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {key.name: key for key in self.keys})

    def read(self, node: Node, reading: Reading) -> T_co | None:
        """What ``make`` makes of the keys written; the others keep its defaults."""
        if not isinstance(node, MapNode):
            reading.mismatch(node, f"{self.wanted}, a table of keys", _colon(node) or self._only(node))
            return None
        errors = reading.errors
        written = self.parts(node, reading)
        broken = reading.errors > errors or any(value is None for value in written.values())
        return None if broken else self.make(**written)

    def parts(self, node: MapNode, reading: Reading) -> dict[str, Any]:
        """The arguments for ``make`` that were written; None for those that are wrong."""
        written: dict[str, Any] = {}
        for name, value in node.entries:
            if (key := self._by_name.get(name.text)) is None:
                reading.unknown(name, self.wanted, self._by_name, self.instead(name.text, node))
                continue
            written[key.into or key.name] = key.field.read(value, reading)
        for missing in (name for name in self.required if name not in node):
            wanted = self._by_name[missing].field.wanted
            reading.error("missing-key", node.start, f"{self.wanted} needs {missing!r}", f"{missing}: {wanted}")
        for check in self.checks:
            check(node, reading)
        return written

    def _only(self, node: Node) -> str:
        """How to write a word as the table of which it is surely the one required key."""
        word = node.text if isinstance(node, Scalar) and node.kind is Kind.TEXT else ""
        return f"write {{{self.required[0]}: {word}}}" if word and len(self.required) == 1 else ""

    def schema(self) -> Schema:
        """``object`` without other properties."""
        about = {key.name: {"description": key.about} if key.about else {} for key in self.keys}
        return {
            "type": "object",
            "properties": {key.name: {**key.field.schema(), **about[key.name]} for key in self.keys},
            "required": list(self.required),
            "additionalProperties": False,
        }


def _colon(node: Node) -> str:
    """What to do where a text looks like a key and its value with nothing between them."""
    key, colon, value = node.text.partition(":") if isinstance(node, Scalar) else ("", "", "")
    return f"a colon is followed by a space: '{key}: {value}'" if colon and key and value else ""
