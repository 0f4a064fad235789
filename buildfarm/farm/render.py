"""From index events to pages on disk: what lags is written, for an index and for all that inherit from it."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, takewhile

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.lay_out import lay_out
from buildfarm.model.events import IndexEvent
from buildfarm.model.index import Index, awaited, closure, depth, heirs, layers
from buildfarm.pages.addresses import SERIAL
from buildfarm.pages.project import Project, held, merged
from buildfarm.pages.simple import render_project, render_root

PAGES, ROOTS = "pages", "roots"
"""What is rendered up to a serial: the pages of projects, and those that list them."""

PROJECTS = "projects"
"""The position in the events of projects, where that in all events is before settings that are not rendered yet."""

SETTINGS = "settings"
"""The lock of whoever writes pages for other settings of an index."""

_TOGETHER = 20  # projects

Content = tuple[bytes, Iterable[str]]


def catch_up(farm: Coordinator) -> None:
    """Bring all that is made of events up to the last one: pages of projects, those that list them, documentation."""
    render_settings(farm)
    render_roots(farm)
    lay_out(farm)


def render(farm: Coordinator, settled: int = 0) -> None:
    """Bring the pages of every project up to its last event. Whoever waits for the lock then finds nothing to do.

    Settings of an index change the pages of all that it shows: those after the event ``settled`` are left to
    ``render_settings``, and the position stays before them; another says which events of projects are done.
    """
    with farm.rendering.lock(PAGES):
        news = farm.events.since(farm.rendering.position(PAGES))
        if not news:
            return
        done, last = farm.rendering.position(PROJECTS), news[-1].serial
        indexes = farm.events.indexes()
        changed: defaultdict[str, set[str]] = defaultdict(set)
        of_projects = (event for event in news if event.payload.project and event.serial > done)
        for index, project in {(event.index, event.payload.project) for event in of_projects}:
            # With what waits for an index, its heirs show no more what a mirror has of that name.
            for heir in heirs(awaited(index) or index, indexes):
                changed[project] |= {heir}
        until = _before_settings(news, settled)
        serial = [(written(until), [SERIAL])] if until else []
        farm.tree.spread(chain(_pages(farm, changed.items(), indexes), serial))
        if done < last != until:
            farm.rendering.advance(PROJECTS, last)
        if until:
            farm.rendering.advance(PAGES, until)


def render_settings(farm: Coordinator) -> None:
    """Bring the pages of every project up to the last event, settings of indexes too. Those can be thousands, so they
    are written some at a time, and whoever uploads meanwhile waits for some alone. Killed, it begins anew: what is
    written already is left alone.
    """
    with farm.rendering.lock(SETTINGS):
        news = [event for event in farm.events.since(farm.rendering.position(PAGES)) if not event.payload.project]
        indexes = farm.events.indexes() if news else {}
        changed: defaultdict[str, set[str]] = defaultdict(set)
        for heir in {heir for event in news for heir in heirs(event.index, indexes)}:
            bases = [each.name for each in closure(heir, indexes)]  # whose pages, where equal, become its own
            for project in _all_projects(farm, heir, indexes):
                changed[project].update(bases)
        left = iter(sorted(changed.items()))
        while some := tuple(islice(left, _TOGETHER)):
            with farm.rendering.lock(PAGES):
                farm.tree.spread(_pages(farm, some, farm.events.indexes()))
        render(farm, news[-1].serial if news else 0)


def written(serial: int) -> bytes:
    """The file that says how far the pages follow the events."""
    return b"%d\n" % serial


def render_roots(farm: Coordinator) -> None:
    """Bring the pages that list the projects up to what the pages of the projects are.

    Installers never ask for them, and they grow with the index: so they may lag, and are written for many events at
    once.
    """
    with farm.rendering.lock(PAGES):
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


def _before_settings(news: Iterable[IndexEvent], settled: int) -> int:
    """The serial of the last event before the first settings after ``settled``; 0 where that is the first of all."""
    before = takewhile(lambda event: event.payload.project or event.serial <= settled, news)
    return max((event.serial for event in before), default=0)


def _pages(
    farm: Coordinator, changed: Iterable[tuple[str, Iterable[str]]], indexes: Mapping[str, Index]
) -> Iterator[Content]:
    """The pages of projects on the indexes beside each."""
    return chain.from_iterable(_shown(farm, project, showing, indexes) for project, showing in sorted(changed))


def _shown(farm: Coordinator, project: str, showing: Iterable[str], indexes: Mapping[str, Index]) -> Iterator[Content]:
    """The pages of one project on those indexes, equal ones once; where there is nothing to show they are removed."""
    own = _own(farm, project)
    alike: defaultdict[tuple[int, tuple[Index, ...]], list[str]] = defaultdict(list)
    for name in sorted(showing):
        alike[depth(name), layers(name, indexes, own)].append(name)
    for (deep, seen), names in alike.items():
        shown = merged(project, ((each, own[each.name]) for each in seen))
        if any(own[each.name].files for each in seen):
            yield from _twins(render_project(shown, deep), names)
        else:
            for name in names:
                _remove(farm, f"{name}/simple/{project}")


def _own(farm: Coordinator, project: str) -> dict[str, Project]:
    """What each index itself holds of the project."""
    holding = held(farm.events.of_project(project))
    return {index: projects[project] for index, projects in holding.items() if project in projects}


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
