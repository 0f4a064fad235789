"""What people read: tables of plans and results, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import parse_wheel_filename
from rich.console import Console
from rich.text import Text

from buildfarm.app.again import call
from buildfarm.app.harmless import harmless_lines
from buildfarm.app.local import Result
from buildfarm.app.plain import relaxed
from buildfarm.app.settings import Settings
from buildfarm.app.table import Cell, print_table
from buildfarm.farm.judge import Judgement
from buildfarm.model.job import BuildJob, Environment, Job, TestJob
from buildfarm.model.outcome import Failed, Step
from buildfarm.model.plan import Goal, Plan
from buildfarm.model.reasons import CAUSES
from buildfarm.model.records import JobRow
from buildfarm.plan.equipment import compiler_of
from buildfarm.plan.ground import raised, reached
from buildfarm.ports import Log
from buildfarm.steps.build import spoken


def plan_table(plan: Plan, console: Console) -> None:
    """A plan for a person: what will be done, what waits, what is left out and why."""
    rows: list[tuple[Cell, ...]] = []
    for job in plan.jobs:
        kind = "build" if isinstance(job, BuildJob) else "test"
        rows.append((kind, job.project, job.version, str(job.target), f"in {job.environment.name}{_how(job)}"))
    building = {(job.project, job.version, job.target) for job in plan.jobs}
    rows += [
        ("later", each.project, each.version, str(each.target), Text(each.reason, "dim"))
        for each in plan.later
        if (each.project, each.version, each.target) not in building
    ]
    rows += [
        (Text("left out", "yellow"), each.project, each.version, each.target, Text(each.reason, "yellow"))
        for each in plan.left_out
    ]
    print_table(console, ("job", "project", "version", "target", "why"), rows)


def _how(job: Job) -> str:
    return f", compiler {compiler_of(job.part, job.environment)}, then its test" if isinstance(job, BuildJob) else ""


def floors(plan: Plan, offered: Iterable[Environment], console: Console) -> None:
    """A line for every floor that targets of the plan have: why, and what would lower it."""
    environments = tuple(offered)
    for line in dict.fromkeys(reached(job, environments) for job in plan.jobs if isinstance(job, BuildJob)):
        if line:
            _say(console, line)


def places(plan: Plan, offered: Iterable[Environment], console: Console) -> None:
    """A line where some of the plan happens in containers and the rest not, because no image has the interpreter."""
    offering = {each.target.abi for each in offered if each.image and not each.lacks}
    wanted = dict.fromkeys(each.target.abi for each in (*plan.jobs, *plan.later))
    lacking = [abi for abi in wanted if abi not in offering]
    if lacking and any(job.environment.image for job in plan.jobs):
        abis = ", ".join(lacking)
        _say(console, f"{abis}: on this machine itself, because no image that is here has such an interpreter")


def result_table(result: Result, console: Console) -> None:
    """Every wanted target with what became of it, in the order of the plan."""
    by_key = {row.job.key: row for row in result.rows}
    rows: list[tuple[Cell, ...]] = []
    for goal in sorted(result.ticked.plan.goals, key=lambda goal: (goal.project, goal.version, goal.target.python)):
        word, style = verdict(goal, by_key, result)
        wheel = _served_by(goal, result)
        rows.append((goal.project, goal.version, str(goal.target), Text(word, style), wheel))
    rows += [
        (each.project, each.version, each.target, Text("left out", "yellow"), Text(_short(each.reason), "yellow"))
        for each in result.ticked.plan.left_out
    ]
    print_table(console, ("project", "version", "target", "result", "wheel"), rows)


def _short(reason: str) -> str:
    """With twelve digits of each hash: the whole ones are above the table."""
    return re.sub("(sha256:[0-9a-f]{12})[0-9a-f]{52}", r"\1…", reason)


def _served_by(goal: Goal, result: Result) -> str:
    """The file that serves the target: its wheel, or the published one that holds the same."""
    judgement = next((each for each in result.ticked.judgements if each.wheel == goal.wheel), None)
    return (judgement and judgement.same_as) or (goal.wheel.name if goal.wheel else "")


def verdict(goal: Goal, rows: dict[str, JobRow], result: Result) -> tuple[str, str]:
    """A word for what became of a target, and its colour."""
    build, test = rows.get(goal.build), rows.get(goal.test)
    for row in (build, test):
        if row and row.state in ("failed", "cancelled"):
            step = row.outcome.step.value if isinstance(row.outcome, Failed) else ""
            return f"{row.state} {step}".strip(), "red"
    judgement = next((each for each in result.ticked.judgements if each.wheel == goal.wheel), None)
    if judgement and judgement.withheld:
        return "withheld", "yellow"
    if judgement and judgement.same_as:
        return "built, same as published", "green"
    if goal.skip:
        return "built, tests skipped", "green"
    if test and test.state == "succeeded":
        return ("unchanged" if goal.test in result.cached else "built, tested"), "green"
    return "unfinished", "yellow"


def failures(result: Result, log: Log, settings: Settings, console: Console) -> None:
    """What went wrong: the command, the lines that say why, what to do, where the log is, how to look into it."""
    failed = [row for row in result.rows if row.state == "failed"]
    for row in failed:
        if isinstance(row.outcome, Failed):
            _failure(row, row.outcome, log, console)
            if row.log and row.outcome.step is not Step.PREPARE:
                _say(console, f"  again: {call(settings, 'reproduce', row.job.key)}")
                _say(console, f"  shell: {call(settings, 'debug', row.job.key)}")
    told = {row.job.wheel for row in failed if isinstance(row.job, TestJob)}
    for each in result.ticked.judgements:
        if each.withheld and each.wheel not in told:
            _say(console, f"\n{each.wheel.name} is withheld: {each.withheld}", "yellow")
    served = {goal.project for goal in result.ticked.plan.goals}
    for out in result.ticked.plan.left_out:
        if out.project not in served or out.target == "*":
            where = "" if out.target == "*" else f" for {out.target}"
            _say(console, f"\n{f'{out.project} {out.version}'.strip()}: nothing was built{where}", "bold red")
            _say(console, f"  {out.reason}")


def _failure(row: JobRow, failed: Failed, log: Log, console: Console) -> None:
    reason = failed.reason
    _say(console, f"\n{row.job.title}: {row.job.kind} failed at {failed.step}", "bold red")
    _say(console, f"  {reason.message}")
    if reason.command:
        _say(console, f"  command: {spoken(row.job, reason)}", "dim")
    for line in reason.lines or reason.tail[-15:]:
        _say(console, f"  | {line}", "dim")
    for line in reason.advice.splitlines():
        _say(console, f"  help: {line}", "cyan")
    if cause := CAUSES.get(reason.code):
        _say(console, f"  who must act: {cause.actor}")
    if row.log:
        _say(console, f"  log: {log.where(row.log)}")


def _say(console: Console, text: str, style: str = "") -> None:
    """Some of it a stranger's build may have said. No line is broken: a path in two parts cannot be copied."""
    console.print(Text(harmless_lines(text), style), soft_wrap=True)


