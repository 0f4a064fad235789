"""Fields whose value comes in one of several shapes, told apart before any of them reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from buildfarm.recipe.composites import Table, listed
from buildfarm.recipe.diagnostic import suggestion
from buildfarm.recipe.fields import Field, Schema
from buildfarm.recipe.nodes import Kind, ListNode, MapNode, Node, Scalar
from buildfarm.recipe.reading import Reading

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByShape(Generic[T]):
    """A single value, a list, or a table: whichever of the three has a field."""

    single: Field[T] | None = None
    items: Field[T] | None = None
    table: Field[T] | None = None

    @property
    def wanted(self) -> str:
        """All of them."""
        return "; or ".join(field.wanted for field in self._fields())

    def read(self, node: Node, reading: Reading) -> T | None:
        """Read by the field for the node's shape."""
        field = {Scalar: self.single, ListNode: self.items, MapNode: self.table}[type(node)]
        if field is None or (isinstance(node, Scalar) and node.kind is Kind.NULL):
            reading.mismatch(node, self.wanted, listed(node) if self.items else "")
            return None
        return field.read(node, reading)

    def schema(self) -> Schema:
        """``anyOf``."""
        return {"anyOf": [field.schema() for field in self._fields()]}

    def _fields(self) -> list[Field[T]]:
        return [field for field in (self.single, self.items, self.table) if field is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ByKey(Generic[T_co]):
    """One of several tables, told by the first key of each, which no other has."""

    wanted: str
    tables: tuple[Table[T_co], ...]

    def read(self, node: Node, reading: Reading) -> T_co | None:
        """Read by the table whose first key is there."""
        if not isinstance(node, MapNode):
            reading.mismatch(node, self.wanted)
            return None
        chosen = [table for table in self.tables if table.keys[0].name in node]
        if len(chosen) == 1:
            return chosen[0].read(node, reading)
        firsts = [table.keys[0].name for table in self.tables]
        if chosen:
            both = " and ".join(repr(table.keys[0].name) for table in chosen)
            reading.error(
                "conflict", node.start, f"{both} exclude each other; wanted: {self.wanted}", "keep one of them"
            )
        else:
            near = suggestion(node.entries[0][0].text, firsts) if node.entries else ""
            advice = f"{near} one of: {', '.join(firsts)}".strip()
            reading.error("missing-key", node.start, f"this is not {self.wanted}", advice)
        return None

    def schema(self) -> Schema:
        """``anyOf``; each table requires its first key."""
        return {"anyOf": [table.schema() for table in self.tables]}
