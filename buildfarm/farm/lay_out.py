"""From events to documentation in the tree: a zip becomes a folder, a version a pointer to it, swapped in one step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import IO

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.errors import BuildfarmError
from buildfarm.model.events import DocsDeleted, DocsPublished, IndexDeleted, IndexEvent
from buildfarm.model.recipe import GIB, MIB
from buildfarm.model.wheel import Artifact
from buildfarm.pages.documents import DOC, LATEST, folder_of, last_said, sorted_versions
from buildfarm.ports import Progress
from buildfarm.steps.archive import whole
from buildfarm.steps.entry import Bounds, Entry, refuse

BOUNDS = Bounds(total=GIB, entries=50_000, small=16 * MIB)
"""How much documentation of one version may be: generated pages compress well, a gigabyte is more than any has."""

DOCS = "docs"
"""What is laid out up to a serial, under a lock of its own: thousands of pages take seconds, and no upload is to wait
for them.
"""

_LARGE = MIB  # bytes of a file that is brought to the disk by itself, not together with hundreds
_WHOLE = ".whole"
_ABOUT = DocsPublished | DocsDeleted | IndexDeleted


def lay_out(farm: Coordinator) -> None:
    """Bring all documentation up to the last event."""
    news = _news(farm)
    if any(isinstance(event.payload, _ABOUT) for event in news):
        with farm.rendering.lock(DOCS):
            news = _news(farm)
            _bring(farm, news)
    if news:
        farm.rendering.advance(DOCS, news[-1].serial)


def lay_out_anew(farm: Coordinator, indexes: Collection[str] = ()) -> None:
    """Lay out what is missing of the documentation of these indexes (none: of all)."""
    with farm.rendering.lock(DOCS):
        _bring(farm, tuple(event for event in farm.events.since(0) if not indexes or event.index in indexes))


def unpack(farm: Coordinator, folder: str, version: str, artifact: Artifact) -> None:
    """Put the pages of a zip of the store where they will be. Nobody is led to them until an event says so."""
    with farm.rendering.lock(DOCS):
        _unpack(farm, f"{folder}/{_place(version, artifact)}", artifact)


def pages_of(name: str, content: IO[bytes]) -> tuple[Entry, ...]:
    """The files of a zip of documentation, those in its one folder where the pages are not at its top.

    Raises ``Unavailable`` (code ``archive``) where it is damaged, too large, not safe, or has no ``index.html``. Files
    whose names begin with a dot have no address, and are left out.
    """
    found = whole(name, content, BOUNDS)
    if links := [entry.path for entry in found if entry.kind == "link"]:
        refuse(name, f"has the link {links[0]!r}: documentation has none")
    files = [entry for entry in found if entry.kind == "file"]
    tops = {entry.path.partition("/")[0] for entry in files}
    if len(tops) == 1 and not any(entry.path == "index.html" for entry in files):
        files = [replace(entry, path=entry.path.partition("/")[2]) for entry in files]
    if not any(entry.path == "index.html" for entry in files):
        refuse(name, "has no index.html at its top")
    return tuple(entry for entry in files if not any(part.startswith(".") for part in entry.path.split("/")))


def _news(farm: Coordinator) -> tuple[IndexEvent, ...]:
    return farm.events.since(farm.rendering.position(DOCS))


def _bring(farm: Coordinator, news: tuple[IndexEvent, ...]) -> None:
    """Bring the documentation that these events are about to where they leave it. May be repeated."""
    for index in {event.index for event in news if isinstance(event.payload, IndexDeleted)}:
        farm.tree.clear(f"{index}/{DOC}")
    for (index, project, version), found in last_said(news).items():
        _show(farm, folder_of(index, project), version, found)


def _place(version: str, artifact: Artifact) -> str:
    return f".{version}/{artifact.sha256}"


def _show(farm: Coordinator, folder: str, version: str, artifact: Artifact | None) -> None:
    """Let the version lead to the files of the zip, or away; then remove those that nobody is led to any more."""
    target = _place(version, artifact) if artifact else ""
    if artifact:
        try:
            _unpack(farm, f"{folder}/{target}", artifact)
        except BuildfarmError as error:  # it is one version's: the pages of all others are not to wait for it
            message = f"its documentation cannot be shown: {error}"
            farm.report(Progress(job=artifact.name, step="publish", message=message))
            return
        farm.tree.point(f"{folder}/{version}", target)
    else:
        farm.tree.clear(f"{folder}/{version}")
    for other in farm.tree.names(f"{folder}/.{version}"):
        if f".{version}/{other}" != target:
            farm.tree.clear(f"{folder}/.{version}/{other}")
    if versions := sorted_versions(farm.tree.names(folder)):
        farm.tree.point(f"{folder}/{LATEST}", versions[0])
    else:
        farm.tree.clear(folder)


def _unpack(farm: Coordinator, at: str, artifact: Artifact) -> None:
    """Put the files of a zip of the store there. Nobody is led to them until all of them are."""
    if farm.tree.read(f"{at}/{_WHOLE}") is None:
        with farm.store.open(artifact.sha256) as content:
            pages = pages_of(artifact.name, content)
            farm.tree.spread((_bytes(each), [f"{at}/{each.path}"]) for each in pages if each.size <= _LARGE)
            for each in pages:
                if each.size > _LARGE:
                    with each.open() as file:
                        farm.tree.pour(f"{at}/{each.path}", file)
        farm.tree.write(f"{at}/{_WHOLE}", b"")


def _bytes(entry: Entry) -> bytes:
    with entry.open() as file:
        return file.read()
