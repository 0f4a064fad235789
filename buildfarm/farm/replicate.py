"""A replica follows its primary: files first, then the events with their serials, then the pages that they come to.

Killed at any moment, it has every file that a page of it links to, and the next run goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.publish import FILES, PROVENANCE
from buildfarm.farm.render import catch_up, render_settings
from buildfarm.model.errors import FarmError
from buildfarm.model.events import DocsPublished, IndexDeleted, IndexEvent, subject
from buildfarm.model.standing import Changes, Standing
from buildfarm.model.wheel import Artifact
from buildfarm.pages.project import fold
from buildfarm.ports import Primary

_LARGEST = 64 << 20  # bytes of what lies beside a file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A file of an index; ``metadata`` is the sha256 of what lies beside it, where something does."""

    index: str
    artifact: Artifact
    metadata: str = ""

    @property
    def path(self) -> str:
        return f"{self.index}/+f/{self.artifact.sha256}/{self.artifact.name}"


def replicate(farm: Coordinator, primary: Primary) -> Standing:
    """Take over every event that the primary has beyond ours; where this home then stands.

    A primary that took over from this home makes a replica of it. Where this home itself writes, and that one follows
    it, nothing is done. Raises ``FarmError`` where both write, where that one was written off, where one of our events
    is not among its own, and where it lacks a file or gives other bytes.
    """
    if not _agree(farm, primary):
        return farm.replication.standing()
    while _take(farm, primary):
        render_settings(farm)
    catch_up(farm)  # with what a kill left
    return farm.replication.standing()


def _agree(farm: Coordinator, primary: Primary) -> bool:
    """Whether to follow: both then know who writes, and have the same past."""
    ours = farm.replication.standing()
    answer = primary.changes(max(ours.serial - 1, 0))
    theirs = answer.standing
    if ours.serial and not ours.primary and theirs.epoch <= ours.epoch:
        if theirs.primary or theirs.epoch < ours.epoch:
            return False
        raise FarmError(
            f"this home and {primary.url} both write (epoch {ours.epoch}), so neither can follow the other: "
            "a replica begins with a home that has no index yet"
        )
    # Before anything else: from here on nothing is written here that the other would not know.
    farm.replication.follow(theirs.primary or primary.url, theirs.epoch)
    _compare(farm, primary, ours, answer)
    return True


def _compare(farm: Coordinator, primary: Primary, ours: Standing, answer: Changes) -> None:
    """Raise ``FarmError`` unless our last event is one of theirs too, whence all before it are."""
    last = farm.replication.after(max(ours.serial - 1, 0), 1)
    if ours.serial and answer.events[:1] != last:
        raise FarmError(
            f"event {ours.serial} of this home, by {last[0].who or 'nobody named'} on {last[0].index}, is not one of "
            f"{primary.url}: this home has events that were never replicated, and cannot go on from them. It only "
            "reads now. See what it has that the other lacks, then make a replica in a new, empty home"
        )


def _take(farm: Coordinator, primary: Primary) -> bool:
    """Take over the next events, with their files; False where there are none."""
    with farm.rendering.lock(FILES, shared=True):
        events = _batch(farm, primary)
        if events:
            farm.replication.take(events)
    return bool(events)


def _batch(farm: Coordinator, primary: Primary) -> tuple[IndexEvent, ...]:
    """The next events, with every file in place that is still there after them.

    What the primary no longer has was deleted or replaced since: then the batch goes on to the event that says so.
    """
    events: tuple[IndexEvent, ...] = ()
    while True:
        since = events[-1].serial if events else farm.replication.standing().serial
        more = primary.changes(since).events
        events += more
        with ThreadPoolExecutor(max_workers=8) as pool:  # what takes time is the way there and back
            lacking = [path for path in pool.map(lambda file: _lacks(farm, primary, file), _living(events)) if path]
        if not lacking:
            return events
        if not more:
            raise FarmError(f"{primary.url} lacks a file of its own: {lacking[0]}; `buildfarm index verify` there")


def _living(events: tuple[IndexEvent, ...]) -> Iterator[_Wanted]:
    """The files that these events put onto an index, and that no later one of them takes away."""
    told: defaultdict[str, list[IndexEvent]] = defaultdict(list)
    for event in events:
        if isinstance(event.payload, IndexDeleted):
            told.pop(event.index, None)
        else:
            told[event.index].append(event)
    for index, of_index in told.items():
        for project in fold(of_index).values():
            for file in project.files:
                published = file.published
                yield _Wanted(index=index, artifact=published.artifact, metadata=published.metadata_sha256)
        docs = {(each.payload.project, subject(each.payload)): each.payload for each in of_index}
        for payload in docs.values():
            if isinstance(payload, DocsPublished):
                yield _Wanted(index=index, artifact=payload.artifact)


def _lacks(farm: Coordinator, primary: Primary, wanted: _Wanted) -> str:
    """Bring a file and what lies beside it into the tree; the path of what the primary does not have."""
    artifact, path = wanted.artifact, wanted.path
    if not farm.store.has(artifact.sha256):
        kept = primary.fetch(path, lambda content: farm.store.put(artifact.name, content))
        if kept is None:
            return path
        _insist(kept.sha256, artifact.sha256, path, primary)
    farm.tree.link(path, artifact)
    for ending, digest in {".metadata": wanted.metadata, PROVENANCE: ""}.items():
        if farm.tree.read(path + ending) is None and (digest or ending == PROVENANCE):
            content = primary.fetch(path + ending, lambda content: content.read(_LARGEST))
            if content is not None:
                _insist(sha256(content).hexdigest(), digest, path + ending, primary)
                farm.tree.write(path + ending, content)
            elif digest:
                return path + ending
    return ""


def _insist(found: str, digest: str, path: str, primary: Primary) -> None:
    if digest and found != digest:
        raise FarmError(f"{primary.url} answers other bytes for {path} than its events say: sha256 {found}")
