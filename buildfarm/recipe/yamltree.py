"""YAML text to a tree of nodes that remember their place.

Only the plain part of YAML is taken: one document, no anchors, aliases or tags, no key twice. Built from parser events,
so that hostile nesting costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml
from yaml.resolver import Resolver

from buildfarm.recipe.diagnostic import Span, lines_of
from buildfarm.recipe.nodes import Kind, ListNode, MapNode, Node, Scalar
from buildfarm.recipe.reading import Reading

LONGEST = 1024**2  # characters
DEEPEST = 16
MOST_NODES = 20_000

_Event = Any  # the stubs know neither marks nor tags well
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there
_RESOLVER: Any = Resolver()
_KINDS = {"int": Kind.WHOLE, "float": Kind.NUMBER, "bool": Kind.BOOLEAN, "timestamp": Kind.DATE, "null": Kind.NULL}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEGIN, _HERE = ("context_mark", "problem_mark"), ("problem_mark", "context_mark")
_SYNTAX = (  # what the parser says (libyaml and PyYAML in different words), where to point, our words, advice
    ("an alias", _BEGIN, "to YAML a * begins an alias", 'text that begins with * is quoted: "*-musllinux_*"'),
    ("an anchor", _BEGIN, "to YAML a & begins an anchor", "text that begins with & is quoted"),
    (
        "a block scalar",
        _BEGIN,
        "to YAML > and | begin a block of text",
        'text that begins with > or | is quoted: ">=3.11"',
    ),
    ("a directive", _BEGIN, "to YAML a % begins a directive", "text that begins with % is quoted"),
    ("cannot start any token", _HERE, "nothing in YAML begins with this", "text that begins with @, % or ` is quoted"),
    (
        "mapping values are not",
        _HERE,
        "a colon makes a key, and here is no place for one",
        'text that holds ": " is quoted; keys of one table stand in one column',
    ),
    ("a simple key", _BEGIN, "this key has no colon", "a key is followed by a colon and a space"),
    ("a flow", _BEGIN, "this bracket or brace is not closed", "close it; a comma stands between its items"),
    (
        "escape",
        _HERE,
        "this is nothing that a backslash may begin",
        "inside double quotes a backslash is written twice; single quotes take it as it is",
    ),
    (
        "hexadecimal",
        _HERE,
        "this is nothing that a backslash may begin",
        "inside double quotes a backslash is written twice; single quotes take it as it is",
    ),
    (
        "quoted scalar",
        _BEGIN,
        "this quote is not closed",
        "close it; inside single quotes a single quote is written twice",
    ),
    (
        "a block",
        _HERE,
        "this stands in another column than what is before it",
        "the keys of a table, and the items of a list, stand in one column",
    ),
)


def read_tree(text: str, reading: Reading) -> Node | None:
    """The tree of a YAML document; None where there is none, and ``reading`` was told why unless the text is empty."""
    return _Tree(text.removeprefix("\ufeff"), reading).read()


class _Stop(Exception):
    """What follows cannot be read."""


class _Tree:
    def __init__(self, text: str, reading: Reading) -> None:
        self.text, self.reading = text, reading
        self.lines = lines_of(text)
        self.nodes = 0
        self.events: Iterator[_Event] = iter(())

    def read(self) -> Node | None:
        root: Node | None = None
        if self._unreadable():
            return None
        try:
            self.events = iter(yaml.parse(self.text, Loader=_LOADER))
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if root is not None:
                        message, advice = "a second document begins here", "one file is one recipe"
                        self.reading.error("documents", self._span(event), message, advice)
                        break
                    root = self._node(next(self.events), 1)
        except _Stop:
            pass
        except yaml.YAMLError as error:
            self._syntax(error)
        return root

    def _unreadable(self) -> bool:
        if len(self.text) > LONGEST:
            message = f"the file has more than {LONGEST:,} characters: this is no recipe"
            self.reading.error("too-much", Span(line=1, column=1), message)
            return True
        if bad := _UNPRINTABLE.search(self.text):
            before = lines_of(self.text[: bad.start()])
            span = Span(line=len(before), column=len(before[-1]) + 1)
            message = f"the character {bad[0]!a} has no place here"
            self.reading.error("character", span, message, "save the file as UTF-8 text")
            return True
        return False

    def _node(self, event: _Event, depth: int) -> Node:
        self.nodes += 1
        span = self._span(event)
        if depth > DEEPEST or self.nodes > MOST_NODES:
            message = f"more than {DEEPEST} levels or {MOST_NODES:,} values: this is no recipe"
            self.reading.error("too-much", span, message)
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            advice = 'write the value out; text that begins with * is quoted: "*-win_amd64"'
            self.reading.error("anchor", span, "aliases are not taken", advice)
            return Scalar(span=span, text="", kind=Kind.BROKEN)
        if event.anchor is not None:
            self.reading.error(
                "anchor", span, "anchors are not taken", "write values out; text that begins with & is quoted"
            )
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, span)
        if event.tag is not None:
            self._tag(span)
        return self._list(event, depth) if isinstance(event, yaml.SequenceStartEvent) else self._map(event, depth)

    def _tag(self, span: Span) -> None:
        self.reading.error("tag", span, "tags are not taken", "text that begins with ! is quoted")

    def _list(self, start: _Event, depth: int) -> ListNode:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return ListNode(span=self._span(start, event), items=tuple(items))

    def _map(self, start: _Event, depth: int) -> MapNode:
        entries: dict[str, tuple[Scalar, Node]] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if not isinstance(key, Scalar):
                self.reading.error("type", key.span, "a key is plain text", "braces that are text are quoted")
            elif key.text in entries:
                message = f"{key.text!r} is there already, on line {entries[key.text][0].span.line}"
                self.reading.error("duplicate-key", key.span, message, "put both into one")
            else:
                if isinstance(value, Scalar) and not value.text and value.kind is Kind.NULL:
                    value = replace(value, span=key.span)  # nothing has no place: its key has
                entries[key.text] = key, value
        return MapNode(span=self._span(start, event), entries=tuple(entries.values()))

    def _scalar(self, event: _Event, span: Span) -> Scalar:
        text, plain = event.value, event.implicit[0]
        kind = Kind.TEXT
        if event.tag is not None:
            self._tag(span)
            kind = Kind.BROKEN
        elif plain:
            tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
            kind = _KINDS.get(tag.rpartition(":")[2], Kind.TEXT)
        inner = 0 if plain else 1
        line = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        verbatim = line[span.column - 1 + inner : span.column - 1 + span.length - inner] == text
        return Scalar(span=span, text=text, kind=kind, inner=inner if verbatim else None)

    def _span(self, first: _Event, last: _Event = None) -> Span:
        """From the start of an event to the end of it (or of a later one), cut at the end of the line."""
        start, end = first.start_mark, (last or first).end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if end.line == start.line else len(line.rstrip())
        return Span(line=start.line + 1, column=start.column + 1, length=max(stop - start.column, 1))

    def _syntax(self, error: yaml.YAMLError) -> None:
        said = " ".join(str(getattr(error, name, None) or "") for name in ("context", "problem")).strip()
        known = next((row for row in _SYNTAX if row[0] in said), ("", _HERE, said or "this is no YAML", ""))
        _, marks, message, advice = known
        mark = next((found for name in marks if (found := getattr(error, name, None))), None)
        line, column = (mark.line, mark.column) if mark else (0, 0)
        if line >= len(self.lines) or not any(
            each.strip() for each in (self.lines[line][column:], *self.lines[line + 1 :])
        ):
            line = max((number for number, each in enumerate(self.lines) if each.strip()), default=0)
            column = max(len(self.lines[line].rstrip()) - 1, 0)  # the end of the file: show what came last
        problem = getattr(error, "problem_mark", None)
        tab = problem.line if problem and problem.line < len(self.lines) else line
        if "\t" in self.lines[tab][: len(self.lines[tab]) - len(self.lines[tab].lstrip(" \t-"))]:
            span = Span(line=tab + 1, column=self.lines[tab].index("\t") + 1)
            self.reading.error("tab", span, "a tab does not indent in YAML", "indent with two spaces")
            return
        self.reading.error("yaml", Span(line=line + 1, column=column + 1), message, advice)
