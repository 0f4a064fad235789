"""Named indexes: what each is like, which ones it inherits from, and which of them has a word where."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.wheel import Verdict

PENDING = "+pending"
"""The last segment of the index where the files of another wait for their tests."""

_SEGMENT = "(?!simple(?:/|$))[a-z0-9][a-z0-9._-]*"
NAME = f"{_SEGMENT}(?:/{_SEGMENT})?"
"""A regular expression: one or two segments, none of them ``simple``, none beginning with a dot."""


class IndexClass(StrEnum):
    """Whose files an index has: our own, or those that were let in from elsewhere."""

    INTERNAL = "internal"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The settings of an index.

    ``bases`` are what it inherits from, the nearest first. ``volatile``: files may be replaced and deleted.
    ``private``: reading needs a token. ``accepts`` are the verdicts with which an uploaded or promoted file may be
    published, of every environment that it was asked for. ``reserved`` are globs over normalised names that are never
    admitted from elsewhere into any index.
    """

    name: str
    bases: tuple[str, ...] = ()
    kind: IndexClass = IndexClass.INTERNAL
    volatile: bool = False
    private: bool = False
    accepts: tuple[Verdict, ...] = (Verdict.PASSED, Verdict.SKIPPED)
    reserved: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """Whether an index may be called that."""
    return re.fullmatch(NAME, text) is not None


def depth(name: str) -> int:
    """How many segments the name has, which is how far its pages are from the root of the tree."""
    return name.count("/") + 1


def pending_of(name: str) -> str:
    """Where files wait that were uploaded to the index."""
    return f"{name}/{PENDING}"


def awaited(name: str) -> str:
    """The index that the files of a pending one wait for; empty for any other index."""
    index, _, last = name.rpartition("/")
    return index if last == PENDING else ""


def closure(name: str, indexes: Mapping[str, Index]) -> tuple[Index, ...]:
    """The index, then all that it inherits from: depth first, in the order of the bases, none twice.

    One that was never configured has the default settings. Raises nothing for a cycle: it is cut where it closes.
    """
    found: dict[str, Index] = {}

    def visit(each: str) -> None:
        if each not in found:
            found[each] = settings(each, indexes)
            for base in found[each].bases:
                visit(base)

    visit(name)
    return tuple(found.values())


def layers(name: str, indexes: Mapping[str, Index], own: Collection[str]) -> tuple[Index, ...]:
    """Those of its closure that have a say in what it shows of a project, when the indexes ``own`` have files of it.

    Where files wait, only projects are shown of which one does: of all others the index that they wait for knows all.
    """
    if name not in indexes or (awaited(name) and name not in own):
        return ()
    return tuple(each for each in closure(name, indexes) if each.name in own)


def heirs(name: str, indexes: Mapping[str, Index]) -> tuple[str, ...]:
    """The index and all that inherit from it, however far, in the order of their names after its own."""
    inheriting = (each for each in sorted(indexes) if each != name)
    return (name, *(each for each in inheriting if any(it.name == name for it in closure(each, indexes))))


def laid_open(name: str, indexes: Mapping[str, Index]) -> tuple[tuple[str, str], ...]:
    """What everybody sees of private indexes by the index, or by one that inherits from it: pairs of a public index and
    a private one of which it shows the files.
    """
    public = (each for each in heirs(name, indexes) if not awaited(each) and not settings(each, indexes).private)
    return tuple((each, base.name) for each in public for base in closure(each, indexes) if base.private)


def settings(name: str, indexes: Mapping[str, Index]) -> Index:
    """What an index is like; one that waits for another inherits from it."""
    if name in indexes:
        return indexes[name]
    return Index(name=name, bases=(awaited(name),) if awaited(name) else ())


def refused(index: Index, indexes: Mapping[str, Index]) -> Iterator[str]:
    """Every reason why an index cannot be like that, a sentence each."""
    if not is_name(index.name):
        yield (
            f"{index.name!r} is no index name: one or two segments of a-z, 0-9, '.', '_', '-', such as company/base; "
            "'simple' is reserved"
        )
    for base in index.bases:
        if awaited(base):
            yield f"what waits on {base} is for nobody but its testers: inherit from {awaited(base)}"
        elif base != index.name and base not in indexes:
            known = ", ".join(sorted(indexes)) or "none"
            yield f"there is no index {base!r} to inherit from; those that are: {known}"
    if double := _doubles(index.bases):
        yield f"bases are named twice: {', '.join(double)}"
    if circle := _circle(index, indexes):
        yield f"that would be a circle: {' ← '.join(circle)}"
    if index.kind is IndexClass.MIRROR and index.bases:
        yield "a mirror has no bases: let an internal index inherit from it"


def _doubles(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, count in Counter(names).items() if count > 1)


def _circle(index: Index, indexes: Mapping[str, Index]) -> tuple[str, ...]:
    """A way from the index over its bases back to itself."""
    known = {**indexes, index.name: index}
    ways: list[tuple[str, ...]] = [(index.name, base) for base in index.bases]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        if way[-1] == index.name:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, base) for base in settings(way[-1], known).bases]
    return ()
