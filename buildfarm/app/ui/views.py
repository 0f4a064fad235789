"""From events to what the templates are given: plain values, and nothing that the reader may not see."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from buildfarm.app.ui.catalogue import Entry, Shelf
from buildfarm.app.ui.matrix import natural
from buildfarm.app.ui.templating import in_path
from buildfarm.model.events import IndexEvent, Tried
from buildfarm.model.index import Index, awaited, closure, pending_of, settings
from buildfarm.pages.changes import source_of, traits
from buildfarm.pages.documents import folder_of, sorted_versions
from buildfarm.pages.project import File, Project, held, merged

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Generic[T]):
    """One page of many things, numbered from 1; ``total`` is how many there are on all pages."""

    items: Sequence[T]
    number: int
    last: int
    total: int


def leaf(things: Sequence[T], number: int, size: int) -> Leaf[T]:
    """The page with that number, or the nearest that there is."""
    last = max(1, math.ceil(len(things) / size))
    number = min(max(1, number), last)
    items = things[(number - 1) * size : number * size]
    return Leaf(items=items, number=number, last=last, total=len(things))


@dataclass(frozen=True, slots=True, kw_only=True)
class Twig:
    """An index in the tree of those that may be read: below its nearest base, with what else it inherits from."""

    index: Index
    words: tuple[str, ...]
    projects: int
    waiting: int
    besides: tuple[str, ...] = ()
    heirs: tuple[Twig, ...] = field(default=())


def tree(shelf: Shelf, readable: Collection[str]) -> tuple[Twig, ...]:
    """The readable indexes, each below the first of its bases that is one; those without such a base are the roots."""
    below: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(readable):
        if not awaited(name):
            below[next(_bases(name, shelf, readable), "")].append(name)

    def twig(name: str) -> Twig:
        return Twig(
            index=settings(name, shelf.indexes),
            words=words(settings(name, shelf.indexes)),
            projects=len({project for layer in shelf.layers(name) for project in layer}),
            waiting=len(shelf.own.get(pending_of(name), {})),
            besides=tuple(_bases(name, shelf, readable))[1:],
            heirs=tuple(map(twig, below.get(name, ()))),
        )

    return tuple(map(twig, below.get("", ())))


def words(index: Index) -> tuple[str, ...]:
    """What is to be known of the index besides its bases."""
    return tuple(word for word in traits(index) if word != "internal")


def chain(index: str, shelf: Shelf, readable: Collection[str]) -> tuple[str, ...]:
    """All that the index inherits from, as far as it may be named."""
    return tuple(each.name for each in closure(index, shelf.indexes)[1:] if each.name in readable)


def listed(shelf: Shelf, index: str, names: Iterable[str]) -> list[tuple[str, Entry]]:
    """Rows of a table of projects of one index."""
    return [(index, shelf.entry(index, name)) for name in names]


def project_on(index: str, events: Iterable[IndexEvent], shelf: Shelf, name: str) -> Project:
    """What the index shows of a project, made of the events of that project on every index."""
    own = held(events)
    layers = closure(index, shelf.indexes)
    return merged(name, ((each, own.get(each.name, {}).get(name)) for each in layers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A file for the page of its project; ``url`` and ``provenance`` (which may be empty) are paths on this server.

    ``source`` and ``index`` are empty where they may not be named.
    """

    name: str
    url: str
    size: int
    sha256: str
    origin: str
    source: str
    index: str
    who: str
    uploaded: str
    metadata: bool
    provenance: str
    yanked: str | None
    tried: tuple[Tried, ...]


def file_shown(file: File, has: Callable[[str], bool], readable: Collection[str]) -> Shown:
    """``has`` says whether there is a file at a path of the tree; only indexes that are ``readable`` are named."""
    published = file.published
    path = f"{file.index}/+f/{published.artifact.sha256}/{file.name}"
    provenance = f"{path}.provenance.json"
    return Shown(
        name=file.name,
        url=f"/{in_path(path)}",
        size=published.artifact.size,
        sha256=published.artifact.sha256,
        origin=str(published.origin),
        source=source_of(published, readable),
        index=file.index if file.index in readable else "",
        who=file.who,
        uploaded=published.uploaded,
        metadata=bool(published.metadata_sha256),
        provenance=f"/{in_path(provenance)}" if has(provenance) else "",
        yanked=file.yanked,
        tried=tuple(sorted(published.tried, key=lambda each: natural(each.target))),
    )


def documents(
    versions: Callable[[str], Iterable[str]], layers: Iterable[Index], project: str, readable: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Versions with documentation on those of the indexes that may be read, newest first, each with its address; the
    nearest index that has one counts. ``versions`` tells those of a project's folder in the tree.
    """
    found: dict[str, str] = {}
    for folder in (folder_of(each.name, project) for each in layers if each.name in readable):
        for version in versions(folder):
            found.setdefault(version, f"/{in_path(f'{folder}/{version}')}/")
    return tuple((version, found[version]) for version in sorted_versions(found))


def page_of(index: str, project: str) -> str:
    """The address of the page of a project."""
    return f"/+ui/{in_path(f'{index}/{project}')}"


def _bases(name: str, shelf: Shelf, readable: Collection[str]) -> Iterator[str]:
    return (base for base in settings(name, shelf.indexes).bases if base in readable)
