"""Fields: small values that read a node, tell everything that is wrong with it, and know their own JSON Schema.

``read`` answers None exactly when something is wrong with the node, and that was told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from buildfarm.recipe.diagnostic import suggestion
from buildfarm.recipe.nodes import Kind, Node, Scalar
from buildfarm.recipe.reading import Reading

Schema = dict[str, Any]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LONGEST_GUESS = 200  # characters
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")


class Field(Protocol[T_co]):
    """One kind of value. ``wanted`` names it for people, with its article: ``a version``."""

    @property
    def wanted(self) -> str:
        """What a person would call it."""

    def read(self, node: Node, reading: Reading) -> T_co | None:
        """The value of the node, or None when ``reading`` was told why not."""

    def schema(self) -> Schema:
        """A JSON Schema (2020-12) that admits whatever ``read`` admits."""


class Wrong(ValueError):
    """A text is not what it should be: a message for a person, what would be right, and which piece of it is wrong
    (start and length; None: all of it).
    """

    def __init__(self, message: str, advice: str = "", piece: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.piece = piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Generic[T]):
    """Text that ``pattern`` (if any) matches whole, and that ``make`` turns into the value or raises ``Wrong``.

    ``shape`` is the pattern for the JSON Schema where ``make`` has more to say than that it does not match.
    ``guess`` turns a near miss into what was probably meant; it is offered only where it would be taken.
    """

    wanted: str
    make: Callable[[str], T]
    pattern: str = ""
    example: str = ""
    advice: str = ""
    shape: str = ""
    guess: Callable[[str], str] | None = None

    def read(self, node: Node, reading: Reading) -> T | None:
        """The text's value; a bare number or truth value is told to be quoted."""
        if reading.full:
            return None
        if not isinstance(node, Scalar) or node.kind in (Kind.NULL, Kind.BROKEN):
            reading.mismatch(node, self.wanted, self._advice)
            return None
        try:
            value = self.value(node.text)
        except Wrong as wrong:
            span = node.part(*wrong.piece) if wrong.piece else node.span
            reading.error("value", span, str(wrong), wrong.advice)
            return None
        if node.kind is not Kind.TEXT:
            message = f"{node.text} without quotes is {node.kind} to YAML; wanted: {self.wanted}"
            reading.error("quote", node.span, message, f'write "{node.text}"')
            return None
        return value

    def value(self, text: str) -> T:
        """The value of a text; raises ``Wrong``."""
        try:
            return self._made(text)
        except Wrong as wrong:
            raise Wrong(str(wrong), self._meant(text) or wrong.advice, wrong.piece) from None

    def _made(self, text: str) -> T:
        if "\0" in text or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise Wrong(f"{text!r} is not {self.wanted}", self._advice)
        return self.make(text)

    def schema(self) -> Schema:
        """``string``, with the pattern anchored."""
        shape = self.pattern or self.shape
        pattern = {"pattern": f"^(?:{shape})$"} if shape else {}
        examples = {"examples": [self.example]} if self.example else {}
        return {"type": "string", **pattern, **examples}

    def _meant(self, text: str) -> str:
        meant = self.guess(text) if self.guess and len(text) < _LONGEST_GUESS else text
        if meant == text:
            return ""
        try:
            self._made(meant)
        except Wrong:
            return ""
        return f"did you mean {meant!r}?"

    @property
    def _advice(self) -> str:
        return self.advice or (f"for example: {self.example}" if self.example else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words. ``called`` names them for people where they are too many to be listed."""

    words: tuple[str, ...]
    called: str = ""

    @property
    def wanted(self) -> str:
        """The words, or their name."""
        return self.called or " or ".join(self.words)

    def read(self, node: Node, reading: Reading) -> str | None:
        """The word."""
        if not isinstance(node, Scalar) or node.kind is not Kind.TEXT:
            reading.mismatch(node, self.wanted)
        elif node.text in self.words:
            return node.text
        else:
            message = f"{node.text!r} is not possible here; wanted: {self.wanted}"
            if self.called:
                message = f"{node.text!r} is not {self.called}"
            listed = f"one of: {', '.join(self.words)}" if self.called else ""
            reading.error("value", node.span, message, f"{suggestion(node.text, self.words)} {listed}".strip())
        return None

    def schema(self) -> Schema:
        """``enum``."""
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Number:
    """A plain decimal number, ``integer`` or ``number`` as JSON Schema calls it, from ``least`` up to nine digits."""

    type: str
    least: float

    @property
    def wanted(self) -> str:
        """With its lower bound."""
        return f"{'a whole number' if self.type == 'integer' else 'a number'}, at least {self.least}"

    def read(self, node: Node, reading: Reading) -> float | None:
        """The number."""
        kinds = (Kind.WHOLE,) if self.type == "integer" else (Kind.WHOLE, Kind.NUMBER)
        if not isinstance(node, Scalar) or node.kind not in kinds:
            number = node.text if isinstance(node, Scalar) and _DECIMAL.fullmatch(node.text) else self.least
            reading.mismatch(node, self.wanted, f"write {number}, without quotes")
            return None
        if not _DECIMAL.fullmatch(node.text) or float(node.text) < self.least:
            message = f"{node.text} is not possible here; wanted: {self.wanted}"
            reading.error("value", node.span, message, f"for example: {self.least}")
            return None
        return int(node.text) if node.kind is Kind.WHOLE else float(node.text)

    def schema(self) -> Schema:
        """``integer`` or ``number`` with its bounds."""
        return {"type": self.type, "minimum": self.least, "maximum": 10**9}


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false, in no other spelling."""

    wanted: str = "true or false"

    def read(self, node: Node, reading: Reading) -> bool | None:
        """The truth value; ``yes`` is another language version's spelling and refused."""
        if isinstance(node, Scalar) and node.kind is Kind.BOOLEAN and node.text in ("true", "false"):
            return node.text == "true"
        reading.mismatch(node, self.wanted, "write true or false")
        return None

    def schema(self) -> Schema:
        """``boolean``."""
        return {"type": "boolean"}
