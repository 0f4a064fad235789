"""The one layout of recipe files: order of the table, two spaces, one line where it fits, quotes where they are needed.

Comments stay with what they belong to. What cannot be laid out without a loss is left as it is, with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

import yaml
from yaml.resolver import Resolver

from buildfarm.recipe import texts
from buildfarm.recipe.composites import ListOf, MapOf, Table
from buildfarm.recipe.fields import Field
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.shapes import ByKey, ByShape
from buildfarm.recipe.table import RECIPE
from buildfarm.recipe.written import Branch, Entry, Leaf, Node, Written, read_written

WIDEST = 120  # columns that a table or list may take on one line

_QUOTED = (texts.VERSION, texts.HASH)  # always, so that those of one list look alike
_MODELINE = "# yaml-language-server:"  # what an editor looks for in the first lines
_RESOLVER: Any = Resolver()
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[ox][0-9a-fA-F]+")  # to YAML 1.2 too
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


class Unformattable(ValueError):
    """The file cannot be laid out without losing something; ``str(error)`` says what."""


def lay_out(text: str, *, folder: str = "/") -> str:
    """The text of a recipe without errors in the one layout. Twice is as once, and the recipe is the same.

    ``folder`` is the recipe's, absolute. Raises ``Unformattable`` where a comment or a value would be lost.
    """
    before = parse_recipe(text, file="", folder=folder).recipe
    written = read_written(text)
    if before is None or written is None:
        raise Unformattable("the file has errors; `buildfarm recipe check` tells them")
    newline = "\r\n" if "\r\n" in text else "\n"
    laid = newline.join([*_Layout(written).lines(), ""])
    again = read_written(laid)
    same = parse_recipe(laid, file="", folder=folder).recipe == before
    if not same or again is None or _comments(written) != _comments(again):
        raise Unformattable("a comment or a value would be lost; write it in a plainer way")
    return laid


def _comments(written: Written) -> Counter[str]:
    places = (written.above, written.beside, written.below)
    return Counter(each for found in places for lines in found.values() for each in lines if each)


def spell(text: str, *, flow: bool, quoted: bool = False) -> str:
    """One line of YAML that is this text; ``flow``: it stands inside of brackets, or is a key."""
    if not quoted and _is_plain(text, flow=flow):
        return text
    if not text.isprintable():
        return '"' + "".join(_escaped(each) for each in text) + '"'
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _is_plain(text: str, *, flow: bool) -> bool:
    """Whether the text without quotes is this text, to YAML 1.1 and 1.2."""
    if not text.isprintable() or _NUMBER.fullmatch(text):
        return False
    if not _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).endswith(":str"):
        return False
    try:
        events = list(yaml.parse(f"[{text}]" if flow else f"- {text}\n", Loader=_LOADER))
    except yaml.YAMLError:
        return False
    return len(events) == 7 and isinstance(events[3], yaml.ScalarEvent) and events[3].value == text


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    number = ord(character)
    if character.isprintable():
        return character
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _within(field: Field[Any] | None, node: Node) -> Field[Any] | None:
    """The field that reads the node, where several could."""
    if isinstance(field, ByShape):
        is_map = isinstance(node, Branch) and any(entry.key for entry in node.entries)
        return field.single if isinstance(node, Leaf) else field.table if is_map else field.items
    if isinstance(field, ByKey) and isinstance(node, Branch):
        return next((table for table in field.tables if node.get(table.keys[0].name)), None)
    return field


class _Layout:
    """Lays one file out."""

    def __init__(self, written: Written) -> None:
        self.root = written.root
        self.above, self.beside, self.below = dict(written.above), written.beside, written.below

    def lines(self) -> list[str]:
        """All lines, without blank ones at both ends."""
        head, body = self._head(), list(self._branch(self.root, RECIPE, 0))
        if head and not head[-1] and not body[0]:
            head.pop()  # the entry that comes first now brings a blank line of its own
        whole = [*head, *body]
        kept = [number for number, line in enumerate(whole) if line]
        return whole[kept[0] : kept[-1] + 1]

    def _head(self) -> list[str]:
        """What stays at the top whatever key comes first: comments with a blank line behind, and a line for editors."""
        first = self.root.entries[0].start
        above = self.above.get(first, ())
        cut = len(above) - above[::-1].index("") if "" in above else 0
        if not any(above[:cut]):
            cut = next((number + 1 for number, line in enumerate(above) if line.startswith(_MODELINE)), 0)
        self.above[first] = above[cut:]
        return list(above[:cut])

    def _branch(self, branch: Branch, field: Field[Any] | None, indent: int) -> Iterator[str]:
        for number, entry in enumerate(_ordered(branch, field)):
            lines = list(self._entry(entry, field, indent))
            yield from lines[1:] if number == 0 and indent and not lines[0] else lines
        for line in self.below.get(branch.start, ()):
            yield (" " * indent + line).rstrip()

    def _entry(self, entry: Entry, field: Field[Any] | None, indent: int) -> Iterator[str]:
        """The lines of an entry: its comments, its head, and what does not fit on that."""
        value, inner = entry.value, _inside(field, entry)
        above, beside = self.above.get(entry.start, ()), self.beside.get(entry.start, ())
        if entry.key is None and isinstance(value, Branch) and value.entries and _is_map(value, inner):
            yield from self._hung(value, inner, indent, above=(*above, *beside))
            return
        if len(beside) > 1:
            above, beside = (*above, *beside), ()
        margin = " " * indent
        yield from ((margin + line).rstrip() for line in above)
        head = margin + (f"{self._leaf(entry.key, _key_field(field), flow=True)}:" if entry.key else "-")
        tail = "".join(f"  {each}" for each in beside)
        if isinstance(value, Leaf) and (block := _block_scalar(value, indent + 2)):
            mark, *rest = block
            yield f"{head} {mark}{tail}"
            yield from (f"{margin}  {line}".rstrip() for line in rest)
        elif isinstance(value, Leaf):
            yield f"{head} {self._leaf(value, inner, flow=False)}{tail}"
        elif self._one_line(value) and len(line := f"{head} {self._flow(value, inner)}") <= WIDEST:
            yield line + tail
        else:
            yield head + tail
            yield from self._branch(value, inner, indent + 2)

    def _hung(self, table: Branch, field: Field[Any] | None, indent: int, above: tuple[str, ...]) -> Iterator[str]:
        """A table that hangs from its dash: comments of the item and of its first key stand above both."""
        lines = list(self._branch(table, field, indent + 2))
        first = next(number for number, line in enumerate(lines) if line and not line.lstrip().startswith("#"))
        margin = " " * indent
        yield from ((margin + line.strip()).rstrip() for line in (*above, *lines[:first]))
        yield f"{margin}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]

    def _one_line(self, branch: Branch) -> bool:
        """Whether a branch may be one line: it holds no comment, no list of tables, and no text in several lines."""
        if self.below.get(branch.start):
            return False
        for entry in branch.entries:
            value = entry.value
            if any(self.above.get(entry.start, ())) or self.beside.get(entry.start):
                return False
            if isinstance(value, Leaf):
                if _block_scalar(value):
                    return False
            elif not self._one_line(value) or (entry.key is None and value.entries):
                return False
        return True

    def _flow(self, node: Node, field: Field[Any] | None) -> str:
        if isinstance(node, Leaf):
            return self._leaf(node, field, flow=True)
        parts = []
        for entry in _ordered(node, field):
            key = f"{self._leaf(entry.key, _key_field(field), flow=True)}: " if entry.key else ""
            parts.append(key + self._flow(entry.value, _inside(field, entry)))
        inside = ", ".join(parts)
        return f"{{{inside}}}" if _is_map(node, field) else f"[{inside}]"

    def _leaf(self, leaf: Leaf, field: Field[Any] | None, *, flow: bool) -> str:
        if not leaf.style and not _RESOLVER.resolve(yaml.ScalarNode, leaf.text, (True, False)).endswith(":str"):
            return leaf.text  # a number or a truth value
        return spell(leaf.text, flow=flow, quoted=any(field is each for each in _QUOTED))


def _ordered(branch: Branch, field: Field[Any] | None) -> list[Entry]:
    """The entries in the order of their table; in that of the file where the author chooses the keys."""
    field = _within(field, branch)
    if not isinstance(field, Table):
        return list(branch.entries)
    names = [key.name for key in field.keys]
    return sorted(branch.entries, key=lambda entry: names.index(entry.key.text) if entry.key else 0)


def _inside(field: Field[Any] | None, entry: Entry) -> Field[Any] | None:
    """The field that reads the value of an entry of what ``field`` reads."""
    if isinstance(field, Table) and entry.key:
        text = entry.key.text
        found = next(key.field for key in field.keys if key.name == text)
    elif isinstance(field, MapOf | ListOf):
        found = field.item
    else:
        return None
    return _within(found, entry.value)


def _key_field(field: Field[Any] | None) -> Field[Any] | None:
    return field.key if isinstance(field, MapOf) else None


def _is_map(branch: Branch, field: Field[Any] | None) -> bool:
    return branch.entries[0].key is not None if branch.entries else isinstance(field, MapOf | Table)


def _block_scalar(leaf: Leaf, indent: int = 0) -> list[str]:
    """The mark and the lines of a text that was written as a block and can stay one; else nothing."""
    body = leaf.text.removesuffix("\n")
    lines = body.split("\n")
    if leaf.style not in ("|", ">") or not lines[0] or not lines[-1] or lines[0].startswith((" ", "#")):
        return []
    if not all(line.isprintable() and line == line.rstrip() for line in lines):
        return []
    end = "" if leaf.text.endswith("\n") else "-"
    if leaf.style == ">" and len(lines) == 1 and "  " not in body:
        return [f">{end}", *wrap(body, WIDEST - indent, break_long_words=False, break_on_hyphens=False)]
    return [f"|{end}", *lines]
