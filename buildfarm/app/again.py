"""A job's attempt once more, from its recorded inputs and with nothing written to the ledger."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from buildfarm.app.overview import title
from buildfarm.app.settings import Settings
from buildfarm.app.wiring import Site
from buildfarm.attempt import Bench, attempt
from buildfarm.farm.find import find_jobs
from buildfarm.model.errors import RecipeError, StepFailed
from buildfarm.model.job import BuildJob, Lease
from buildfarm.model.outcome import Failed, Outcome, Step
from buildfarm.model.records import JobRow
from buildfarm.model.session import Command, SessionSpec, Sink, Stop
from buildfarm.ports import Runner, Session

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