def where_next(result: Result, settings: Settings, console: Console) -> None:
    """One or two lines: what there is now, and how to use it."""
    for row in result.rows:
        for rule, reason in relaxed(row.outcome).items():
            _say(console, f"{row.job.project} {row.job.version}: {rule} is relaxed by the recipe: {reason}", "yellow")
    published = sorted(each.served_by for each in result.ticked.judgements if each.good)
    for judgement in result.ticked.judgements:
        if judgement.good and judgement.goals[0].build not in result.cached:
            _build_tag(judgement, console)
    for yank in result.ticked.yanks:
        told = "is no longer yanked: it is wished again" if yank.reason is None else f"is yanked: {yank.reason}"
        _say(console, f"{yank.filename} {told}", "yellow")
    done_before = all(row.job.key in result.cached for row in result.rows)
    if done_before and not result.ticked.yanks and exit_code(result) == 0:
        _say(console, "Nothing to do: all of it was built, tested and published before.")
    if published:
        tree = settings.tree / settings.index / "simple"
        _say(console, f"Index: {tree}")
        pages = f"{settings.url}/{settings.index}/simple/"
        _say(console, f"Serve it: buildfarm serve; then pip install --index-url {pages} NAME")
        _say(console, f"Every input of a wheel: buildfarm why {published[0]}")


def _build_tag(judgement: Judgement, console: Console) -> None:
    """Why its name has a build tag (PEP 427), where it has one."""
    _, version, build, _ = parse_wheel_filename(judgement.served_by)
    if build and not judgement.same_as:
        project = judgement.goals[0].project
        _say(console, f"{project} {version} was published before with other content: this one is build {build[0]}")


def raised_floors(jobs: Iterable[Job], offered: Iterable[Environment], console: Console) -> None:
    """A line for every floor that a library of system packages raised."""
    environments = tuple(offered)
    for line in dict.fromkeys(raised(job, environments) for job in jobs if isinstance(job, BuildJob)):
        if line:
            _say(console, line)


def exit_code(result: Result) -> int:
    """0: every operand has its wheels; 1: a package failed, is withheld, or an operand came to nothing."""
    rows = {row.job.key: row for row in result.rows}
    served = {goal.project for goal in result.ticked.plan.goals}
    all_served = {recipe.name for recipe in result.request.recipes} <= served
    none_lost = all(out.target != "*" for out in result.ticked.plan.left_out)
    all_good = all(verdict(goal, rows, result)[1] == "green" for goal in result.ticked.plan.goals)
    return 0 if all_served and none_lost and all_good else 1
