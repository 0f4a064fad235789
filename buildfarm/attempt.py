"""The story of one job, told twice: build, and test.

Each step hands a new type to the next, so the type checker forbids verifying what was not repaired. A failure of the
package is raised as ``StepFailed`` where it is found and becomes a value in one place, ``attempt``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import PurePosixPath

from buildfarm.model.errors import StepFailed, Stopped, Wants
from buildfarm.model.job import BuildJob, Lease, SourcePin, TestJob
from buildfarm.model.outcome import Built, Failed, HandedBack, Outcome, Ran, Reason, Step, Tested, Wanting
from buildfarm.model.recipe import Test
from buildfarm.model.session import Archive, Command, Completed, Ended, Sink, Stop
from buildfarm.model.wheel import Artifact, BuiltWheel, RepairedWheel, TestReport, Verdict
from buildfarm.plan.sessions import leased
from buildfarm.ports import Progress, Report, Runner, Session, Store
from buildfarm.steps import build as build_step
from buildfarm.steps import crates, graft, include, install, services, untested
from buildfarm.steps import repair as repair_step
from buildfarm.steps import test as test_step
from buildfarm.steps.archive import unpacked
from buildfarm.steps.hearing import Hearing
from buildfarm.steps.snippet import SAYS_NOTHING
from buildfarm.verify.claim import claim_of
from buildfarm.verify.rules import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What an attempt works with: a runner, the store, and where news and output go."""

    runner: Runner
    store: Store
    sink: Sink
    stop: Stop
    report: Report


def attempt(lease: Lease, bench: Bench) -> Outcome:
    """Make the attempt that the lease is for; a package's failure is an outcome, whatever else goes wrong raises."""
    part = lease.job.part if isinstance(lease.job, BuildJob) else SAYS_NOTHING
    hearing = Hearing(bench.sink, part)

    def report(progress: Progress) -> None:
        hearing.begin(Step(progress.step))
        bench.report(progress)

    heard = replace(bench, sink=hearing.hear, report=report)
    try:
        if isinstance(lease.job, BuildJob):
            return build(lease.job, lease, heard)
        return Tested(report=test(lease.job, lease, heard, bench.sink))
    except StepFailed as failed:
        return Failed(step=failed.step, reason=hearing.explain(failed))
    except Wants as wants:
        return Wanting(requirements=wants.requirements)
    except Stopped:
        return HandedBack()


def build(job: BuildJob, lease: Lease, bench: Bench) -> Built:
    """Source and locked requirements in, a verified wheel out."""
    with bench.runner.open(leased(lease), bench.sink, bench.stop) as session:
        _say(bench, lease, Step.BUILD, session.isolation)
        built = _build(job, lease, session, bench.store)
        _say(bench, lease, Step.REPAIR, PurePosixPath(built.path).name)
        repaired = _repair(job, built, session, bench.store)
        _say(bench, lease, Step.VERIFY, repaired.artifact.name)  # in the session, so that one can look into it (debug)
        with bench.store.open(repaired.artifact.sha256) as content:
            verified = verify(repaired.artifact, content, claim_of(job, session.layout.root))
    return Built(wheel=verified, isolation=session.isolation, ran=tuple(map(_ran, session.ran)))


def test(job: TestJob, lease: Lease, bench: Bench, log: Sink) -> TestReport:
    """A wheel by its digest in, a report out; the session is clean, like its consumer's, and holds no compiler.

    When a test fails, what the servers said goes to ``log``, where nobody takes it for the reason.
    """
    with bench.runner.open(leased(lease), bench.sink, bench.stop) as session:
        _say(bench, lease, Step.TEST, session.isolation)
        _fill(lease, session, Step.TEST)
        try:
            reports = [_run_test(job, each, lease, session, bench) for each in job.tests]
        except StepFailed:
            log(services.kept(session.fallen(), session.service_logs()))
            raise
    imported = tuple(name for report in reports for name in report.imported)
    compiler = next((report.compiler for report in reports if report.compiler), "")
    if compiler and "none" not in session.isolation:
        raise StepFailed(Step.TEST, Reason(code="compiler", message=f"the test session has a compiler: {compiler}"))
    return TestReport(
        verdict=Verdict.PASSED if reports else Verdict.NOT_RUN,
        reason="; ".join(report.reason for report in reports if report.reason),
        imported=imported,
        isolation=session.isolation,
        compiler=compiler,
    )


