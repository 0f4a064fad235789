"""(wheel, its reports, the index's policy) → release: may it be published, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.errors import StepFailed
from buildfarm.model.events import Tried, unaccepted
from buildfarm.model.index import Index, IndexClass, settings
from buildfarm.model.job import BuildJob, BuildRequest
from buildfarm.model.plan import Goal, Plan
from buildfarm.model.records import Arrival, JobRow, Publication
from buildfarm.model.wheel import Artifact, TestReport, Verdict, VerifiedWheel
from buildfarm.ports import Progress
from buildfarm.verify.claim import claim_of
from buildfarm.verify.rules import verify

_KNOWN = frozenset({"wanted", "published", "conflict", "refused"})
"""Publications that count: not those of files that were deleted or replaced since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A wheel and whether it is good, must wait (``waits`` names a target), or is withheld (``withheld`` says why).

    ``same_as`` names a file of the index that holds the same, so that a good wheel is not published beside it.
    ``tried`` are the results that are in.
    """

    wheel: Artifact
    goals: tuple[Goal, ...]
    waits: str = ""
    withheld: str = ""
    same_as: str = ""
    tried: tuple[Tried, ...] = ()

    @property
    def served_by(self) -> str:
        """The name of the file that serves the goals, once it is good."""
        return self.same_as or self.wheel.name

    @property
    def good(self) -> bool:
        """Every requested target that it covers has a report that the index accepts."""
        return not self.waits and not self.withheld


def judge(farm: Coordinator, request: BuildRequest, plan: Plan) -> tuple[Judgement, ...]:
    """Judge every wheel of the plan; want the publication of the good ones."""
    reports = farm.learning.reports([goal.test for goal in plan.goals if goal.test])
    failed, indexes = farm.learning.failed(request.id), farm.events.indexes()
    index = settings(request.index, indexes)
    judgements = tuple(judged(wheel, goals, reports, failed, index) for wheel, goals in _by_wheel(plan.goals))
    judgements = _hold_together(request, plan, judgements)
    if request.index not in indexes and farm.events.events(request.index, ""):  # made anew it would be public
        deleted = f"the index {request.index} was deleted; `buildfarm index create` makes it anew"
        judgements = tuple(replace(each, withheld=each.withheld or deleted) for each in judgements)
    builds = {row.job.key: row for row in farm.jobs.rows(request.id, frozenset({"succeeded"}))}
    for judgement in judgements:
        if judgement.good:
            _want(farm, request, judgement, builds[judgement.goals[0].build])
    return judgements


def told(farm: Coordinator, request: BuildRequest, judgements: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """The judgements with what publishing came to: withheld after all, or left to a file that holds the same."""
    publications = _publications(farm, request, {each.goals[0].project for each in judgements})
    made = farm.learning.wheels([each.goals[0].build for each in judgements])

    def end(judgement: Judgement) -> Judgement:
        wheel, content = judgement.wheel, made[judgement.goals[0].build].content
        for each in publications:
            if each.artifact.sha256 == wheel.sha256:
                refused = each.state in ("conflict", "refused")
                return replace(judgement, withheld=f"{each.state}: {each.note}") if refused else judgement
        same = [each.artifact.name for each in publications if _holds_the_same(each, wheel, content)]
        return replace(judgement, same_as=same[0]) if same and judgement.good else judgement

    return tuple(map(end, judgements))


def _by_wheel(goals: Iterable[Goal]) -> Iterable[tuple[Artifact, tuple[Goal, ...]]]:
    built = (goal for goal in goals if goal.wheel and goal.build)
    covered = sorted(built, key=lambda goal: goal.wheel.sha256 if goal.wheel else "")
    for _, group in groupby(covered, key=lambda goal: goal.wheel.sha256 if goal.wheel else ""):
        same = tuple(group)
        if same[0].wheel is not None:
            yield same[0].wheel, same


def judged(
    wheel: Artifact,
    goals: tuple[Goal, ...],
    reports: Mapping[str, TestReport],
    failed: frozenset[str],
    index: Index,
) -> Judgement:
    """Hold the results of one wheel against what its index accepts; ``failed`` are keys of jobs that ended badly."""
    tried: list[Tried] = []
    for goal in goals:
        if goal.skip:
            tried.append(Tried(target=str(goal.target), verdict=Verdict.SKIPPED, reason=goal.skip))
            continue
        report = reports.get(goal.test)
        if goal.test in failed:
            reason = report.reason if report else "its test could not be prepared"
            return Judgement(wheel=wheel, goals=goals, withheld=f"the test for {goal.target} failed: {reason}")
        if report is None or report.verdict is Verdict.FAILED:  # a failed report of an earlier request is tried again
            return Judgement(wheel=wheel, goals=goals, waits=str(goal.target))
        tried.append(Tried(target=str(goal.target), verdict=report.verdict, reason=report.reason))
    mirror = f"{index.name} is a mirror" if index.kind is IndexClass.MIRROR else ""
    withheld = mirror or (unaccepted(index, tried) if tried else "")
    return Judgement(wheel=wheel, goals=goals, tried=tuple(tried), withheld=withheld)


def _publications(farm: Coordinator, request: BuildRequest, projects: set[str]) -> tuple[Publication, ...]:
    return farm.events.publications(request.index, _KNOWN, projects)


def _hold_together(request: BuildRequest, plan: Plan, judgements: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """Where a recipe says ``publish: {all_targets: true}``, good wheels wait until all of their version are good."""
    together = {recipe.name for recipe in request.recipes if recipe.publish.all_targets}
    unready = {(goal.project, goal.version): goal.target for each in judgements if not each.good for goal in each.goals}
    unready |= {(goal.project, goal.version): goal.target for goal in plan.goals if goal.wheel is None}
    unready |= {(each.project, each.version): each.target for each in plan.later}

    def held(judgement: Judgement) -> Judgement:
        first = judgement.goals[0]
        target = unready.get((first.project, first.version))
        if not judgement.good or first.project not in together or target is None:
            return judgement
        return replace(judgement, withheld=f"publish.all_targets: {target} is not good")

    return tuple(map(held, judgements))


def _want(farm: Coordinator, request: BuildRequest, judgement: Judgement, row: JobRow) -> None:
    goal, wheel = judgement.goals[0], judgement.wheel
    live = _publications(farm, request, {goal.project})
    if any(each.artifact.sha256 == wheel.sha256 for each in live) or not isinstance(row.job, BuildJob):
        return
    publication = Publication(
        index=request.index,
        project=goal.project,
        version=goal.version,
        artifact=wheel,
        build=row.job.key,
        arrival=Arrival(tried=judgement.tried, who=request.owner),
    )
    try:
        verified = _verify_again(farm, wheel, row.job)
    except StepFailed as failed:
        farm.report(Progress(job=wheel.name, step="publish", message=f"refused: {failed.reason.message}"))
        if farm.events.want(publication):
            farm.events.settle(publication, "refused", failed.reason.message)
        return
    if any(_holds_the_same(each, wheel, verified.content) for each in live):
        return
    if not farm.events.want(replace(publication, content=verified.content)):
        farm.report(
            Progress(job=wheel.name, step="publish", message="CONFLICT: the index has this name with other bytes")
        )


def _verify_again(farm: Coordinator, wheel: Artifact, job: BuildJob) -> VerifiedWheel:
    """The coordinator trusts bytes, not workers."""
    with farm.store.open(wheel.sha256) as content:
        return verify(wheel, content, claim_of(job))


def _holds_the_same(publication: Publication, wheel: Artifact, content: str) -> bool:
    """Whether the index has a file that differs from the wheel in nothing but the build tag (PEP 427)."""
    first, second = publication.artifact.name.split("-"), wheel.name.split("-")
    same_name = first[:2] + first[-3:] == second[:2] + second[-3:]
    return publication.state == "published" and publication.content == content and same_name
