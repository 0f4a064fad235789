"""Nodes: the tree of a file, each value with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from buildfarm.recipe.diagnostic import Span


class Kind(StrEnum):
    """What YAML 1.1 makes of a scalar. ``BROKEN`` has its diagnostic already."""

    TEXT = "text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    BOOLEAN = "a truth value"
    DATE = "a date"
    NULL = "no value"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value, its text unchanged. ``inner``: how far into the span the text stands as it is; None if it does not."""

    span: Span
    text: str
    kind: Kind = Kind.TEXT
    inner: int | None = None

    def part(self, start: int, length: int) -> Span:
        """The place of a piece of the text; of the whole scalar where the file spells it otherwise."""
        if self.inner is None:
            return self.span
        return replace(self.span, column=self.span.column + self.inner + start, length=length)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNode:
    """A sequence."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNode:
    """A mapping, in the order of the file; its keys differ."""

    span: Span
    entries: tuple[tuple[Scalar, Node], ...]

    def __contains__(self, key: str) -> bool:
        return any(name.text == key for name, _ in self.entries)

    def get(self, key: str) -> Node | None:
        """The value of the key, or None."""
        return next((value for name, value in self.entries if name.text == key), None)

    def scalars(self, *keys: str) -> Iterator[Scalar]:
        """The single values of the keys: the value itself, the items of a list, the values of a mapping."""
        for key in keys:
            below = self.get(key)
            children: Iterable[Node] = () if below is None else (below,)
            if isinstance(below, ListNode):
                children = below.items
            elif isinstance(below, MapNode):
                children = (value for _, value in below.entries)
            yield from (child for child in children if isinstance(child, Scalar))

    @property
    def start(self) -> Span:
        """Where to point for what the mapping lacks: its first key, or its braces."""
        return self.entries[0][0].span if self.entries else self.span


Node = Scalar | ListNode | MapNode


def spans_of(node: Node, path: str = "") -> Iterator[tuple[str, Span]]:
    """The place of every value by its path, such as ``build.requires.add[0]``."""
    if path:
        yield path, node.span
    if isinstance(node, ListNode):
        for number, item in enumerate(node.items):
            yield from spans_of(item, f"{path}[{number}]")
    if isinstance(node, MapNode):
        for name, value in node.entries:
            yield from spans_of(value, f"{path}.{name.text}" if path else name.text)
