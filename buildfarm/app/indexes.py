"""Indexes for people and programs: what each is like, what it has, what waits, and what happened last."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from buildfarm.app.harmless import harmless
from buildfarm.app.proxying import proxies
from buildfarm.app.table import Cell, print_table
from buildfarm.farm.checkup import Fault
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of
from buildfarm.farm.gate import waiting
from buildfarm.farm.names import foreign
from buildfarm.model.events import FilePublished, IndexConfigured, IndexEvent, Payload, subject
from buildfarm.model.index import Index, awaited, closure, laid_open
from buildfarm.model.records import Publication
from buildfarm.pages.changes import change

_LAST = 20  # events that are shown


def list_json(farm: Coordinator) -> list[dict[str, Any]]:
    """Every index that is no other's ``+pending``, by name."""
    indexes = farm.events.indexes()
    return [
        {
            **settings_json(index),
            "projects": len(farm.events.projects(name)),
            "pending": len(waiting(farm, name)),
        }
        for name, index in sorted(indexes.items())
        if not awaited(name)
    ]


def settings_json(index: Index) -> dict[str, Any]:
    """What an index is like."""
    return {
        "name": index.name,
        "class": str(index.kind),
        "bases": list(index.bases),
        "volatile": index.volatile,
        "private": index.private,
        "accepts": [str(each) for each in index.accepts],
        "reserved": list(index.reserved),
    }


def show_json(farm: Coordinator, name: str) -> dict[str, Any]:
    """One index; raises ``Refused`` (404) where there is none. Times are seconds since 1970."""
    index, indexes = index_of(farm, name), farm.events.indexes()
    return {
        **settings_json(index),
        "closure": [each.name for each in closure(name, indexes)],
        "open": opened(farm, name),
        "projects": len(farm.events.projects(name)),
        "pending": [_pending_json(each) for each in waiting(farm, awaited(name) or name)],
        "foreign": foreign_json(farm, [name]),
        "proxies": list(proxies(name, farm.owners.live())),
        "events": [event_json(each) for each in farm.events.latest([name], None, _LAST)],
    }


def foreign_json(farm: Coordinator, names: Iterable[str]) -> list[dict[str, Any]]:
    """What these indexes show from mirrors though its name is another index's own."""
    return [asdict(each) for each in foreign(farm, names)]


def foreign_text(found: Iterable[dict[str, Any]], console: Console) -> None:
    """A line for each."""
    for each in found:
        project, owner, index = each["project"], each["owners"][0], each["index"]
        remedy = f"install from an heir of both, or `buildfarm disown {project} --index {owner}`"
        _say(console, f"{project} of {index} is from a mirror, and the name is {owner}'s own: {remedy}", "yellow")


def opened(farm: Coordinator, name: str) -> list[str]:
    """A sentence for each private index whose files everybody sees because of that one."""
    return [
        f"{public} is not private and inherits from {private}, so everybody may read the files of {private}: "
        f"`buildfarm index set {public} --private`, or let it inherit from something else"
        for public, private in laid_open(name, farm.events.indexes())
    ]


def list_table(indexes: Iterable[dict[str, Any]], console: Console) -> None:
    """The same for a person."""
    rows = [(each["name"], *_kinds(each), " ".join(each["bases"])) for each in indexes]
    print_table(console, ("index", "class", "is", "projects", "waiting", "inherits from"), rows)


def show_text(document: dict[str, Any], console: Console) -> None:
    """One index for a person."""
    _, is_, *_ = _kinds(document)
    _say(console, f"{document['name']}: {document['class']}{f', {is_}' if is_ else ''}", "bold")
    _say(console, f"inherits from: {' ← '.join(document['closure'][1:]) or 'none'}")
    for each in document["open"]:
        _say(console, f"open: {each}", "yellow")
    _say(console, f"accepts files whose tests: {', '.join(document['accepts']) or 'none'}")
    if document["reserved"]:
        _say(console, f"reserved names: {', '.join(document['reserved'])}")
    _say(console, f"projects of its own: {document['projects']}")
    for each in document["pending"]:
        _say(console, f"waits: {each['filename']} of {each['who'] or 'nobody'}: {each['reason']}", "yellow")
    if document["pending"]:
        _say(console, "`buildfarm logs PROJECT` shows tests, `buildfarm index retry` runs them again", "dim")
        _say(console, "what has none here: `buildfarm index set INDEX --accepts passed,skipped,not-run`, retry", "dim")
    foreign_text(document["foreign"], console)
    for each in document["proxies"]:
        _say(console, f"a proxy answers for what it lacks: {each} on this machine", "yellow")
    rows: list[tuple[Cell, ...]] = [
        (moment(each["at"]), each["who"] or "-", each["kind"], each["said"]) for each in document["events"]
    ]
    if rows:
        print_table(console, ("when", "who", "what", ""), rows)


def known(farm: Coordinator, names: Iterable[str]) -> tuple[str, ...]:
    """The names, each of an index that is there; raises ``Refused`` (404) for the first that is not."""
    return tuple(index_of(farm, name).name for name in names)


def faults_json(faults: Iterable[Fault]) -> list[dict[str, str]]:
    """Faults of a tree."""
    return [{"path": each.path, "what": each.what} for each in faults]


def faults_text(faults: Iterable[Fault], console: Console) -> None:
    """A line for each."""
    for each in faults:
        _say(console, f"{each.what:8} {each.path}", "red")


def _kinds(document: dict[str, Any]) -> tuple[Cell, ...]:
    is_ = [each for each in ("volatile", "private") if document[each]]
    pending = document["pending"]
    count = pending if isinstance(pending, int) else len(pending)
    return document["class"], ", ".join(is_), str(document["projects"]), str(count)


def _pending_json(publication: Publication) -> dict[str, Any]:
    return {
        "filename": publication.artifact.name,
        "project": publication.project,
        "version": publication.version,
        "who": publication.arrival.who,
        "reason": publication.note or "its tests are not over; `buildfarm index settle` runs them",
    }


def event_json(event: IndexEvent) -> dict[str, Any]:
    """An event as JSON types; its time in seconds since 1970."""
    done = change(event)
    more = "; ".join(filter(None, (done.note, _details(event.payload))))
    return {
        "serial": event.serial,
        "at": event.at,
        "who": event.who,
        "kind": done.what,
        "project": event.payload.project,
        "file": subject(event.payload),
        "said": ": ".join(filter(None, (done.subject, more))),
    }


def _details(payload: Payload) -> str:
    """What whoever keeps the indexes is told besides: every result, and what an index is more than its traits."""
    match payload:
        case FilePublished(tried=tried):
            return ", ".join(f"{each.target} {each.verdict}" for each in tried)
        case IndexConfigured(index=index):
            more = {"bases": index.bases, "accepts": index.accepts, "reserved": index.reserved}
            return "; ".join(f"{name} {', '.join(values)}" for name, values in more.items() if values)
        case _:
            return ""


def moment(at: float) -> str:
    """A time in seconds since 1970, as this machine's clock says it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(Text(harmless(line), style), soft_wrap=True)
