"""One tick of the coordinator: reap ▸ expand ▸ prepare ▸ judge ▸ publish ▸ render. Idempotent; any number may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.expand import expand
from buildfarm.farm.gate import ask, gate, hold
from buildfarm.farm.judge import Judgement, judge, told
from buildfarm.farm.prepare import prepare
from buildfarm.farm.publish import publish
from buildfarm.farm.render import catch_up
from buildfarm.farm.resolve import with_bytes
from buildfarm.farm.supersede import supersede
from buildfarm.model.events import FileYanked
from buildfarm.model.job import BuildRequest
from buildfarm.model.plan import Plan
from buildfarm.model.records import JobRow

PENDING = frozenset({"pending"})
UNFINISHED = frozenset({"pending", "queued", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a tick found of one request: its plan, the judgements, and whether nothing is left to do.

    ``yanks`` are those of this tick: of files that the request supersedes, and those that it takes back. ``uploads``
    are the judgements of those of the request, in their order.
    """

    plan: Plan
    judgements: tuple[Judgement, ...]
    done: bool
    yanks: tuple[FileYanked, ...] = ()
    uploads: tuple[Judgement, ...] = ()


def submit(farm: Coordinator, request: BuildRequest) -> BuildRequest:
    """Make the wish known; ticks do the rest. An open request that wants exactly the same is attached to.

    A local source is the same as long as its bytes are, so they are part of the wish.
    """
    return farm.requests.submit(replace(request, recipes=tuple(with_bytes(farm, each) for each in request.recipes)))


def resume(farm: Coordinator) -> None:
    """Go on with what somebody began who was killed: publications, and the tests of what waits for some."""
    publish(farm, ())
    ask(farm)


def tick(farm: Coordinator, only: BuildRequest | None = None) -> Mapping[int, Ticked]:
    """Take every open request as far as it goes without a worker; or one, which somebody may have closed by now."""
    farm.jobs.reap(farm.owners.live())
    if only is None:
        resume(farm)
    requests = farm.requests.open_requests() if only is None else (only,)
    ticked = {request.id: _advance(farm, request) for request in requests}
    catch_up(farm)
    return ticked


def _advance(farm: Coordinator, request: BuildRequest) -> Ticked:
    """Expand, prepare, judge and publish; close the request when nothing more can happen for it."""
    plan = expand(farm, request)
    if pending := _rows(farm, request, plan, PENDING):
        prepare(farm, request.index, pending)
        plan = expand(farm, request)  # a job that could not be prepared frees others
    # Asked before it is planned and judged: what ends after this line is for the next tick, and only then is all done.
    idle = not _rows(farm, request, plan, UNFINISHED)
    if idle and plan.later:
        plan = expand(farm, request)
    judgements = judge(farm, request, plan)
    if publish(farm, {goal.build for goal in plan.goals}):
        plan = expand(farm, request)  # what is published now may be what another job needs
    done = idle and not _rows(farm, request, plan, UNFINISHED)
    judgements, uploads = told(farm, request, judgements), gate(farm, request, plan)
    if not done:
        return Ticked(plan=plan, judgements=judgements, done=False, uploads=uploads)
    hold(farm, request, uploads)
    # Whoever closed it has superseded what there was then; what was wished since is newer.
    open_ = any(each.id == request.id for each in farm.requests.open_requests())
    yanks = supersede(farm, request, judgements) if open_ else ()
    farm.requests.close(request.id)
    return Ticked(plan=plan.settled(), judgements=judgements, done=True, yanks=yanks, uploads=uploads)


def _rows(farm: Coordinator, request: BuildRequest, plan: Plan, states: frozenset[str]) -> tuple[JobRow, ...]:
    """Rows that the plan names. Others were for an environment that is no longer here: nobody could take them."""
    keys = {job.key for job in plan.jobs}
    return tuple(row for row in farm.jobs.rows(request.id, states) if row.job.key in keys)
