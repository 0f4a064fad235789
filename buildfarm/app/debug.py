"""A job's attempt once more, from its recorded inputs and with nothing written to the ledger: to look into, or to
compare.
"""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from buildfarm.app.overview import title
from buildfarm.app.settings import Settings
from buildfarm.app.wiring import Site
from buildfarm.attempt import Bench, attempt
from buildfarm.farm.find import find_jobs
from buildfarm.model.errors import RecipeError, StepFailed
from buildfarm.model.job import BuildJob, Lease
from buildfarm.model.outcome import Built, Failed, Outcome, Step, Tested
from buildfarm.model.session import Command, SessionSpec, Sink, Stop
from buildfarm.model.wheel import Artifact
from buildfarm.ports import JobRow, Runner, Session, Store

SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash --norc --noprofile -i; exec sh -i")


def find(site: Site, wanted: str) -> JobRow:
    """The one job that is meant, a failed one before others; raises ``RecipeError`` where that is none or several, or
    where nothing of it can be run.
    """
    rows = find_jobs(site.farm, wanted)
    meant = [row for row in rows if row.state == "failed"] or rows
    if len(meant) > 1:
        names = "\n".join(f"  {title(row)}" for row in meant)
        raise RecipeError(f"{wanted!r} is several jobs; name one by the beginning of its key:\n{names}")
    (row,) = meant
    failed = row.outcome
    if isinstance(failed, Failed) and failed.step is Step.PREPARE and failed.reason.code != "infra":
        reason = failed.reason
        raise RecipeError(
            f"{title(row)}: nothing was run, for it could not be prepared: {reason.message}\n  help: {reason.advice}"
        )
    if not row.log:
        raise RecipeError(f"{title(row)}: nothing was run yet; `buildfarm build` runs it")
    if row.job.fingerprint not in site.fingerprints:
        raise RecipeError(
            f"{title(row)}: this machine is not as it was then (interpreter, headers or tools); build it again first"
        )
    return row


def call(settings: Settings, verb: str, key: str) -> str:
    """The command line that does it, to be copied into any shell of this machine."""
    home = () if settings.origins.get("home") == "default" else ("--home", str(settings.home))
    return shlex.join(("buildfarm", verb, *home, key[:12]))


def repeat(site: Site, row: JobRow, runner: Runner, sink: Sink) -> Outcome:
    """The story of the job again: the same source, wheels and granted requirements, in a session of its own."""
    job = row.job
    with site.owner() as owner:
        lease = Lease(
            job=job,
            attempt=row.attempts,
            token=0,
            worker=owner,
            inputs=site.farm.jobs.inputs(job.key),
            granted=(*job.requires, *row.wishes) if isinstance(job, BuildJob) else (),
        )
        bench = Bench(runner=runner, store=site.farm.store, sink=sink, stop=lambda: False, report=site.farm.report)
        return attempt(lease, bench)


# ---------------------------------------------------------------------------------------------------------- debug

Visit = Callable[[Session, StepFailed | None], None]


class Lingering:
    """A ``Runner`` whose sessions are visited when the story in them has ended, before they are gone."""

    def __init__(self, runner: Runner, visit: Visit) -> None:
        self._runner = runner
        self._visit = visit

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``."""
        with self._runner.open(spec, sink, stop) as session:
            try:
                yield session
            except StepFailed as failed:
                self._visit(session, failed)
                raise
            self._visit(session, None)

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """See ``ports.Runner``."""
        return self._runner.sweep(live)


def last_command(session: Session) -> Command:
    """What was run last, which is what failed; where nothing was, a command that does nothing, in the same place."""
    if session.ran:
        return session.ran[-1].command
    return Command(argv=("true",), cwd=session.layout.root, what="begin")


def as_line(command: Command) -> str:
    """A command as one would type it there."""
    return shlex.join((*(f"{name}={value}" for name, value in command.env.items()), *command.argv))


# ------------------------------------------------------------------------------------------------------ reproduce


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Whether an attempt ended as the recorded one, in a sentence, and what differs."""

    same: bool
    sentence: str
    differs: tuple[str, ...] = ()


def compare(recorded: Outcome | None, now: Outcome, store: Store) -> Comparison:
    """Hold what it came to now against what the ledger has: failures by step and code, wheels by their bytes."""
    match recorded, now:
        case Failed(), Failed():
            where, here = _place(recorded), _place(now)
            if where != here:
                return Comparison(same=False, sentence=f"another failure: {_name(now)}, recorded is {_name(recorded)}")
            other = tuple(line for line in now.reason.lines if line not in recorded.reason.lines)
            return Comparison(same=True, sentence=f"the same failure: {_name(now)}", differs=other)
        case Built(), Built():
            before, after = recorded.wheel.artifact, now.wheel.artifact
            if before.sha256 == after.sha256:
                return Comparison(same=True, sentence=f"the same bytes: {after.name}  sha256:{after.sha256}")
            return Comparison(
                same=False,
                sentence=f"other bytes: {after.name} is sha256:{after.sha256}, recorded is sha256:{before.sha256}",
                differs=_members(before, after, store),
            )
        case Tested(), Tested():
            verdicts = recorded.report.verdict, now.report.verdict
            word = "the same report" if verdicts[0] == verdicts[1] else f"another report, recorded is {verdicts[0]}"
            return Comparison(same=verdicts[0] == verdicts[1], sentence=f"{word}: {verdicts[1]}")
        case _:
            was = _name(recorded) if recorded else "no end"
            return Comparison(same=False, sentence=f"it ended otherwise: {_name(now)}, recorded is {was}")


def _place(failed: Failed) -> tuple[Step, str]:
    return failed.step, failed.reason.code


def _name(outcome: Outcome) -> str:
    if isinstance(outcome, Failed):
        return f"failed at {outcome.step} ({outcome.reason.code}): {outcome.reason.message}"
    return {"Built": "it was built", "Tested": "it passed"}.get(type(outcome).__name__, type(outcome).__name__.lower())


def _members(before: Artifact, after: Artifact, store: Store) -> tuple[str, ...]:
    """Names of the files of two wheels that are not equal."""
    with store.open(before.sha256) as one, store.open(after.sha256) as other:
        old, new = ({each.filename: each.CRC for each in zipfile.ZipFile(wheel).infolist()} for wheel in (one, other))
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def comparison_json(row: JobRow, now: Outcome, found: Comparison, line: str) -> dict[str, Any]:
    """A repeated attempt as one JSON document."""
    failed = now if isinstance(now, Failed) else None
    return {
        "key": row.job.key,
        "title": title(row),
        "call": line,
        "same": found.same,
        "sentence": found.sentence,
        "differs": list(found.differs),
        "step": failed and failed.step.value,
        "code": failed and failed.reason.code,
        "lines": list(failed.reason.lines) if failed else [],
        "sha256": now.wheel.artifact.sha256 if isinstance(now, Built) else None,
    }
