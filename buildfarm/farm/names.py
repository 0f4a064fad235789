"""Whose the name of a project is: an internal index's own, from its first file on, until it is given up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of, project_of
from buildfarm.farm.render import render
from buildfarm.model.errors import Refused
from buildfarm.model.events import NameGivenUp
from buildfarm.model.index import Index, IndexClass, awaited, closure, pending_of
from buildfarm.pages.project import held
from buildfarm.ports import Events


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A project that an index shows from a mirror, while the name is the own of ``owners``, of which it shows nothing.

    Whoever installs from that index may take it for ours.
    """

    index: str
    project: str
    owners: tuple[str, ...]


def owners(events: Events, project: str) -> tuple[Index, ...]:
    """The internal indexes whose own the name of the project (normalised) is, by their names.

    A name stays an index's own when the last file is gone, and is so while the first one waits for its tests.
    """
    indexes, holding = events.indexes(), held(events.of_project(project))
    return tuple(
        indexes[name]
        for name in sorted(holding)
        if project in holding[name] and name in indexes and not awaited(name) and _is_ours(indexes[name])
    )


def lasting(events: Events, project: str) -> tuple[str, ...]:
    """Names of those owners that decide for the whole farm, which volatile ones do not."""
    return tuple(each.name for each in owners(events, project) if _lasts(each))


def reserving(events: Events, project: str) -> Iterator[tuple[str, str]]:
    """The indexes that reserve the name (normalised) for ours, each with its glob: any of them does for all."""
    for index in events.indexes().values():
        yield from ((index.name, glob) for glob in index.reserved if fnmatchcase(project, glob))


def give_up(farm: Coordinator, projects: Iterable[str], *, index: str, who: str = "") -> tuple[NameGivenUp, ...]:
    """Let names be the index's own no longer: what a mirror has of them is then shown by its heirs.

    Raises ``Refused`` where it has files of one, or some wait for it, and (404) where a name is not its own.
    """
    index_of(farm, index)
    names = tuple(dict.fromkeys(canonicalize_name(each) for each in projects))
    wrong = [
        f"{each} has files of {name}: delete them first (`buildfarm delete`), or the name stays its own"
        for name in names
        for each in (index, pending_of(index))
        if project_of(farm, each, name).files
    ]
    if wrong:
        raise Refused("\n".join(wrong))
    absent = [name for name in names if index not in (each.name for each in owners(farm.events, name))]
    if absent:
        raise Refused("\n".join(f"the name {name} is not {index}'s own" for name in absent), 404)
    events = tuple(NameGivenUp(project=name) for name in names)
    for event in events:
        for each in (index, pending_of(index)):
            if farm.events.events(each, event.project):
                farm.events.append(each, event, who)
    render(farm)
    return events


def foreign(farm: Coordinator, names: Iterable[str]) -> Iterator[Foreign]:
    """What these indexes show from mirrors though the name is a lasting index's own that they do not inherit from."""
    indexes = farm.events.indexes()
    said, having = cache(farm.events.names), cache(farm.events.projects)
    owned = cache(lambda project: owners(farm.events, project))
    for name in names:
        inside = closure(name, indexes)
        mirrored = frozenset().union(*(having(each.name) for each in inside if not _is_ours(each)))
        own = (said(at) for at, each in indexes.items() if mirrored and _lasts(each) and each not in inside)
        for project in sorted(mirrored.intersection(frozenset().union(*own))):
            others = tuple(each.name for each in owned(project) if _lasts(each))
            if others and not {*owned(project)} & {*inside}:
                yield Foreign(index=name, project=project, owners=others)


def _lasts(index: Index) -> bool:
    """Whether it decides for the whole farm: not a volatile one, or whoever may upload to a sandbox could keep a name
    out of it.
    """
    return _is_ours(index) and not index.volatile


def _is_ours(index: Index) -> bool:
    return index.kind is IndexClass.INTERNAL
