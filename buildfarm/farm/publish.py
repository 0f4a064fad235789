"""wanted → published: the file in place, then the event, then the pages. Each part may be repeated by anybody."""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256

from packaging.utils import canonicalize_name

from buildfarm import __version__
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.render import render
from buildfarm.model.events import FilePublished
from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Built
from buildfarm.model.records import Publication
from buildfarm.pages.statement import Build, statement
from buildfarm.ports import Progress
from buildfarm.verify.wheelfile import read_wheel

PROVENANCE = ".provenance.json"
"""What the name of a wheel is followed by in that of its statement. PEP 740 means another kind of file, signed."""


def publish(farm: Coordinator, builds: Container[str]) -> int:
    """Publish what is wanted, by whomever; the count of files that are now on a page.

    ``builds`` are the keys of the request's own build jobs: what is done for another one is told so.
    """
    done = 0
    for publication in farm.events.publications(states=frozenset({"wanted"})):
        if _place(farm, publication):
            render(farm)
            farm.events.settle(publication, "published")
            whose = "" if publication.build in builds else ", for another request"
            message = f"published on {publication.index}{whose}"
            farm.report(Progress(job=publication.artifact.name, step="publish", message=message))
            done += 1
        else:
            note = "a file of that name with other bytes lies in the tree"
            farm.events.settle(publication, "conflict", note)
            farm.report(Progress(job=publication.artifact.name, step="publish", message=f"CONFLICT: {note}"))
    return done


def _place(farm: Coordinator, publication: Publication) -> bool:
    artifact, index = publication.artifact, publication.index
    with farm.store.open(artifact.sha256) as content:
        wheel = read_wheel(artifact.name, content)
    path = f"{index}/+f/{artifact.sha256}/{artifact.name}"
    if not farm.tree.link(path, artifact):
        return False
    farm.tree.write(f"{path}.metadata", wheel.metadata.raw)
    if build := _build(farm, publication):
        farm.tree.write(f"{path}{PROVENANCE}", statement(artifact, build, __version__))
    farm.events.append(
        index,
        FilePublished(
            project=canonicalize_name(publication.project),
            version=publication.version,
            artifact=artifact,
            metadata_sha256=sha256(wheel.metadata.raw).hexdigest(),
            uploaded=farm.clock(),
            requires_python=wheel.metadata.requires_python,
        ),
    )
    return True


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
