"""One reading of one file: what was found wrong so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from buildfarm.model.url import redacted
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, suggestion
from buildfarm.recipe.nodes import Kind, ListNode, Node, Scalar

MOST = 100  # errors; nobody reads more, and a hostile file shall not make us write them


class Reading:
    """Collects what fields tell while they read. ``homes``: the tables that a key belongs to, by the key's name."""

    def __init__(self, file: str, homes: Mapping[str, Collection[str]] | None = None) -> None:
        self.file = file
        self.homes = homes or {}
        self.diagnostics: list[Diagnostic] = []
        self.errors = 0

    @property
    def full(self) -> bool:
        """Whether no further error is kept, so that looking for one is in vain."""
        return self.errors >= MOST

    def error(self, code: str, span: Span, message: str, advice: str = "") -> None:
        """Something is wrong; the file gives no recipe."""
        if not self.full:
            self._add(Severity.ERROR, code, span, message, advice)
        self.errors += 1

    def warn(self, code: str, span: Span, message: str, advice: str = "") -> None:
        """Something is legal and surely not meant."""
        if len(self.diagnostics) < MOST:
            self._add(Severity.WARNING, code, span, message, advice)

    def mismatch(self, node: Node, wanted: str, advice: str = "") -> None:
        """The node is not of the type that is wanted (``a version``). A broken node was told before."""
        if not isinstance(node, Scalar):
            found = "a list" if isinstance(node, ListNode) else "a table of keys"
            self.error("type", node.span, f"this is {found}; wanted: {wanted}", advice)
        elif node.kind is Kind.NULL:
            advice = advice or "write one, or leave the key out"
            self.error("no-value", node.span, f"there is no value; wanted: {wanted}", advice)
        elif node.kind is not Kind.BROKEN:
            self.error("type", node.span, f"{node.text!r} is {node.kind}; wanted: {wanted}", advice)

    def unknown(self, key: Scalar, where: str, allowed: Collection[str], instead: str = "") -> None:
        """The key is none of those that ``where`` (``a recipe``) can have; ``instead`` is what to do, if known."""
        name, colon, value = key.text.partition(":")
        if colon and value and name in allowed:
            near = f"a colon is followed by a space: '{name}: {value}'."
        elif homes := self.homes.get(key.text):
            near = f"it is a key of {', '.join(homes)}."
        else:
            near = "" if self.full else suggestion(key.text, allowed)
        advice = f"{instead or near} keys here: {', '.join(allowed)}".strip()
        self.error("unknown-key", key.span, f"{key.text!r} is no key of {where}", advice)

    def _add(self, severity: Severity, code: str, span: Span, message: str, advice: str) -> None:
        said, advised = redacted(message), redacted(advice)
        diagnostic = Diagnostic(severity=severity, code=code, message=said, file=self.file, span=span, help=advised)
        self.diagnostics.append(diagnostic)
