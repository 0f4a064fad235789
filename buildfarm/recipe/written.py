"""A recipe file as it is written: where each value begins and ends, and its comments. What a parser forgets.

Offsets count characters of the text, a byte order mark not among them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_Event = Any  # the stubs do not know marks well
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_COMMENT = re.compile("#[^\n\r\x85\u2028\u2029]*")
_DASH = re.compile(f"{_COMMENT.pattern}|-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A scalar. ``style`` is its quote, ``|`` or ``>``, or empty where it is plain."""

    start: int
    end: int
    text: str
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key with its value, or an item of a list; it starts at its key, its dash, or its value."""

    start: int
    key: Leaf | None
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A map or a list; ``end`` is that of its last value where it has no brackets."""

    start: int
    end: int
    flow: bool
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Entry | None:
        """The entry of that key, or None."""
        return next((entry for entry in self.entries if entry.key and entry.key.text == key), None)


Node = Leaf | Branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The root of a file, and its comments.

    ``above`` and ``beside`` map the start of an entry to the comments before it and on its line; ``below`` maps the
    start of a branch to those after its last entry. An empty text among ``above`` and ``below`` is a blank line.
    """

    text: str
    root: Branch
    above: Mapping[int, tuple[str, ...]]
    beside: Mapping[int, tuple[str, ...]]
    below: Mapping[int, tuple[str, ...]]


def read_written(text: str) -> Written | None:
    """The file as written, where it is a map to YAML; else None. Meant for text that the parser took."""
    text = text.removeprefix("\ufeff")
    try:
        events: Iterator[Any] = (
            event
            for event in yaml.parse(text, Loader=_LOADER)
            if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent)
        )
        root = _node(next(events, None), events, text)
    except yaml.YAMLError:
        return None
    return _Comments(text, root).placed() if isinstance(root, Branch) else None


def _node(event: _Event, events: Iterator[_Event], text: str) -> Node | None:
    if isinstance(event, yaml.ScalarEvent):
        style = "" if event.implicit[0] else event.style or '"'
        return Leaf(start=_begin(event), end=_end(event), text=event.value, style=style)
    if not isinstance(event, yaml.CollectionStartEvent):
        return None
    found: list[Entry] = []
    start = last = _begin(event)
    is_map = isinstance(event, yaml.MappingStartEvent)
    while not isinstance(after := next(events), yaml.CollectionEndEvent):
        key = _node(after, events, text)
        value = _node(next(events), events, text) if is_map else key
        if value is None or (is_map and not isinstance(key, Leaf)):
            return None
        at = value.start
        if isinstance(key, Leaf) and is_map:
            at = key.start
        elif not event.flow_style:
            at = next(dash.start() for dash in _DASH.finditer(text, last, at) if dash[0] == "-")
        found.append(Entry(start=at, key=key if is_map and isinstance(key, Leaf) else None, value=value))
        last = value.end
    end = _end(after) if event.flow_style else last
    return Branch(start=start, end=end, flow=bool(event.flow_style), entries=tuple(found))


def _begin(event: _Event) -> int:
    return int(event.start_mark.index)


def _end(event: _Event) -> int:
    return int(event.end_mark.index)


class _Comments:
    """Finds each comment's place in the tree."""

    def __init__(self, text: str, root: Branch) -> None:
        self.text, self.root = text, root
        self.lines = [0, *(found.end() for found in _BREAK.finditer(text))]
        self.above: dict[int, list[str]] = defaultdict(list)
        self.beside: dict[int, list[str]] = defaultdict(list)
        self.below: dict[int, list[str]] = defaultdict(list)
        self.entries = sorted(_entries(root, ()), key=lambda each: each[0].start)

    def placed(self) -> Written:
        """The file with its comments where they belong."""
        leading = -1  # the entry that the comment before stands above: what follows it stays with it
        for at in self._found():
            owner = self._innermost(at)
            if not self._alone(at):
                self._place_beside(at)
            else:
                leading = self._place_alone(at, owner, leading)
        for entry, _ in self.entries:
            if self._blank_before(entry.start):
                self.above[entry.start].append("")
        frozen = [{at: tuple(each) for at, each in found.items()} for found in (self.above, self.beside, self.below)]
        return Written(text=self.text, root=self.root, above=frozen[0], beside=frozen[1], below=frozen[2])

    def _found(self) -> Iterator[int]:
        """Where comments begin: between scalars, and in the first line of a block scalar."""
        last = 0
        for leaf in sorted(_leaves(self.root), key=lambda each: each.start):
            yield from (each.start() for each in _COMMENT.finditer(self.text, last, leaf.start))
            if leaf.style in ("|", ">"):
                stop = self._line_end(leaf.start)
                yield from (each.start() for each in _COMMENT.finditer(self.text, leaf.start, stop))
            last = leaf.end
        yield from (each.start() for each in _COMMENT.finditer(self.text, last))

    def _innermost(self, at: int) -> Branch:
        """The innermost brackets around a place; the root where there are none."""
        around = (branch for branch in _branches(self.root) if branch.flow and branch.start < at < branch.end)
        return max(around, key=lambda each: each.start, default=self.root)

    def _place_beside(self, at: int) -> None:
        """Beside the last entry that began before it and that is not inside of brackets closed by now."""
        begun = [
            entry.start
            for entry, above in self.entries
            if entry.start < at and not any(each.flow and each.end <= at for each in above)
        ]
        (self.beside[begun[-1]] if begun else self.above[self.entries[0][0].start]).append(self._comment(at))

    def _place_alone(self, at: int, owner: Branch, leading: int) -> int:
        """Above the next entry, or below the branch that its column is of. The start of that entry, or -1."""
        if owner.flow and not owner.entries:
            self._place_beside(at)
            return -1
        lines = [*[""] * self._blank_before(at), self._comment(at)]
        following = next(((entry, above) for entry, above in self.entries if entry.start > at), None)
        home = owner if owner.flow else self._by_column(at)
        if following and not (owner.flow and owner not in following[1]):
            entry, above = following
            first = above[-1].entries[0] is entry
            left = self._column(at) <= self._column(entry.start)
            if first or left or above[-1] is home or leading == entry.start:
                self.above[entry.start] += lines
                return entry.start
        self.below[home.start] += lines
        return -1

    def _by_column(self, at: int) -> Branch:
        """The deepest branch without brackets, of those that hold the entry before, that is not right of the place."""
        before = [above for entry, above in self.entries if entry.start < at]
        column = self._column(at)
        open_ = [each for each in (before[-1] if before else ()) if not each.flow]
        return next((each for each in reversed(open_) if self._column(each.start) <= column), self.root)

    def _line(self, at: int) -> int:
        return bisect_right(self.lines, at) - 1

    def _line_end(self, at: int) -> int:
        found = _BREAK.search(self.text, at)
        return found.start() if found else len(self.text)

    def _column(self, at: int) -> int:
        return at - self.lines[self._line(at)]

    def _alone(self, at: int) -> bool:
        return not self.text[self.lines[self._line(at)] : at].strip()

    def _blank_before(self, at: int) -> bool:
        """Whether it is first on its line, with an empty line above."""
        line = self._line(at)
        return line > 0 and self._alone(at) and not self.text[self.lines[line - 1] : self.lines[line]].strip()

    def _comment(self, at: int) -> str:
        return self.text[at : self._line_end(at)].rstrip()


def _entries(branch: Branch, above: tuple[Branch, ...]) -> Iterator[tuple[Entry, tuple[Branch, ...]]]:
    """Every entry with the branches that hold it, the outermost first."""
    for entry in branch.entries:
        yield entry, (*above, branch)
        if isinstance(entry.value, Branch):
            yield from _entries(entry.value, (*above, branch))


def _branches(branch: Branch) -> Iterator[Branch]:
    yield branch
    for entry in branch.entries:
        if isinstance(entry.value, Branch):
            yield from _branches(entry.value)


def _leaves(branch: Branch) -> Iterator[Leaf]:
    for entry in branch.entries:
        if entry.key:
            yield entry.key
        if isinstance(entry.value, Branch):
            yield from _leaves(entry.value)
        else:
            yield entry.value
