"""What programs read: plans and results as JSON documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildfarm.app.local import Result
from buildfarm.model.job import BuildJob, Environment
from buildfarm.model.outcome import Built, Failed, Outcome, Reason, Tested
from buildfarm.model.plan import LeftOut, Plan
from buildfarm.model.reasons import CAUSES
from buildfarm.model.records import JobRow
from buildfarm.model.wheel import Artifact, tags_of
from buildfarm.plan.ground import reached
from buildfarm.ports import Log


def plan_json(plan: Plan, offered: Iterable[Environment]) -> dict[str, Any]:
    """A plan as one JSON document; ``floor`` says why a build's target has the one that it has."""
    environments = tuple(offered)
    return {
        "jobs": [
            {
                "key": job.key,
                "kind": job.kind,
                "name": job.project,
                "version": job.version,
                "target": str(job.target),
                "environment": job.environment.name,
                "lane": job.environment.lane,
                "floor": reached(job, environments) if isinstance(job, BuildJob) else "",
            }
            for job in plan.jobs
        ],
        "later": [
            {
                "name": each.project,
                "version": each.version,
                "target": str(each.target),
                "after": each.after,
                "reason": each.reason,
            }
            for each in plan.later
        ],
        "left_out": _left_out(plan.left_out),
    }


def result_json(result: Result, log: Log) -> dict[str, Any]:
    """A finished build as one JSON document (DESIGN: keys may be added, never renamed)."""
    return {
        "jobs": [_job_json(row, result, log) for row in result.rows],
        "left_out": _left_out(result.ticked.plan.left_out),
        "withheld": [
            {"filename": each.wheel.name, "reason": each.withheld or f"waits for {each.waits}"}
            for each in result.ticked.judgements
            if not each.good
        ],
        "yanks": [{"filename": each.filename, "reason": each.reason} for each in result.ticked.yanks],
    }


def _job_json(row: JobRow, result: Result, log: Log) -> dict[str, Any]:
    reason = _reason(row.outcome)
    cause = CAUSES.get(reason.code) if reason else None  # a ledger may be older than the code
    wheel = _wheel(row)
    return {
        "key": row.job.key,
        "kind": row.job.kind,
        "name": row.job.project,
        "version": row.job.version,
        "target": str(row.job.target),
        "outcome": row.state,
        "step": row.outcome.step.value if isinstance(row.outcome, Failed) else None,
        "reason": reason.message if reason else None,
        "code": reason.code if reason else None,
        "cause": reason.cause if reason else None,
        "actor": cause and cause.actor.value,
        "retried": cause and cause.retried,
        "advice": reason.advice if reason else None,
        "lines": list(reason.lines) if reason else [],
        "log": log.where(row.log) if row.log else None,
        "wheel": wheel
        and {"filename": wheel.name, "sha256": wheel.sha256, "tags": sorted(map(str, tags_of(wheel.name)))},
        "seconds": round(row.seconds, 3),
        "cached": row.job.key in result.cached,
        "isolation": _isolation(row.outcome),
        "relaxed": relaxed(row.outcome),
    }


def _wheel(row: JobRow) -> Artifact | None:
    if isinstance(row.outcome, Built):
        return row.outcome.wheel.artifact
    return None if isinstance(row.job, BuildJob) else row.job.wheel


def _isolation(outcome: Outcome | None) -> str | None:
    match outcome:
        case Built():
            return outcome.isolation
        case Tested():
            return outcome.report.isolation
        case _:
            return None


def relaxed(outcome: Outcome | None) -> dict[str, str]:
    """The rules that the wheel breaks by leave of its recipe, each with the reason."""
    found = outcome.wheel.warnings if isinstance(outcome, Built) else ()
    return {finding.rule: finding.relaxed for finding in found if finding.relaxed}


def _left_out(out: Iterable[LeftOut]) -> list[dict[str, str]]:
    return [
        {"name": each.project, "version": each.version, "target": each.target, "reason": each.reason} for each in out
    ]


def _reason(outcome: Outcome | None) -> Reason | None:
    return outcome.reason if isinstance(outcome, Failed) else None