# ---------------------------------------------------------------------------------------------------------- build


def _build(job: BuildJob, lease: Lease, session: Session, store: Store) -> BuiltWheel:
    layout = session.layout
    session.put(layout.source, _patched(job.source, lease))
    _fill(lease, session, Step.BUILD)
    for path, content in crates.vendored(lease.inputs, layout).items():
        session.put(path, content)
    session.put(f"{layout.scripts}/hook.py", build_step.hook_script())
    session.put(f"{layout.work}/request.json", build_step.hook_request(job, layout, lease.granted))
    for command in build_step.before(job, layout):
        _run(session, command, Step.BUILD)
    done = _run(session, build_step.call_hook(job, layout), Step.BUILD)
    if wants := build_step.read_wants(_read(session, store, f"{layout.work}/hook.json", done)):
        raise Wants(wants)
    return _only_wheel(session, layout.dist, Step.BUILD)


def _repair(job: BuildJob, built: BuiltWheel, session: Session, store: Store) -> RepairedWheel:
    layout, path = session.layout, built.path
    included = _include(job, built, session, store) if job.part.repair.include else {}
    if not repair_step.is_pure(path):
        _run(
            session,
            repair_step.repair(job, layout, path),
            Step.REPAIR,
            lambda done: repair_step.repair_failure(job, done),
        )
        # A failed repair leaves a wheel behind: only exit code 0 and exactly one output count.
        path = _only_wheel(session, layout.repaired, Step.REPAIR).path
    if job.build_tag:
        _run(session, repair_step.stamp(job, layout, path), Step.REPAIR)
        path = _only_wheel(session, str(PurePosixPath(path).parent), Step.REPAIR).path
    artifact = _one_wheel(session, path, Step.REPAIR)
    with store.open(artifact.sha256) as content:
        told = graft.tell(job, content, session.packages, included)
    return RepairedWheel(artifact=store.put(artifact.name, BytesIO(told)) if told else artifact)


def _include(job: BuildJob, built: BuiltWheel, session: Session, store: Store) -> dict[str, str]:
    """Put the files of ``repair.include`` into the wheel that was built; their sha256 by member of the wheel."""
    layout = session.layout
    session.put(f"{layout.scripts}/include.py", include.script())
    session.put(f"{layout.work}/include-request.json", include.request(job, layout))
    done = _run(session, include.collect(layout), Step.REPAIR)
    answer = _read(session, store, f"{layout.work}/include.json", done, Step.REPAIR)
    collected = {
        f"{number}/{each.name}": each
        for number in range(len(job.part.repair.include))
        for each in session.take(f"{layout.work}/include/{number}/*")
    }
    files, executable = include.chosen(job, answer, collected)
    with store.open(_one_wheel(session, built.path, Step.REPAIR).sha256) as content:
        session.put(built.path, include.included(job, content, files, executable, store.open))
    return {member: each.sha256 for member, each in files.items()}


# ----------------------------------------------------------------------------------------------------------- test


def _run_test(job: TestJob, test: Test, lease: Lease, session: Session, bench: Bench) -> TestReport:
    layout, report = session.layout, TestReport(verdict=Verdict.PASSED)
    if test.imports:
        report = _import(job, test, session, bench.store)
    seen = [*test.files]
    if test.sources and job.source:
        seen += _put_sources(test, _patched(job.source, lease), session, bench.store)
    for path, content in test_step.files(test, layout, session.services).items():
        session.put(path, content)
    _fail_if(untested.nowhere(test, seen))
    for command in test_step.commands(test, layout, session.services):
        session.put(f"{command.cwd}/.buildfarm", b"")  # makes the folder
        done = _try(session, command)
        _fail_if(untested.nothing_ran(test, done, seen))
        if not done.ok:
            raise _failed(done, Step.TEST)
    return report


