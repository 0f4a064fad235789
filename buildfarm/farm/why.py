"""Every input of a wheel, from the ledger: what it was made of, by which attempt, and where it went."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.job import BuildJob, Input, TestJob
from buildfarm.model.outcome import Built
from buildfarm.ports import JobRow, Publication


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A wheel's build, its tests and its publications."""

    build: JobRow
    job: BuildJob
    wheel: Built
    inputs: tuple[Input, ...]
    tests: tuple[JobRow, ...]
    publications: tuple[Publication, ...]


def why(farm: Coordinator, wheel: str) -> tuple[Story, ...]:
    """The stories of all wheels with that file name or of that project, or whose sha256 or job key begins with it."""
    rows = farm.jobs.rows()
    return tuple(
        Story(
            build=row,
            job=row.job,
            wheel=row.outcome,
            inputs=farm.jobs.inputs(row.job.key),
            tests=tuple(
                each
                for each in rows
                if isinstance(each.job, TestJob) and each.job.wheel.sha256 == row.outcome.wheel.artifact.sha256
            ),
            publications=tuple(
                each for each in farm.events.publications() if each.artifact.sha256 == row.outcome.wheel.artifact.sha256
            ),
        )
        for row in rows
        if isinstance(row.job, BuildJob) and isinstance(row.outcome, Built) and _is_meant(wheel, row.outcome, row.job)
    )


def _is_meant(wheel: str, built: Built, job: BuildJob) -> bool:
    artifact = built.wheel.artifact
    if wheel.rpartition("/")[2] in (artifact.name, job.project):
        return True
    return len(wheel) >= 8 and (artifact.sha256.startswith(wheel) or job.key.startswith(wheel))
