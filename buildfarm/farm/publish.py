"""wanted → published: the file in place, then the event, then the pages. Each part may be repeated by anybody."""

from __future__ import annotations

from collections.abc import Container, Iterable
from contextlib import suppress
from hashlib import sha256

from packaging.utils import canonicalize_name

from buildfarm import __version__
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.distribution import read_distribution
from buildfarm.farm.render import render
from buildfarm.model.errors import Refused
from buildfarm.model.events import FilePublished
from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Built
from buildfarm.model.records import Publication
from buildfarm.model.wheel import Artifact
from buildfarm.pages.statement import Build, statement
from buildfarm.ports import Progress

PROVENANCE = ".provenance.json"
"""What the name of a wheel is followed by in that of its statement. PEP 740 means another kind of file, signed."""

FILES = "files"
"""The lock of bytes on their way: whoever keeps them, or puts them into the tree, shares it until an event names them;
who removes some has it alone.
"""

WANTED, LIVE = frozenset({"wanted"}), frozenset({"wanted", "published"})


def publish(farm: Coordinator, builds: Container[str]) -> int:
    """Publish what is wanted, by whomever; the count of files that are now on a page.

    ``builds`` are the keys of the request's own build jobs: what is done for another one is told so.
    """
    done = 0
    for publication in farm.events.publications(states=WANTED):
        if trouble := _place(farm, publication):
            message = f"CONFLICT: {trouble}"
        else:
            show(farm, [publication])
            whose = "" if publication.build in builds else ", for another request"
            message = f"published on {publication.index}{whose}"
            done += 1
        farm.report(Progress(job=publication.artifact.name, step="publish", message=message))
    return done


def release(farm: Coordinator, publication: Publication) -> bool:
    """Want a file on its index and publish it, now; False where it is there already. Its bytes are in the store.

    When it returns, the page is on disk. Raises ``Refused`` where the index has the name with other bytes, unless the
    arrival ``replaces`` those. Killed anywhere, it may be repeated, and a tick finishes it.
    """
    new, live = announce(farm, publication)
    show(farm, [live])
    return new


def announce(farm: Coordinator, publication: Publication) -> tuple[bool, Publication]:
    """What ``release`` does but for the page, and the publication that it did it for: ``show`` writes many at once."""
    new = farm.events.want(publication)
    name, digest = publication.artifact.name, publication.artifact.sha256
    live = farm.events.publications(publication.index, LIVE, {publication.project})
    mine = next((each for each in live if (each.artifact.name, each.artifact.sha256) == (name, digest)), None)
    if mine is None:
        raise Refused(f"{name} already exists on {publication.index} with other bytes: give it a new version")
    if trouble := _place(farm, mine):
        raise Refused(f"{name} cannot be on {publication.index}: {trouble}")
    return new, mine


def show(farm: Coordinator, publications: Iterable[Publication]) -> None:
    """Bring the pages of what was announced onto the disk, and remember that."""
    render(farm)
    for publication in publications:
        farm.events.settle(publication, "published")


def place_of(index: str, artifact: Artifact) -> str:
    """Where in the tree a file of the index is; what is told of it stands beside it."""
    return f"{index}/+f/{artifact.sha256}/{artifact.name}"


def put_in_place(farm: Coordinator, publication: Publication) -> FilePublished | None:
    """The file in the tree, with what stands beside it, and the event that says so; None where others bytes are there.

    Raises ``FarmError`` where the store does not have it.
    """
    artifact = publication.artifact
    with farm.store.open(artifact.sha256) as content:
        said = read_distribution(artifact.name, content)
    path = place_of(publication.index, artifact)
    if not farm.tree.link(path, artifact):
        return None
    if said.metadata:
        farm.tree.write(f"{path}.metadata", said.metadata)
    if build := _build(farm, publication):
        farm.tree.write(f"{path}{PROVENANCE}", statement(artifact, build, __version__))
    return FilePublished(
        project=canonicalize_name(publication.project),
        version=publication.version,
        artifact=artifact,
        metadata_sha256=sha256(said.metadata).hexdigest() if said.metadata else "",
        uploaded=publication.arrival.uploaded or farm.clock(),
        requires_python=said.requires_python,
        origin=publication.arrival.origin,
        source=publication.arrival.source,
        tried=publication.arrival.tried,
        replaces=publication.arrival.replaces,
    )


def _place(farm: Coordinator, publication: Publication) -> str:
    """The file in place, and the event that says so; why that cannot be, or empty."""
    with farm.rendering.lock(FILES, shared=True):
        try:
            event = put_in_place(farm, publication)
        except Exception:  # else every tick would fail at it again
            with suppress(Exception):  # the disk that is full may be that of the ledger
                farm.events.settle(publication, "withdrawn", "it could not be put in place")
            raise
        if event is None:
            trouble = "a file of that name with other bytes lies in the tree"
            farm.events.settle(publication, "conflict", trouble)
            return trouble
        return farm.events.publish(publication, event)


def _build(farm: Coordinator, publication: Publication) -> Build | None:
    """The attempt that made the wheel; None where it was not built here."""
    row = farm.jobs.row(publication.build) if publication.build else None
    if row is None or not isinstance(row.job, BuildJob) or not isinstance(row.outcome, Built):
        return None
    return Build(
        job=row.job,
        built=row.outcome,
        inputs=farm.jobs.inputs(row.job.key),
        worker=row.worker,
        attempt=row.log,
        started=row.started,
        seconds=row.seconds,
    )
