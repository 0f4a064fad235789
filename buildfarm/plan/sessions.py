"""The session that a job is done in."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from buildfarm.model.job import Job, Lease, TestJob
from buildfarm.model.services import wanted
from buildfarm.model.session import OLDEST_EPOCH, Purpose, SessionSpec
from buildfarm.plan.equipment import compiler_of, system_of


def planned(job: Job) -> SessionSpec:
    """The session that the job is done in, of no attempt yet."""
    common = partial(SessionSpec, attempt="", owner="", environment=job.environment, limits=job.limits)
    epoch = job.source.epoch if job.source else OLDEST_EPOCH
    if isinstance(job, TestJob):
        return common(purpose=Purpose.TEST, epoch=epoch, services=wanted(job.tests))
    return common(
        purpose=Purpose.BUILD,
        epoch=epoch,
        cxx=job.cxx,
        packages=job.packages,
        system=system_of(job.part, job.environment),
        compiler=compiler_of(job.part, job.environment),
    )


def leased(lease: Lease) -> SessionSpec:
    """The session of the attempt that the lease is for."""
    return replace(planned(lease.job), attempt=lease.name, owner=lease.worker)
