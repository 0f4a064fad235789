"""From index events to pages on disk: what lags is written, for an index and for all that inherit from it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.lay_out import lay_out
from buildfarm.model.index import Index, awaited, closure, depth, heirs, layers
from buildfarm.pages.project import Project, fold, merged
from buildfarm.pages.simple import render_project, render_root

PAGES, ROOTS = "pages", "roots"
"""What is rendered up to a serial: the pages of projects, and those that list them."""

Content = tuple[bytes, Iterable[str]]


def render(farm: Coordinator) -> None:
    """Bring every page of a project up to the last event. Whoever waits for the lock then finds nothing to do."""
    with farm.rendering.lock():
        news = farm.events.since(farm.rendering.position(PAGES))
        if not news:
            return
        indexes = farm.events.indexes()
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for index, project in {(event.index, event.payload.project) for event in news}:
            for heir in heirs(index, indexes):
                changed[project] |= {heir}
        for heir in changed.pop("", ()):
            for project in _all_projects(farm, heir, indexes):
                changed[project] |= {heir}
        pages = (_shown(farm, project, showing, indexes) for project, showing in sorted(changed.items()))
        farm.tree.spread(chain.from_iterable(pages))
        lay_out(farm, news)
        farm.rendering.advance(PAGES, news[-1].serial)


def render_roots(farm: Coordinator) -> None:
    """Bring the pages that list the projects up to what the pages of the projects are.

    Installers never ask for them, and they grow with the index: so they may lag, and are written for many events at
    once.
    """
    with farm.rendering.lock():
        until, done = farm.rendering.position(PAGES), farm.rendering.position(ROOTS)
        if done == until:
            return
        indexes = farm.events.indexes()
        news = {event.index for event in farm.events.since(done) if event.serial <= until}
        own: dict[str, frozenset[str]] = {}
        pages: defaultdict[frozenset[str], list[str]] = defaultdict(list)
        for heir in {heir for index in news for heir in heirs(index, indexes)}:
            if heir not in indexes:
                _clear(farm, heir)
                continue
            seen = _listed(heir, indexes)
            for each in seen:
                if each not in own:
                    own[each] = farm.events.projects(each)
            pages[frozenset().union(*(own[each] for each in seen))].append(heir)
        for names, showing in pages.items():
            farm.tree.spread(_twins(render_root(names), showing))
        farm.rendering.advance(ROOTS, until)


def _shown(farm: Coordinator, project: str, showing: Iterable[str], indexes: Mapping[str, Index]) -> Iterator[Content]:
    """The pages of one project on those indexes, equal ones once; where there is nothing to show they are removed."""
    own = _own(farm, project)
    alike: defaultdict[tuple[int, tuple[Index, ...]], list[str]] = defaultdict(list)
    for name in sorted(showing):
        alike[depth(name), layers(name, indexes, own)].append(name)
    for (deep, seen), names in alike.items():
        shown = merged(project, ((each, own[each.name]) for each in seen))
        if seen:
            yield from _twins(render_project(shown, deep), names)
        else:
            for name in names:
                _remove(farm, f"{name}/simple/{project}")


def _own(farm: Coordinator, project: str) -> dict[str, Project]:
    """What each index itself has of the project."""
    told = defaultdict(list)
    for event in farm.events.of_project(project):
        told[event.index].append(event)
    folded = {index: fold(events).get(project) for index, events in told.items()}
    return {index: found for index, found in folded.items() if found}


def _twins(pages: Mapping[str, bytes], names: Iterable[str]) -> Iterator[Content]:
    """The pages and their compressed twins for the indexes, JSON last: who reads that sees all the rest."""
    for path, content in sorted(pages.items()):
        whole = [f"{name}/simple/{path}" for name in names]
        yield gzip.compress(content, mtime=0), [f"{each}.gz" for each in whole]
        yield content, whole


def _all_projects(farm: Coordinator, name: str, indexes: Mapping[str, Index]) -> frozenset[str]:
    """Every project that the index shows, or showed."""
    shown = frozenset(each for each in farm.tree.names(f"{name}/simple") if not each.startswith("index."))
    if name not in indexes:
        return shown
    return shown.union(*(farm.events.projects(each) for each in _listed(name, indexes)))


def _listed(name: str, indexes: Mapping[str, Index]) -> tuple[str, ...]:
    """The indexes whose projects it lists."""
    return (name,) if awaited(name) else tuple(each.name for each in closure(name, indexes))


def _clear(farm: Coordinator, name: str) -> None:
    """An index that is no longer there has no page."""
    _remove(farm, f"{name}/simple")


def _remove(farm: Coordinator, folder: str) -> None:
    for name in ("index.json", "index.json.gz", "index.html", "index.html.gz"):
        farm.tree.remove(f"{folder}/{name}")
    if not farm.tree.names(folder):
        farm.tree.clear(folder)  # that a kill left empty
