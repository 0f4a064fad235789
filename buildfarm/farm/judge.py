"""(wheel, its reports, the index's policy) → release: may it be published, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from buildfarm.attempt import claim_of
from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildJob, BuildRequest
from buildfarm.model.plan import Goal, Plan
from buildfarm.model.wheel import Artifact, TestReport, Verdict, VerifiedWheel
from buildfarm.ports import JobRow, Progress, Publication
from buildfarm.verify.rules import verify

ACCEPTED = frozenset({Verdict.PASSED, Verdict.SKIPPED})
"""What ``main`` accepts: passed, or skipped by the recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A wheel and whether it is good, must wait (``waits`` names a target), or is withheld (``withheld`` says why)."""

    wheel: Artifact
    goals: tuple[Goal, ...]
    waits: str = ""
    withheld: str = ""

    @property
    def good(self) -> bool:
        """Every requested target that it covers has a report that the index accepts."""
        return not self.waits and not self.withheld


def judge(farm: Coordinator, request: BuildRequest, plan: Plan) -> tuple[Judgement, ...]:
    """Judge every wheel of the plan; want the publication of the good ones."""
    reports = farm.learning.reports([goal.test for goal in plan.goals if goal.test])
    judgements = tuple(
        _judge(wheel, goals, reports, farm.learning.failed(request.id)) for wheel, goals in _by_wheel(plan.goals)
    )
    judgements = _hold_together(request, plan, judgements)
    builds = {row.job.key: row for row in farm.jobs.rows(request.id, frozenset({"succeeded"}))}
    for judgement in judgements:
        if judgement.good:
            _want(farm, request, judgement, builds[judgement.goals[0].build])
    return judgements


def told(farm: Coordinator, request: BuildRequest, judgements: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """The judgements with what publishing came to: a wheel that the index refused is withheld after all."""
    ends = {
        each.artifact.sha256: f"{each.state}: {each.note}"
        for each in farm.events.publications(request.index, frozenset({"conflict", "refused"}))
    }
    return tuple(
        replace(each, withheld=each.withheld or ends[each.wheel.sha256]) if each.wheel.sha256 in ends else each
        for each in judgements
    )


def _by_wheel(goals: Iterable[Goal]) -> Iterable[tuple[Artifact, tuple[Goal, ...]]]:
    covered = sorted((goal for goal in goals if goal.wheel), key=lambda goal: goal.wheel.sha256 if goal.wheel else "")
    for _, group in groupby(covered, key=lambda goal: goal.wheel.sha256 if goal.wheel else ""):
        same = tuple(group)
        if same[0].wheel is not None:
            yield same[0].wheel, same


def _judge(
    wheel: Artifact, goals: tuple[Goal, ...], reports: Mapping[str, TestReport], failed: frozenset[str]
) -> Judgement:
    for goal in goals:
        if goal.skip:
            continue
        report = reports.get(goal.test)
        if goal.test in failed:
            reason = report.reason if report else "its test could not be prepared"
            return Judgement(wheel=wheel, goals=goals, withheld=f"the test for {goal.target} failed: {reason}")
        if report is None or report.verdict is Verdict.FAILED:  # a failed report of an earlier request is tried again
            return Judgement(wheel=wheel, goals=goals, waits=str(goal.target))
        if report.verdict not in ACCEPTED:
            return Judgement(wheel=wheel, goals=goals, withheld=f"the test for {goal.target} was {report.verdict}")
    return Judgement(wheel=wheel, goals=goals)


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
    live = farm.events.publications(request.index)
    if any(each.artifact.sha256 == wheel.sha256 for each in live) or not isinstance(row.job, BuildJob):
        return
    publication = Publication(index=request.index, project=goal.project, version=goal.version, artifact=wheel)
    try:
        verified = _verify_again(farm, wheel, row.job)
    except StepFailed as failed:
        farm.report(Progress(job=wheel.name, step="publish", message=f"refused: {failed.reason.message}"))
        if farm.events.want(publication):
            farm.events.settle(publication, "refused", failed.reason.message)
        return
    same = [each for each in live if each.content == verified.content and _same_but_tag(each.artifact.name, wheel.name)]
    if any(each.state == "published" for each in same):
        return
    wanted = Publication(
        index=request.index, project=goal.project, version=goal.version, artifact=wheel, content=verified.content
    )
    if not farm.events.want(wanted):
        farm.report(
            Progress(job=wheel.name, step="publish", message="CONFLICT: the index has this name with other bytes")
        )


def _verify_again(farm: Coordinator, wheel: Artifact, job: BuildJob) -> VerifiedWheel:
    """The coordinator trusts bytes, not workers."""
    with farm.store.open(wheel.sha256) as content:
        return verify(wheel, content, claim_of(job))


def _same_but_tag(one: str, other: str) -> bool:
    """Whether two wheel file names differ in nothing but the build tag (PEP 427)."""
    first, second = one.split("-"), other.split("-")
    return first[:2] + first[-3:] == second[:2] + second[-3:]
