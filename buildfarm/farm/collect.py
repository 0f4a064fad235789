"""Bytes that no page links to any more: kept for a while after they were deleted or replaced, then removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.publish import FILES, LIVE, WANTED
from buildfarm.farm.render import render_settings
from buildfarm.model.events import DocsDeleted, DocsPublished, FilePublished, IndexDeleted, IndexEvent, subject
from buildfarm.pages.documents import last_said, zip_of
from buildfarm.pages.project import held

_Place = tuple[str, str, str]  # index, sha256, file name


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A file that was removed from an index's folder; ``forgotten``: and from the store, where nothing else has it."""

    index: str
    filename: str
    sha256: str
    forgotten: bool


def collect(farm: Coordinator, *, older_than: float) -> tuple[Collected, ...]:
    """Remove every file of the tree that is on no index since ``older_than`` seconds or more.

    The store forgets the bytes too, unless they are on another index, or were built here: a build is not made again
    whose wheel is there. What somebody brings back meanwhile stays.
    """
    events = farm.events.since(0)
    render_settings(farm)  # no page links any more to what these events took away
    kept, said = _kept(events), _last_said(events)
    until = datetime.fromisoformat(farm.clock()).timestamp() - older_than
    found = frozenset(_files(farm, {event.index for event in events}))
    dead = {each for each in found - kept if said.get((each[0], each[2]), 0.0) <= until}
    needed = {sha256 for _, sha256, _ in found - dead | kept}
    needed |= {each.artifact.sha256 for each in farm.events.publications() if each.build or each.state in LIVE}
    places: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for index, sha256, name in sorted(dead):
        places[sha256].append((index, name))
    gone = []
    for sha256, on in places.items():
        with farm.rendering.lock(FILES):  # for each anew, so that nobody waits for long
            if sha256 in _coming(farm, events[-1].serial):
                continue
            for index, _ in on:
                farm.tree.clear(f"{index}/+f/{sha256}")
            if forgotten := sha256 not in needed:
                farm.store.remove(sha256)
        gone += [Collected(index=index, filename=name, sha256=sha256, forgotten=forgotten) for index, name in on]
    return tuple(sorted(gone, key=lambda each: (each.index, each.filename)))


def _files(farm: Coordinator, indexes: set[str]) -> Iterator[_Place]:
    """Every file in the tree; what stands beside it begins with its name."""
    for index in sorted(indexes):
        for sha256 in farm.tree.names(f"{index}/+f"):
            for name in farm.tree.names(f"{index}/+f/{sha256}")[:1]:
                yield index, sha256, name


def _kept(events: Iterable[IndexEvent]) -> set[_Place]:
    """What is on an index after these events."""
    on = {
        (index, file.published.artifact.sha256, file.name)
        for index, projects in held(events).items()
        for project in projects.values()
        for file in project.files
    }
    docs = {(index, found.sha256, found.name) for (index, _, _), found in last_said(events).items() if found}
    return on | docs


def _last_said(events: Iterable[IndexEvent]) -> dict[tuple[str, str], float]:
    """When something was said last of a file (index, name): what is not there came off then, or before."""
    said: dict[tuple[str, str], float] = {}
    for event in events:
        match event.payload:
            case DocsPublished(project=project, version=version) | DocsDeleted(project=project, version=version):
                said[event.index, zip_of(project, version)] = event.at
            case IndexDeleted():
                said |= {key: event.at for key in said if key[0] == event.index}
            case payload:
                said[event.index, subject(payload)] = event.at
    return said


def _coming(farm: Coordinator, serial: int) -> set[str]:
    """Digests of what is wanted on an index, or came onto one after that event."""
    wanted = {each.artifact.sha256 for each in farm.events.publications(states=WANTED)}  # before they are published
    news = (event.payload for event in farm.events.since(serial))
    return wanted | {each.artifact.sha256 for each in news if isinstance(each, FilePublished | DocsPublished)}
