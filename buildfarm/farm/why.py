"""Why a file is what it is, from the ledger: of what was built here every input, the attempt, and where it went; of
what was not, how it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.find import begins
from buildfarm.model.distribution import named
from buildfarm.model.errors import RecipeError
from buildfarm.model.events import FileDeleted, FilePublished, IndexEvent, subject
from buildfarm.model.job import BuildJob, Input, TestJob
from buildfarm.model.outcome import Built
from buildfarm.model.records import JobRow, Publication
from buildfarm.model.wheel import Artifact
from buildfarm.pages.project import fold

_SHA256 = re.compile("[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A wheel's build, its tests and its publications; why it is yanked (PEP 592), by the index where it is."""

    build: JobRow
    job: BuildJob
    wheel: Built
    inputs: tuple[Input, ...]
    tests: tuple[JobRow, ...]
    publications: tuple[Publication, ...]
    yanked: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A distribution that was not built here, and what happened to it on the indexes, in that order."""

    artifact: Artifact
    events: tuple[IndexEvent, ...]


def why(farm: Coordinator, wanted: str) -> tuple[tuple[Story, ...], tuple[Arrival, ...]]:
    """The stories of all wheels with that file name or of that project, or whose sha256 or job key begins with it; and
    the arrivals of what else is meant by that.

    Raises ``RecipeError`` where there is neither.
    """
    rows = farm.jobs.rows()
    stories = tuple(
        _story(farm, row, row.job, row.outcome, rows)
        for row in rows
        if isinstance(row.job, BuildJob) and isinstance(row.outcome, Built) and _is_meant(wanted, row.outcome, row.job)
    )
    built = {row.outcome.wheel.artifact.sha256 for row in rows if isinstance(row.outcome, Built)}
    arrivals = tuple(each for each in _arrivals(farm, wanted) if each.artifact.sha256 not in built)
    if not stories and not arrivals:
        raise RecipeError(
            f"no file of {wanted!r} is known; `buildfarm status` lists what was built, the page of an index what it has"
        )
    return stories, arrivals


def _arrivals(farm: Coordinator, wanted: str) -> Iterator[Arrival]:
    name = wanted.rpartition("/")[2]
    file = named(name)
    project = file.project if file else canonicalize_name(name)
    events = farm.events.of_project(project)
    by_project = bool(events) and not file
    if not events and _SHA256.fullmatch(wanted):
        events = farm.events.since(0)
    for artifact, its in _histories(events).items():
        if by_project or artifact.name == name or begins(artifact.sha256, wanted):
            yield Arrival(artifact=artifact, events=its)


def _histories(events: Iterable[IndexEvent]) -> Mapping[Artifact, tuple[IndexEvent, ...]]:
    """What happened to each file, from the events in their order: each is about the file that has the name just then,
    and one that replaces it about both.
    """
    there: dict[tuple[str, str], Artifact] = {}
    told: dict[Artifact, list[IndexEvent]] = {}
    for event in events:
        place = event.index, subject(event.payload)
        concerned = [there[place]] if place in there else []
        match event.payload:
            case FilePublished(artifact=artifact):
                concerned = list(dict.fromkeys((*concerned, artifact)))
                there[place] = artifact
            case FileDeleted(sha256=meant) if concerned and meant in ("", concerned[0].sha256):
                del there[place]
            case FileDeleted():  # what was meant had gone
                concerned = []
        for each in concerned:
            told.setdefault(each, []).append(event)
    return {artifact: tuple(its) for artifact, its in told.items()}


def _story(farm: Coordinator, row: JobRow, job: BuildJob, built: Built, rows: Iterable[JobRow]) -> Story:
    sha256 = built.wheel.artifact.sha256
    publications = tuple(each for each in farm.events.publications() if each.artifact.sha256 == sha256)
    return Story(
        build=row,
        job=job,
        wheel=built,
        inputs=farm.jobs.inputs(job.key),
        tests=tuple(each for each in rows if isinstance(each.job, TestJob) and each.job.wheel.sha256 == sha256),
        publications=publications,
        yanked={
            each.index: file.yanked
            for each in publications
            for project in fold(farm.events.events(each.index, canonicalize_name(job.project))).values()
            for file in project.files
            if file.published.artifact.sha256 == sha256 and file.yanked is not None
        },
    )


def _is_meant(wheel: str, built: Built, job: BuildJob) -> bool:
    artifact = built.wheel.artifact
    if wheel.rpartition("/")[2] in (artifact.name, job.project):
        return True
    return begins(artifact.sha256, wheel) or begins(job.key, wheel)
