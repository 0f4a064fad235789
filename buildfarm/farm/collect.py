"""Bytes that no page links to any more: kept for a while after they were deleted or replaced, then removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.publish import LIVE, WANTED
from buildfarm.model.events import IndexEvent, subject
from buildfarm.pages.documents import last_said
from buildfarm.pages.project import fold

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
    whose wheel is there.
    """
    # The tree is looked at before the ledger: what is put in place meanwhile is wanted, or said, by then.
    found = tuple(_files(farm, {event.index for event in farm.events.since(0)}))
    told: defaultdict[str, list[IndexEvent]] = defaultdict(list)
    for event in farm.events.since(0):
        told[event.index].append(event)
    kept = _kept(farm, told)
    until = datetime.fromisoformat(farm.clock()).timestamp() - older_than
    said = {(event.index, subject(event.payload)): event.at for events in told.values() for event in events}
    dead = [each for each in found if each not in kept and said.get((each[0], each[2]), 0.0) <= until]
    for index, sha256, _ in dead:
        farm.tree.clear(f"{index}/+f/{sha256}")
    needed = {sha256 for _, sha256, _ in set(found) - set(dead) | kept}
    needed |= {each.artifact.sha256 for each in farm.events.publications() if each.build or each.state in LIVE}
    for sha256 in {sha256 for _, sha256, _ in dead} - needed:
        farm.store.remove(sha256)
    return tuple(
        Collected(index=index, filename=name, sha256=sha256, forgotten=sha256 not in needed)
        for index, sha256, name in dead
    )


def _files(farm: Coordinator, indexes: set[str]) -> Iterator[_Place]:
    """Every file in the tree; what stands beside it begins with its name."""
    for index in sorted(indexes):
        for sha256 in farm.tree.names(f"{index}/+f"):
            for name in farm.tree.names(f"{index}/+f/{sha256}")[:1]:
                yield index, sha256, name


def _kept(farm: Coordinator, told: dict[str, list[IndexEvent]]) -> set[_Place]:
    """What is on an index, or on its way to one."""
    on = {
        (index, file.published.artifact.sha256, file.name)
        for index, events in told.items()
        for project in fold(events).values()
        for file in project.files
    }
    docs = {
        (index, found.sha256, found.name)
        for events in told.values()
        for (index, _, _), found in last_said(events).items()
        if found
    }
    coming = farm.events.publications(states=WANTED)
    return on | docs | {(each.index, each.artifact.sha256, each.artifact.name) for each in coming}