def _try(session: Session, command: Command) -> Completed:
    """Run a command of a test. Where a server has ended it has no verdict: some tests pass when they cannot connect."""
    done = session.run(command)
    if done.ended in (Ended.EXITED, Ended.SILENCE, Ended.WALL):
        _fail_if(services.fallen(session.fallen()))
    return done


def _put_sources(test: Test, source: Archive, session: Session, store: Store) -> list[str]:
    """Put what the test sees of the source into the session; the paths of that."""
    only = replace(source, only=test.sources)
    session.put(f"{session.layout.work}/tests", only)
    _fail_if(untested.absent(test, [each.path for each in unpacked(source, store.open)]))
    return [each.path for each in unpacked(only, store.open)]


def _fail_if(reason: Reason | None) -> None:
    if reason:
        raise StepFailed(Step.TEST, reason)


def _import(job: TestJob, test: Test, session: Session, store: Store) -> TestReport:
    layout = session.layout
    session.put(f"{layout.scripts}/imports.py", test_step.imports_script())
    session.put(f"{layout.work}/request.json", test_step.imports_request(job, test, layout))
    done = _try(session, test_step.call_imports(layout))
    if not done.ok and done.exit_code != 1:
        raise _failed(done, Step.TEST)
    answer = test_step.read_imports(_read(session, store, f"{layout.work}/imports.json", done, Step.TEST))
    if answer.failures:
        raise StepFailed(Step.TEST, test_step.import_failure(answer.failures, done))
    return TestReport(
        verdict=Verdict.PASSED,
        reason="; ".join(answer.notes),
        imported=answer.imported,
        compiler=", ".join(answer.compilers),
    )


# ------------------------------------------------------------------------------------------------------- sessions


def _patched(source: SourcePin, lease: Lease) -> Archive:
    patches = tuple(each.artifact for each in lease.inputs if each.role == "patch")
    return Archive(artifact=source.artifact, patches=patches)


def _fill(lease: Lease, session: Session, step: Step) -> None:
    """Put the wheels of the lease into the session and install them into a new environment."""
    layout, wheels = session.layout, []
    for each in lease.inputs:
        if each.role in ("wheelhouse", "wheel"):
            wheels.append(f"{layout.wheelhouse}/{each.artifact.name}")
            session.put(wheels[-1], each.artifact)
    for command in install.fill(lease.job.target, layout, wheels):
        _run(session, command, step)


def _run(
    session: Session, command: Command, step: Step, explain: Callable[[Completed], Reason] = build_step.failure
) -> Completed:
    done = session.run(command)
    if not done.ok:
        raise _failed(done, step, explain)
    return done


def _failed(
    done: Completed, step: Step, explain: Callable[[Completed], Reason] = build_step.failure
) -> StepFailed | Stopped:
    if done.ended is Ended.STOPPED:
        return Stopped(done.command.what)
    return StepFailed(step, (explain if done.ended is Ended.EXITED else build_step.failure)(done))


def _ran(done: Completed) -> Ran:
    return Ran(what=done.command.what, argv=done.command.argv, cwd=done.command.cwd, seconds=round(done.seconds, 3))


def _read(session: Session, store: Store, path: str, done: Completed, step: Step = Step.BUILD) -> bytes:
    """What one of our scripts wrote."""
    found = session.take(path)
    if not found:
        raise StepFailed(step, build_step.unanswered(PurePosixPath(path).name, done))
    with store.open(found[0].sha256) as content:
        return content.read()


def _only_wheel(session: Session, folder: str, step: Step) -> BuiltWheel:
    return BuiltWheel(path=f"{folder}/{_one_wheel(session, f'{folder}/*.whl', step).name}")


def _one_wheel(session: Session, pattern: str, step: Step) -> Artifact:
    found = session.take(pattern)
    if len(found) != 1:
        raise StepFailed(step, build_step.not_one_wheel(step, found))
    return found[0]


def _say(bench: Bench, lease: Lease, step: Step, message: str) -> None:
    bench.report(Progress(job=lease.job.title, step=step, message=message))
