"""Every input of a wheel, from the ledger: what it was made of, by which attempt, and where it went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.find import begins
from buildfarm.model.errors import RecipeError
from buildfarm.model.job import BuildJob, Input, TestJob
from buildfarm.model.outcome import Built
from buildfarm.model.records import JobRow, Publication
from buildfarm.pages.project import fold


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


def why(farm: Coordinator, wheel: str) -> tuple[Story, ...]:
    """The stories of all wheels with that file name or of that project, or whose sha256 or job key begins with it.

    Raises ``RecipeError`` where there is none.
    """
    rows = farm.jobs.rows()
    stories = tuple(
        _story(farm, row, row.job, row.outcome, rows)
        for row in rows
        if isinstance(row.job, BuildJob) and isinstance(row.outcome, Built) and _is_meant(wheel, row.outcome, row.job)
    )
    if not stories:
        raise RecipeError(f"no wheel of {wheel!r} is known; `buildfarm status` lists what was built")
    return stories


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
