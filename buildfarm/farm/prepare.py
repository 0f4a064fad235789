"""pending → queued: bring everything that a job's session needs into the store."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.patches import stored
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError, StepFailed, Unavailable
from buildfarm.model.job import BuildJob, Input, Lock, SourcePin, TestJob
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Patch
from buildfarm.model.records import JobRow
from buildfarm.model.session import Archive
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.plan.equipment import CARGO
from buildfarm.ports import Progress
from buildfarm.steps import install
from buildfarm.steps.archive import unpacked
from buildfarm.steps.crates import locked_crates
from buildfarm.verify.wheelfile import only_metadata


def prepare(farm: Coordinator, index: str, rows: Iterable[JobRow]) -> None:
    """Prepare pending jobs, several at once; each is queued, or failed with its reason, as soon as it is known."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        for _ in pool.map(lambda row: _prepare(farm, index, row), rows):
            pass


def _prepare(farm: Coordinator, index: str, row: JobRow) -> None:
    job = row.job
    try:
        if isinstance(job, BuildJob):
            inputs, granted = _build_inputs(farm, job, row.wishes, index)
        else:
            inputs, granted = _test_inputs(farm, job), ()
    except Unavailable as unavailable:
        _fail(farm, row, unavailable.reason)
    except Exception as error:  # noqa: BLE001 - one job never stops the others
        _fail(farm, row, _fault(error))
    else:
        farm.jobs.prepared(job.key, inputs, granted)
    farm.bell.ring(job.environment.lane)


def _fail(farm: Coordinator, row: JobRow, reason: Reason) -> None:
    farm.jobs.unprepared(row.job.key, reason)
    farm.report(Progress(job=row.job.title, step="prepare", message=f"failed: {reason.message}"))


def _fault(error: Exception) -> Reason:
    if isinstance(error, FarmError | OSError):
        return Reason(code="infra", message=str(error))
    return Reason(
        code="infra",
        message=f"a fault of buildfarm itself, {type(error).__name__}: {error}",
        advice="report it, with the recipe",
        tail=tuple("".join(traceback.format_exception(error, limit=-20)).splitlines()),
    )


def _build_inputs(
    farm: Coordinator, job: BuildJob, wishes: tuple[str, ...], index: str
) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    requirements = (*job.requires, *wishes)
    key = digest(
        {
            "v": 1,
            "source": job.source.artifact.sha256,
            "part": job.part,
            "environment": job.environment.definition,
            "target": str(job.target),
            "requirements": requirements,
            "needs": job.needs,
            "generation": job.generation,
        }
    )
    lock = _locked(farm, key, requirements, job, index)
    packages = (Input(role="package", artifact=farm.packages.fetch(package)) for package in job.packages)
    source, *patches = _source(farm, job.source, job.part.patches)
    crates = _crates(farm, job, tuple(each.artifact for each in patches))
    return (source, *patches, *_wheelhouse(farm, lock), *packages, *crates), requirements


def _test_inputs(farm: Coordinator, job: TestJob) -> tuple[Input, ...]:
    with farm.store.open(job.wheel.sha256) as content:
        runtime = only_metadata(job.wheel.name, content).requires_dist
    needed = (text for text in runtime if not _for_an_extra(text, job.target))
    requirements = (*needed, *(text for test in job.tests for text in test.requires))
    try:
        lock = _locked(farm, job.key, requirements, job, job.index)
    except Unavailable as unavailable:
        raise Unavailable(replace(unavailable.reason, code="test-requirements")) from unavailable
    source = _source(farm, job.source, job.patches) if job.source else ()
    # The wheel under test goes in last and by its digest: a lock can never bring another one of that name.
    wheels = [each for each in _wheelhouse(farm, lock) if each.artifact.name != job.wheel.name]
    return (*source, *wheels, Input(role="wheel", artifact=job.wheel))


def _for_an_extra(requirement: str, target: Target) -> bool:
    """Whether only an extra asks for it (PEP 508): such a list may be long, and name what no index has."""
    python = "{}.{}".format(*target.python)
    try:
        marker = Requirement(requirement).marker
        return (
            "extra" in str(marker)
            and marker is not None
            and not marker.evaluate({"extra": "", "python_version": python})
        )
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):  # the resolver says so
        return False


def _locked(farm: Coordinator, key: str, requirements: tuple[str, ...], job: BuildJob | TestJob, index: str) -> Lock:
    requirements = (*install.requires(job.target), *requirements)
    if not requirements:
        return Lock()
    kept = farm.locks.kept(key)
    if kept is None:
        farm.report(
            Progress(
                job=job.title,
                step="prepare",
                message="locking " + ", ".join(requirements),
            )
        )
        kept = farm.locks.keep(key, farm.resolver.lock(requirements, job.environment, index))
    return kept


def _wheelhouse(farm: Coordinator, lock: Lock) -> tuple[Input, ...]:
    return tuple(Input(role="wheelhouse", artifact=farm.resolver.fetch(wheel)) for wheel in lock.wheels)


def _crates(farm: Coordinator, job: BuildJob, patches: tuple[Artifact, ...]) -> tuple[Input, ...]:
    """What cargo needs, where that is among the system packages; the source's own lock says what that is."""
    if not any(CARGO.fullmatch(each.name) for each in job.packages):
        return ()
    try:
        crates = locked_crates(unpacked(Archive(artifact=job.source.artifact, patches=patches), farm.store.open))
    except StepFailed:  # a patch does not fit: the build says it, with its log
        return ()
    return tuple(Input(role="crate", artifact=each) for each in farm.crates.fetch(crates, job))


def _source(farm: Coordinator, pin: SourcePin, patches: Iterable[Patch]) -> tuple[Input, ...]:
    """The source and its patches."""
    if not farm.store.has(pin.artifact.sha256):
        farm.sources.fetch(pin.origin, pin.artifact.name, pin.artifact.sha256)
    changes = (Input(role="patch", artifact=patch) for patch in stored(farm, patches))
    return (Input(role="source", artifact=pin.artifact), *changes)
