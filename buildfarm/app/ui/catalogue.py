"""What lists and searches show of every project of every index, in memory: it follows the events by their serials.

An entry takes about half a kilobyte, and there is one for each project of each index that has files of it itself:
20,000 projects are ten megabytes, however many files they have and however many indexes inherit them.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from buildfarm.model.events import IndexEvent, Status
from buildfarm.model.index import Index, IndexClass, awaited, closure, pending_of, settings
from buildfarm.pages.project import File, Project, fold, held
from buildfarm.ports import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A project as one index has it itself: its newest version that installers would take, what it is, how many files
    there are, and when (seconds since 1970) the last event was.
    """

    project: str
    index: str
    version: str
    summary: str
    files: int
    at: float
    status: Status = Status.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All entries by index and by project, and the settings of all indexes, at one serial. Never changes.

    ``bare`` are names that are an index's own though it has no file of them (see ``held``).
    """

    serial: int = 0
    indexes: Mapping[str, Index] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)
    bare: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def layers(self, index: str) -> tuple[Mapping[str, Entry], ...]:
        """What the index shows, the nearest first: its own entries and those of all that it inherits from."""
        inside = closure(index, self.indexes)
        return tuple(self._layer(each, inside) for each in inside)

    def projects(self, index: str) -> list[str]:
        """Names of the projects that the index shows, sorted."""
        return sorted({name for layer in self.layers(index) for name in layer})

    def entry(self, index: str, project: str) -> Entry:
        """The entry that an index shows of a project which it has: of the newest version, the nearest where equal."""
        layers = (self.own.get(each.name, {}) for each in closure(index, self.indexes))
        found = [layer[project] for layer in layers if project in layer]
        internal = [each for each in found if settings(each.index, self.indexes).kind == "internal"]
        return max(reversed(internal or found), key=lambda each: _key(each.version))

    def search(self, words: Iterable[str], readable: Collection[str]) -> list[tuple[str, Entry]]:
        """Projects whose name or summary has all the words (in lower case), the best first: each with an index that
        shows it and may be read.
        """
        wanted = [word.replace("_", "-").replace(".", "-") for word in words]
        found: dict[str, tuple[int, str, str, Entry]] = {}
        for index, layer in self._visible(readable):
            for name, entry in layer.items():
                if (rank := _rank(name, entry.summary, wanted)) is None:
                    continue
                known = found.get(name)
                if known is None or _key(known[3].version) < _key(entry.version):
                    found[name] = (rank if known is None else min(rank, known[0]), name, index, entry)
        return [(index, entry) for _, _, index, entry in sorted(found.values(), key=lambda each: each[:2])]

    def _visible(self, readable: Collection[str]) -> Iterator[tuple[str, Mapping[str, Entry]]]:
        """Every layer that some readable index shows, once, with that index: the layer's own where that may be read."""
        seen: set[str] = set()
        for index in sorted(readable):
            if index not in seen:
                seen.add(index)
                yield index, self.own.get(index, {})
        for index in sorted(readable):
            inside = closure(index, self.indexes)
            for each in inside:
                if each.name not in seen:
                    seen.add(each.name)
                    yield index, self._layer(each, inside)

    def _layer(self, each: Index, inside: tuple[Index, ...]) -> Mapping[str, Entry]:
        """What one of these indexes has a say in: a mirror in no name that an internal one among them holds."""
        own = self.own.get(each.name, {})
        if each.kind is IndexClass.INTERNAL:
            return own
        held_here = (self.bare.get(it.name, frozenset()) for it in inside if it.kind is IndexClass.INTERNAL)
        ours = frozenset[str]().union(*held_here)
        return own if own.keys().isdisjoint(ours) else {name: own[name] for name in own.keys() - ours}


class Catalogue:
    """Follows the events. ``summary`` tells what a file is, in one line; it is asked for one file of each project."""

    def __init__(self, events: Events, summary: Callable[[File], str]) -> None:
        self._events = events
        self._summary = summary
        self._lock = threading.Lock()
        self._shelf = Shelf()

    def now(self) -> Shelf:
        """The shelf after the last event. Costs one small query where nothing is new."""
        with self._lock:
            if news := self._events.since(self._shelf.serial):
                self._shelf = self._after(news)
            return self._shelf

    def _after(self, news: tuple[IndexEvent, ...]) -> Shelf:
        changed: defaultdict[tuple[str, str], list[IndexEvent]] = defaultdict(list)
        for event in news:
            if event.payload.project:
                changed[event.index, event.payload.project].append(event)
        own: dict[str, Mapping[str, Entry]] = dict(self._shelf.own)
        layers: dict[str, dict[str, Entry]] = {}
        bare = dict(self._shelf.bare)

        def told(index: str, project: str) -> Iterable[IndexEvent]:
            return self._events.events(index, project) if self._shelf.serial else changed.get((index, project), ())

        for (index, project), latest in changed.items():
            if index not in layers:
                own[index] = layers[index] = dict(own.get(index, {}))
            folded = fold(told(index, project)).get(project)
            layers[index].pop(project, None)
            if folded:
                layers[index][project] = self._entry(index, folded, latest[-1].at)
        for name, project in {(awaited(index) or index, project) for index, project in changed}:
            bare[name] = bare.get(name, frozenset()) - {project}
            if project not in own.get(name, {}):
                about = (*told(name, project), *told(pending_of(name), project))
                bare[name] |= held(about).get(name, {}).keys()
        return Shelf(serial=news[-1].serial, indexes=self._events.indexes(), own=own, bare=bare)

    def _entry(self, index: str, project: Project, at: float) -> Entry:
        best = newest(project.files)
        return Entry(
            project=project.name,
            index=index,
            version=best.version,
            summary=self._summary(best),
            files=len(project.files),
            at=at,
            status=project.status,
        )


def newest(files: Iterable[File]) -> File:
    """A file of the version that an installer would take: yanked ones and pre-releases only where there is no other.

    Of several the one comes first that has its metadata beside it.
    """

    def preference(file: File) -> tuple[bool, bool, Version, bool]:
        version = _key(file.version)
        return file.yanked is None, not version.is_prerelease, version, bool(file.published.metadata_sha256)

    return max(files, key=preference)


def _key(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return _NO_VERSION


_NO_VERSION = Version("0.dev0")


def _rank(name: str, summary: str, words: Iterable[str]) -> int | None:
    """How well a project fits all the words, 0 best; None: not."""
    worst = 0
    for word in words:
        if word == name:
            continue
        if name.startswith(word):
            worst = max(worst, 1)
        elif word in name:
            worst = max(worst, 2)
        elif word in summary.lower():
            worst = max(worst, 3)
        else:
            return None
    return worst
