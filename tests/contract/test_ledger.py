"""The promises of the ledger's ports, over memory and over a file."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.arrows import ARROWS, move
from buildfarm.adapters.sql.claims import SqlClaims
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.sql.migrations import MIGRATIONS
from buildfarm.adapters.sql.plain import tagged
from buildfarm.model.errors import FarmError, RecipeError, Refused
from buildfarm.model.events import (
    DocsPublished,
    FileDeleted,
    FilePublished,
    FileYanked,
    IndexConfigured,
    IndexDeleted,
    NameGivenUp,
    Payload,
)
from buildfarm.model.facts import KnownSource, KnownWheel
from buildfarm.model.index import Index, IndexClass, pending_of
from buildfarm.model.job import (
    BuildJob,
    BuildRequest,
    Environment,
    Input,
    Job,
    Lease,
    Lock,
    LockedWheel,
    SourcePin,
    TestJob,
    Worker,
)
from buildfarm.model.outcome import (
    Built,
    Cancelled,
    Failed,
    HandedBack,
    Lost,
    Outcome,
    Reason,
    Step,
    Tested,
    Wanting,
)
from buildfarm.model.recipe import AUTO_IMPORTS, Build, Limits, Override, Recipe, System, Track, UrlSource
from buildfarm.model.records import Arrival, Beat, JobRow, Publication, Resolution
from buildfarm.model.target import Target
from buildfarm.model.token import Right, Token
from buildfarm.model.wheel import Artifact, Finding, Severity, TestReport, Verdict, VerifiedWheel

STATES = ("pending", "queued", "running", "succeeded", "failed", "cancelled")
TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
ENVIRONMENT = Environment(
    name="host", lane="lane", target=TARGET, definition={"python": "3.11.7"}, test_definition={"python": "3.11"}
)
WORKER = Worker(
    name="w1",
    lanes=frozenset({"lane", "other"}),
    environments=frozenset({ENVIRONMENT.fingerprint, ENVIRONMENT.test_fingerprint}),
)
NO_BINARY = Failed(step=Step.REPAIR, reason=Reason(code="no-binaries", message="nothing in it", tail=("a", "b")))
LOST = Lost(message="the disk is full")


@pytest.fixture(scope="module", params=["memory", "file"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("home")
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{folder / 'ledger.db'}"
    ledger = Ledger(url, folder=folder / "locks")
    yield ledger
    ledger.database.close()


@pytest.fixture
def ledger(opened: Ledger) -> Ledger:
    """An empty ledger."""
    with opened.database.writing() as tx:
        for table in reversed(t.metadata.sorted_tables):
            if table is not t.migrations:
                tx.connection.execute(table.delete())
    return opened


def artifact(name: str, content: str = "") -> Artifact:
    return Artifact(name=name, size=len(name), sha256=f"{name}:{content}")


def known(version: str = "1.0", content: str = "") -> KnownSource:
    pin = SourcePin(artifact=artifact(f"demo-{version}.tar.gz", content), origin="/demo", epoch=1_600_000_000)
    return KnownSource(pin=pin, requires=("setuptools",), backend_path=(".",))


def build(number: int = 0, **parts: object) -> BuildJob:
    job = BuildJob(
        project="demo",
        version="1.0",
        target=TARGET,
        source=replace(known().pin, artifact=artifact(f"demo-{number}.tar.gz")),
        environment=ENVIRONMENT,
    )
    return replace(job, **parts)  # type: ignore[arg-type]


def trial(number: int = 0) -> TestJob:
    return TestJob(
        project="demo",
        version="1.0",
        target=TARGET,
        wheel=artifact(f"demo-{number}-py3-none-any.whl"),
        environment=ENVIRONMENT,
        tests=(AUTO_IMPORTS,),
        index="main",
    )


def built(number: int = 0) -> Built:
    finding = Finding(rule="rpath", severity=Severity.WARNING, message="an absolute one")
    wheel = artifact(f"demo-1.0-{number}-py3-none-any.whl")
    return Built(wheel=VerifiedWheel(artifact=wheel, content=f"c{number}", extensions=number, warnings=(finding,)))


def ask(ledger: Ledger, *jobs: Job, **request: object) -> BuildRequest:
    """A new request with these jobs, pending."""
    owner = str(request.pop("owner", f"owner{len(ledger.requests.open_requests())}"))
    asked = ledger.requests.submit(BuildRequest(recipes=(Recipe(name="demo"),), owner=owner, **request))  # type: ignore[arg-type]
    ledger.jobs.insert(asked, jobs)
    return asked


def queue(ledger: Ledger, *jobs: Job, **request: object) -> BuildRequest:
    asked = ask(ledger, *jobs, **request)
    for job in jobs:
        assert ledger.jobs.prepared(job.key, (), ())
    return asked


def lease(ledger: Ledger, worker: Worker = WORKER) -> Lease:
    leased = ledger.claims.claim(worker)
    assert leased is not None
    return leased


def attempt(ledger: Ledger, outcome: Outcome) -> Lease:
    leased = lease(ledger)
    assert ledger.claims.finish(leased, outcome)
    return leased


def only(ledger: Ledger) -> JobRow:
    (row,) = ledger.jobs.rows()
    return row


def execute(ledger: Ledger, statement: Any) -> list[Any]:
    with ledger.database.writing() as tx:
        result = tx.connection.execute(statement)
        return list(result) if result.returns_rows else []


# ------------------------------------------------------------------------------------------------------------ requests


def test_a_request_comes_back_as_it_was_with_an_id(ledger: Ledger) -> None:
    recipe = Recipe(
        name="demo",
        versions=Track(keep=3),
        source=UrlSource(url="u", sha256="sha256:0"),
        build=Build(env={"A": "ü"}),
        overrides=(Override(select="*", system=System(), tests=()),),
    )
    wish = BuildRequest(recipes=(recipe,), targets=("cp311-*",), index="company/base", urgency="pull-request")
    first = ledger.requests.submit(wish)
    second = ledger.requests.submit(BuildRequest(recipes=()))
    assert ledger.requests.open_requests() == (first, second)
    assert first == replace(wish, id=first.id)
    assert 0 < first.id < second.id


def test_an_equal_wish_attaches_to_the_open_request_and_not_to_a_closed_one(ledger: Ledger) -> None:
    wish = BuildRequest(recipes=(Recipe(name="demo"),))
    first = ledger.requests.submit(wish)
    assert ledger.requests.submit(wish) == first
    assert ledger.requests.submit(replace(wish, owner="b")).id != first.id
    ledger.requests.close(first.id)
    ledger.requests.close(first.id)
    again = ledger.requests.submit(wish)
    assert again.id != first.id
    assert [each.id for each in ledger.requests.open_requests()] == sorted({again.id, again.id - 1})


def test_what_a_request_stands_for_is_remembered_once(ledger: Ledger) -> None:
    asked = ask(ledger)
    assert ledger.requests.resolution(asked.id) is None
    gone = Reason(code="unknown-project", message="no such project", advice="look")
    resolution: Resolution = {"demo": {"1.0": known(), "2.0": gone}, "absent": gone}
    ledger.requests.resolve(asked.id, resolution)
    ledger.requests.resolve(asked.id, {"demo": gone})
    assert ledger.requests.resolution(asked.id) == resolution


# ---------------------------------------------------------------------------------------------------------------- jobs


def test_jobs_are_inserted_once_and_come_back_as_they_were(ledger: Ledger) -> None:
    jobs = (build(1, needs={"numpy": "a" * 64}), trial(1), build(2, limits=Limits(wall=1.5)))
    asked = ask(ledger)
    assert ledger.jobs.insert(asked, jobs) == 3
    assert ledger.jobs.insert(asked, jobs) == 0
    assert ledger.jobs.rows() == tuple(JobRow(job=job, state="pending") for job in jobs)


def test_requests_share_a_job_and_rows_are_selected_by_request_and_state(ledger: Ledger) -> None:
    one = ask(ledger, build(1), build(2))
    other = ask(ledger)
    assert ledger.jobs.insert(other, [build(2), build(3)]) == 2
    assert ledger.jobs.insert(other, [build(3), build(1)]) == 1
    ledger.jobs.prepared(build(2).key, (), ())
    assert [row.job for row in ledger.jobs.rows(one.id)] == [build(1), build(2)]
    assert [row.job for row in ledger.jobs.rows(other.id)] == [build(1), build(2), build(3)]
    assert [row.job for row in ledger.jobs.rows(other.id, frozenset({"queued"}))] == [build(2)]
    assert [row.state for row in ledger.jobs.rows()] == ["pending", "queued", "pending"]
    assert ledger.jobs.rows(states=frozenset({"failed"})) == ()


def test_jobs_of_a_request_that_was_not_submitted_are_refused_whole(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError):
        ledger.jobs.insert(BuildRequest(recipes=(), id=99), [build(1)])
    assert ledger.jobs.rows() == ()


def end_as(ledger: Ledger, state: str) -> None:
    """Take the queued job to an end that a request may begin again."""
    attempt(ledger, NO_BINARY if state == "failed" else Cancelled())
    assert only(ledger).state == state


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_new_request_begins_anew_what_failed(ledger: Ledger, state: str) -> None:
    first = queue(ledger, build())
    attempt(ledger, Wanting(requirements=("cython",)))
    ledger.jobs.prepared(build().key, (), ("cython",))
    attempt(ledger, LOST)
    end_as(ledger, state)
    assert ledger.jobs.insert(first, [build()]) == 0
    assert only(ledger).state == state
    assert build().key in ledger.learning.failed(first.id)
    ask(ledger, build())
    last = {name: getattr(only(ledger), name) for name in ("log", "seconds", "started", "worker")}
    assert only(ledger) == replace(JobRow(job=build(), state="pending"), **last)
    assert not ledger.learning.failed(first.id)
    ledger.jobs.prepared(build().key, (), ())
    assert (lease(ledger).attempt, lease_count(ledger)) == (1, 4)


def lease_count(ledger: Ledger) -> int:
    return int(execute(ledger, select(func.max(t.attempts.c.token)))[0][0])


def test_what_is_in_no_key_is_as_the_new_request_has_it(ledger: Ledger) -> None:
    """Somebody who raises a limit after a failure gets the raised limit, though the key is the same."""
    queue(ledger, build(limits=Limits(wall=1)))
    end_as(ledger, "failed")
    raised = build(limits=Limits(wall=7200), build_tag=2, environment=replace(ENVIRONMENT, lane="other"))
    assert raised.key == build().key
    queue(ledger, raised)
    assert lease(ledger, replace(WORKER, lanes=frozenset({"other"}))).job == raised


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_nightly_does_not_and_is_told_that_it_failed(ledger: Ledger, state: str) -> None:
    queue(ledger, build())
    end_as(ledger, state)
    nightly = ask(ledger, build(), urgency="nightly")
    assert only(ledger).state == state
    assert ledger.learning.failed(nightly.id) == {build().key}


@pytest.mark.parametrize("state", ["pending", "queued", "running", "succeeded"])
def test_a_new_request_attaches_to_what_did_not_fail(ledger: Ledger, state: str) -> None:
    (ask if state == "pending" else queue)(ledger, build())
    if state == "running":
        lease(ledger)
    if state == "succeeded":
        attempt(ledger, built())
    before = only(ledger)
    asked = ask(ledger, build(limits=Limits(wall=1)))
    assert ledger.jobs.rows(asked.id) == (before,)
    assert before.state == state


def test_prepared_and_unprepared_happen_once(ledger: Ledger) -> None:
    ask(ledger, build(1), build(2))
    inputs = [Input(role="source", artifact=artifact("b")), Input(role="wheelhouse", artifact=artifact("a"))]
    assert ledger.jobs.prepared(build(1).key, inputs, ("setuptools>=61",))
    assert not ledger.jobs.prepared(build(1).key, (), ())
    assert not ledger.jobs.unprepared(build(1).key, NO_BINARY.reason)
    assert ledger.jobs.inputs(build(1).key) == tuple(inputs)
    leased = lease(ledger)
    assert (leased.job, leased.inputs, leased.granted) == (build(1), tuple(inputs), ("setuptools>=61",))
    assert ledger.jobs.unprepared(build(2).key, NO_BINARY.reason)
    assert not ledger.jobs.prepared(build(2).key, inputs, ())
    (row,) = ledger.jobs.rows(states=frozenset({"failed"}))
    assert row.outcome == Failed(step=Step.PREPARE, reason=NO_BINARY.reason)
    assert (row.attempts, row.log) == (0, "")


# -------------------------------------------------------------------------------------------------------------- claims


def test_a_lease_says_everything_that_the_attempt_needs(ledger: Ledger) -> None:
    queue(ledger, build())
    leased = lease(ledger)
    assert (leased.job, leased.attempt, leased.token, leased.worker) == (build(), 1, 1, "w1")
    assert leased.name == f"{build().key}.1" == only(ledger).log
    assert ledger.claims.claim(WORKER) is None


@pytest.mark.parametrize(
    ("worker", "taken"),
    [
        (WORKER, True),
        (replace(WORKER, lanes=frozenset({"windows"})), False),
        (replace(WORKER, lanes=frozenset()), False),
        (replace(WORKER, environments=frozenset({ENVIRONMENT.test_fingerprint})), False),
        (replace(WORKER, environments=frozenset()), False),
    ],
)
def test_a_worker_gets_only_what_it_can_take(ledger: Ledger, worker: Worker, taken: bool) -> None:
    queue(ledger, build())
    assert (ledger.claims.claim(worker) is not None) is taken


def test_a_test_needs_less_of_an_environment_than_a_build(ledger: Ledger) -> None:
    queue(ledger, build(), trial())
    tester = replace(WORKER, environments=frozenset({ENVIRONMENT.test_fingerprint}))
    assert lease(ledger, tester).job == trial()
    assert ledger.claims.claim(tester) is None


def test_only_jobs_of_the_request_that_is_named(ledger: Ledger) -> None:
    queue(ledger, build(1))
    other = queue(ledger, build(2))
    leased = ledger.claims.claim(WORKER, other.id)
    assert leased is not None
    assert leased.job == build(2)
    assert ledger.claims.claim(WORKER, other.id) is None


def test_the_most_urgent_go_first_then_the_oldest(ledger: Ledger) -> None:
    queue(ledger, build(1), build(2), urgency="nightly")
    queue(ledger, build(3))
    queue(ledger, build(4), urgency="pull-request")
    ask(ledger, build(2), urgency="pull-request")
    assert [lease(ledger).job for _ in range(4)] == [build(2), build(4), build(3), build(1)]


def test_what_waits_is_cancelled_at_once(ledger: Ledger) -> None:
    queue(ledger, build(1))
    ask(ledger, build(2))
    for number in (1, 2):
        assert ledger.jobs.cancel(build(number).key, "ann")
        assert not ledger.jobs.cancel(build(number).key, "ann")
    assert [(row.state, row.outcome) for row in ledger.jobs.rows()] == [("cancelled", Cancelled())] * 2
    assert ledger.claims.claim(WORKER) is None
    assert {row.who for row in execute(ledger, select(t.transitions)) if row.after == "cancelled"} == {"ann"}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Cancelled(), "cancelled"),
        (LOST, "cancelled"),
        (HandedBack(), "cancelled"),
        (Wanting(requirements=("cython",)), "cancelled"),
        (built(), "succeeded"),
        (NO_BINARY, "failed"),
    ],
)
def test_what_runs_is_told_to_end_and_never_waits_again(ledger: Ledger, outcome: Outcome, state: str) -> None:
    queue(ledger, build())
    running = lease(ledger)
    assert ledger.jobs.cancel(build().key, "ann")
    assert only(ledger).state == "running"
    assert ledger.claims.heartbeat(running) is Beat.CANCEL
    assert ledger.claims.finish(running, outcome)
    assert only(ledger).state == state
    assert not ledger.jobs.cancel(build().key, "ann")


def test_what_was_cancelled_and_lost_its_worker_is_reaped_as_cancelled(ledger: Ledger) -> None:
    queue(ledger, build())
    lease(ledger, replace(WORKER, name="local-1"))
    ledger.jobs.cancel(build().key, "ann")
    assert ledger.jobs.reap(frozenset()) == 1
    assert only(ledger).state == "cancelled"


def test_heartbeats_extend_the_lease_and_note_the_steps(ledger: Ledger) -> None:
    queue(ledger, build())
    short, long = SqlClaims(ledger.database, -1.0), SqlClaims(ledger.database, 60.0)
    leased = short.claim(WORKER)
    assert leased is not None
    assert [long.heartbeat(leased, step) for step in ("build", "", "repair")] == [Beat.GO_ON] * 3
    assert ledger.jobs.reap(frozenset()) == 0
    assert [row.step for row in execute(ledger, select(t.steps.c.step).order_by(t.steps.c.id))] == ["build", "repair"]
    assert short.heartbeat(leased) is Beat.GO_ON
    assert ledger.jobs.reap(frozenset()) == 1


def test_a_fenced_worker_changes_nothing(ledger: Ledger) -> None:
    queue(ledger, build())
    late = SqlClaims(ledger.database, -1.0).claim(WORKER)
    assert late is not None
    assert ledger.jobs.reap(frozenset()) == 1
    assert ledger.claims.heartbeat(late, "build") is Beat.FENCED
    assert not ledger.claims.finish(late, built(1))
    current = lease(ledger)
    assert current.token > late.token
    assert ledger.claims.heartbeat(late) is Beat.FENCED
    assert not ledger.claims.finish(late, built(1))
    assert ledger.claims.finish(current, built(2))
    assert not ledger.claims.finish(current, NO_BINARY)
    assert ledger.claims.heartbeat(current) is Beat.FENCED
    assert only(ledger).outcome == built(2)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (built(), "succeeded"),
        (NO_BINARY, "failed"),
        (Cancelled(), "cancelled"),
        (HandedBack(), "queued"),
        (LOST, "queued"),
        (Wanting(requirements=("cython",)), "pending"),
    ],
)
def test_what_follows_an_outcome(ledger: Ledger, outcome: Outcome, state: str) -> None:
    queue(ledger, build())
    attempt(ledger, outcome)
    row = only(ledger)
    assert (row.state, row.log) == (state, f"{build().key}.1")
    assert row.outcome == (outcome if state in ("succeeded", "failed", "cancelled") else None)
    assert row.seconds >= 0


def test_what_was_handed_back_does_not_count_as_a_try(ledger: Ledger) -> None:
    queue(ledger, build())
    leases = [attempt(ledger, HandedBack()) for _ in range(5)]
    assert [each.attempt for each in leases] == [1] * 5
    assert [each.token for each in leases] == [1, 2, 3, 4, 5]
    assert (only(ledger).state, only(ledger).attempts) == ("queued", 0)


def test_what_the_farm_lost_three_times_fails_for_the_operator(ledger: Ledger) -> None:
    queue(ledger, build())
    attempt(ledger, LOST)
    attempt(ledger, LOST)
    assert only(ledger).state == "queued"
    attempt(ledger, LOST)
    row = only(ledger)
    assert row.state == "failed"
    assert isinstance(row.outcome, Failed)
    assert row.outcome.reason.code == "infra"
    assert row.outcome.reason.message == "the farm lost it 3 times, last: the disk is full"


def test_a_build_wants_more_at_most_three_times(ledger: Ledger) -> None:
    queue(ledger, build())
    for number in range(3):
        attempt(ledger, Wanting(requirements=("cython", f"numpy>={number}")))
        assert only(ledger).state == "pending"
        assert ledger.jobs.prepared(build().key, (), only(ledger).wishes)
    assert only(ledger).wishes == ("cython", "numpy>=0", "numpy>=1", "numpy>=2")
    attempt(ledger, Wanting(requirements=("scipy",)))
    outcome = only(ledger).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.step, outcome.reason.code) == (Step.BUILD, "insatiable")


def test_a_build_that_wants_what_it_has_is_insatiable_at_once(ledger: Ledger) -> None:
    queue(ledger, build())
    attempt(ledger, Wanting(requirements=("cython",)))
    ledger.jobs.prepared(build().key, (), ("cython",))
    attempt(ledger, Wanting(requirements=("cython",)))
    assert only(ledger).state == "failed"


def test_wishes_and_losses_are_counted_apart(ledger: Ledger) -> None:
    queue(ledger, build())
    for number in range(3):
        if number < 2:
            attempt(ledger, LOST)
        attempt(ledger, Wanting(requirements=(f"lib{number}",)))
        assert ledger.jobs.prepared(build().key, (), ())
    assert only(ledger).state == "queued"
    attempt(ledger, built())
    assert only(ledger).state == "succeeded"


@pytest.mark.parametrize(
    ("name", "term", "live", "reaped"),
    [
        ("local-1", 60.0, {"local-1"}, False),
        ("local-1", 60.0, {"local-2"}, True),
        ("local-1", 60.0, set(), True),
        ("local-1", -1.0, {"local-1"}, True),
        ("w1", 60.0, set(), False),
        ("w1", -1.0, {"w1"}, True),
    ],
)
def test_reap_takes_from_dead_local_owners_at_once_and_from_others_when_the_lease_lapsed(
    ledger: Ledger, name: str, term: float, live: set[str], reaped: bool
) -> None:
    queue(ledger, build())
    leased = SqlClaims(ledger.database, term).claim(replace(WORKER, name=name))
    assert leased is not None
    assert ledger.jobs.reap(frozenset(live)) == reaped
    assert ledger.jobs.reap(frozenset(live)) == 0
    assert only(ledger).state == ("queued" if reaped else "running")
    assert (ledger.claims.heartbeat(leased) is Beat.FENCED) is reaped


def test_what_is_reaped_three_times_fails(ledger: Ledger) -> None:
    queue(ledger, build())
    for _ in range(3):
        lease(ledger, replace(WORKER, name="local-1"))
        ledger.jobs.reap(frozenset())
    assert only(ledger).state == "failed"


JOBS = 200


def drain(ledger: Ledger, name: str) -> list[str]:
    """Claim until there is nothing; the keys of the jobs."""
    keys = []
    while leased := ledger.claims.claim(replace(WORKER, name=name)):
        keys.append(leased.job.key)
    return keys


@pytest.mark.slow
def test_threads_never_lease_the_same_job(ledger: Ledger) -> None:
    queue(ledger, *(build(number) for number in range(JOBS // 4)))
    taken: list[str] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(drain(ledger, threading.current_thread().name)), name=name)
        for name in ("w1", "w2", "w3", "w4")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(build(number).key for number in range(JOBS // 4))


def in_child(work: Callable[[], object]) -> int:
    """Do it in a process of its own; its id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the child must not go on with the tests of its parent
        os._exit(1)


@pytest.mark.slow
def test_processes_open_a_new_ledger_at_once_and_never_lease_the_same_job(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    children = [in_child(partial(Ledger, url)) for _ in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    ledger = Ledger(url)
    asked = ask(ledger, *(build(number) for number in range(JOBS)))
    execute(ledger, update(t.jobs).values(state="queued"))
    ledger.database.close()

    def work(name: str) -> None:
        opened = Ledger(url)
        (tmp_path / name).write_text("\n".join(drain(opened, name)), encoding="utf-8")

    names = ("w1", "w2", "w3", "w4")
    children = [in_child(partial(work, name)) for name in names]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    taken = Counter(key for name in names for key in (tmp_path / name).read_text(encoding="utf-8").split())
    assert taken == Counter(build(number).key for number in range(JOBS))
    ledger = Ledger(url)
    assert {row.state for row in ledger.jobs.rows(asked.id)} == {"running"}
    ledger.database.close()


# -------------------------------------------------------------------------------------------------------------- arrows


def test_a_job_moves_along_the_arrows_and_no_other() -> None:
    ledger = Ledger()
    ask(ledger, build())
    for before, after in product(STATES, STATES):
        execute(ledger, update(t.jobs).values(state=before))
        execute(ledger, t.transitions.delete())
        with ledger.database.writing() as tx:
            if (before, after) in ARROWS:
                assert move(tx, 1, before, after, "somebody", "because")
                assert not move(tx, 1, before, after, "somebody")
            else:
                with pytest.raises(ValueError, match=f"no arrow {before} -> {after}"):
                    move(tx, 1, before, after, "somebody")
        arrow = [(row.before, row.after, row.who, row.note) for row in execute(ledger, select(t.transitions))]
        assert arrow == ([(before, after, "somebody", "because")] if (before, after) in ARROWS else [])
        assert only(ledger).state == (after if (before, after) in ARROWS else before)
    ledger.database.close()


OUTCOMES = [
    built(),
    NO_BINARY,
    HandedBack(),
    LOST,
    Cancelled(),
    Wanting(requirements=("a",)),
    Wanting(requirements=("b",)),
]


class Life(RuleBasedStateMachine):
    """Whatever happens in whatever order, the record of it makes sense."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.current: dict[str, int] = {}
        ask(self.ledger, *self.jobs)

    @property
    def jobs(self) -> tuple[Job, ...]:
        return (build(1), build(2), trial(1))

    @rule(urgency=st.sampled_from(["pull-request", "request", "nightly"]))
    def asked_for(self, urgency: str) -> None:
        for asked in self.ledger.requests.open_requests():
            self.ledger.requests.close(asked.id)
        ask(self.ledger, *self.jobs, urgency=urgency)

    @rule(number=st.integers(0, 2))
    def prepared(self, number: int) -> None:
        self.ledger.jobs.prepared(self.jobs[number].key, (), ())

    @rule(number=st.integers(0, 2))
    def unprepared(self, number: int) -> None:
        self.ledger.jobs.unprepared(self.jobs[number].key, NO_BINARY.reason)

    @rule(target=leases, name=st.sampled_from(["local-1", "local-2", "w1"]))
    def claimed(self, name: str) -> Any:
        leased = self.ledger.claims.claim(replace(WORKER, name=name))
        if leased is None:
            return multiple()
        assert leased.token > self.current.get(leased.job.key, 0)
        self.current[leased.job.key] = leased.token
        return leased

    @rule(leased=leases)
    def beats(self, leased: Lease) -> None:
        held = self.held(leased)
        assert (self.ledger.claims.heartbeat(leased, "build") is not Beat.FENCED) is held

    @rule(leased=consumes(leases), outcome=st.sampled_from(OUTCOMES))
    def finished(self, leased: Lease, outcome: Outcome) -> None:
        held = self.held(leased)
        if isinstance(leased.job, TestJob) and isinstance(outcome, Built):
            outcome = Tested(report=TestReport(verdict=Verdict.PASSED))
        assert self.ledger.claims.finish(leased, outcome) is held
        assert not self.ledger.claims.finish(leased, outcome)

    @rule(live=st.sets(st.sampled_from(["local-1", "local-2"])))
    def reaped(self, live: set[str]) -> None:
        self.ledger.jobs.reap(frozenset(live))

    @rule(number=st.integers(0, 2))
    def cancelled(self, number: int) -> None:
        self.ledger.jobs.cancel(self.jobs[number].key, "somebody")

    def held(self, leased: Lease) -> bool:
        (row,) = (row for row in self.ledger.jobs.rows() if row.job.key == leased.job.key)
        return row.state == "running" and self.current[leased.job.key] == leased.token

    @invariant()
    def the_transitions_of_each_job_are_a_path_to_its_state(self) -> None:
        transitions = execute(self.ledger, select(t.transitions).order_by(t.transitions.c.id))
        for job in execute(self.ledger, select(t.jobs)):
            steps = [(each.before, each.after) for each in transitions if each.job == job.id]
            states = ["pending", *(after for _, after in steps)]
            assert [before for before, _ in steps] == states[:-1]
            assert states[-1] == job.state
            assert set(steps) <= ARROWS

    @invariant()
    def each_job_has_one_open_attempt_while_it_runs_and_else_none(self) -> None:
        attempts = execute(self.ledger, select(t.attempts).order_by(t.attempts.c.id))
        for job in execute(self.ledger, select(t.jobs)):
            tokens = [each.token for each in attempts if each.job == job.id]
            assert tokens == list(range(1, job.token + 1))
            still_open = [each.token for each in attempts if each.job == job.id and each.ended is None]
            assert still_open == ([job.token] if job.state == "running" else [])
            assert not job.cancel or job.state not in ("pending", "queued")
            assert 0 <= job.tries <= 3
            assert 0 <= job.asked <= 3

    @invariant()
    def what_ended_says_how(self) -> None:
        rows = self.ledger.jobs.rows()
        assert {row.state for row in rows if row.outcome} <= {"succeeded", "failed", "cancelled"}
        assert all(row.outcome for row in rows if row.state in ("succeeded", "failed", "cancelled"))
        keys = [row.job.key for row in rows]
        succeeded = {row.job.key for row in rows if row.state == "succeeded"}
        passed = {key for key, report in self.ledger.learning.reports(keys).items() if report.verdict is Verdict.PASSED}
        assert succeeded == self.ledger.learning.wheels(keys).keys() | passed

    def teardown(self) -> None:
        self.ledger.database.close()


TestLife = pytest.mark.slow(Life.TestCase)
TestLife.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


# ------------------------------------------------------------------------------------------------------ locks, learning


def test_the_first_pin_wins_and_other_bytes_are_refused(ledger: Ledger) -> None:
    first = known()
    assert ledger.locks.pin("demo", "1.0", first) == first
    assert ledger.locks.pin("demo", "1.0", replace(first, pin=replace(first.pin, origin="/mirror"))) == first
    with pytest.raises(
        RecipeError, match=r"demo 1\.0: the sdist changed upstream: .* was sha256:.*, .* is sha256:"
    ) as no:
        ledger.locks.pin("demo", "1.0", known(content="other"))
    assert no.value.exit_code == 2
    second = ledger.locks.pin("demo", "2.0", known("2.0"))
    ledger.locks.pin("other", "1.0", known("3.0"))
    assert ledger.locks.pinned(["demo", "absent"]) == {("demo", "1.0"): first, ("demo", "2.0"): second}


def test_the_first_lock_wins(ledger: Ledger) -> None:
    lock = Lock(wheels=(LockedWheel(project="a", version="1", artifact=artifact("a.whl"), origin="/a.whl"),))
    assert ledger.locks.kept("key") is None
    assert ledger.locks.keep("key", lock) == lock
    assert ledger.locks.keep("key", Lock()) == lock
    assert ledger.locks.kept("key") == lock
    assert ledger.locks.keep("empty", Lock()) == ledger.locks.kept("empty") == Lock()


def test_finished_builds_are_learnt_from(ledger: Ledger) -> None:
    queue(ledger, build(1), build(2), build(3), build(4))
    for outcome in (built(1), built(2), NO_BINARY):
        attempt(ledger, outcome)
    keys = [build(number).key for number in range(1, 5)]
    first = KnownWheel(artifact=built(1).wheel.artifact, content="c1", extensions=1)
    second = KnownWheel(artifact=built(2).wheel.artifact, content="c2", extensions=2)
    assert ledger.learning.wheels([*keys, "absent"]) == {keys[0]: first, keys[1]: second}
    assert ledger.learning.wheels(keys[2:]) == {}
    assert ledger.learning.last(["demo", "absent"]) == {"demo": second}


def test_reports_of_tests_passed_and_failed(ledger: Ledger) -> None:
    queue(ledger, trial(1), trial(2), build())
    report = TestReport(verdict=Verdict.PASSED, imported=("demo",), isolation="none", compiler="/usr/bin/cc")
    attempt(ledger, Tested(report=report))
    attempt(ledger, replace(NO_BINARY, step=Step.TEST))
    attempt(ledger, NO_BINARY)
    keys = [trial(1).key, trial(2).key, build().key]
    failed = TestReport(verdict=Verdict.FAILED, reason="nothing in it")
    assert ledger.learning.reports(keys) == {keys[0]: report, keys[1]: failed}
    queue(ledger, trial(2))
    attempt(ledger, Tested(report=report))
    assert ledger.learning.reports(keys[1:]) == {keys[1]: report}


def test_what_failed_is_told_to_the_requests_that_it_is_of(ledger: Ledger) -> None:
    one, other = queue(ledger, build(1)), queue(ledger, build(2))
    attempt(ledger, NO_BINARY)
    assert ledger.learning.failed(one.id) == {build(1).key}
    assert ledger.learning.failed(other.id) == frozenset()


# -------------------------------------------------------------------------------------------------------------- events


def wanted(name: str = "demo-1.0-py3-none-any.whl", content: str = "", index: str = "main") -> Publication:
    return Publication(
        index=index, project="demo", version="1.0", artifact=artifact(name, content), note="n", content="digest"
    )


def test_the_same_bytes_are_wanted_once_and_settled_once(ledger: Ledger) -> None:
    assert ledger.events.want(wanted())
    assert not ledger.events.want(wanted())
    assert ledger.events.publications() == (wanted(),)
    assert ledger.events.settle(wanted(), "published", "in place")
    assert not ledger.events.settle(wanted(), "conflict")
    assert not ledger.events.want(wanted())
    assert ledger.events.publications() == (replace(wanted(), state="published", note="in place"),)


@pytest.mark.parametrize("settled", [None, "published"])
def test_other_bytes_under_a_live_name_are_a_conflict_never_an_overwrite(ledger: Ledger, settled: str | None) -> None:
    ledger.events.want(wanted())
    if settled:
        ledger.events.settle(wanted(), settled)
    other = wanted(content="other")
    assert not ledger.events.want(other)
    assert not ledger.events.want(other)
    assert not ledger.events.settle(other, "published")
    (conflict,) = ledger.events.publications("main", frozenset({"conflict"}))
    assert conflict.artifact == other.artifact
    assert conflict.note == f"the index has it as sha256:{wanted().artifact.sha256}"


@pytest.mark.parametrize("settled", ["refused", "conflict"])
def test_a_name_is_free_again_when_its_bytes_were_not_published(ledger: Ledger, settled: str) -> None:
    ledger.events.want(wanted())
    ledger.events.settle(wanted(), settled)
    assert ledger.events.want(wanted(content="other"))
    assert not ledger.events.want(wanted())


def test_a_file_name_is_live_once_whatever_the_code_does(ledger: Ledger) -> None:
    ledger.events.want(wanted())
    row = dict(execute(ledger, select(t.publications))[0]._mapping)
    with pytest.raises(IntegrityError):
        execute(ledger, insert(t.publications).values({**row, "id": 99, "state": "published"}))


def test_indexes_are_apart(ledger: Ledger) -> None:
    assert ledger.events.want(wanted())
    assert ledger.events.want(wanted(content="other", index="pr/1"))
    assert ledger.events.publications("pr/1") == (wanted(content="other", index="pr/1"),)
    ledger.events.append("main", published())
    assert ledger.events.events("pr/1") == ()


def published(name: str = "demo-1.0-py3-none-any.whl", project: str = "demo", **more: object) -> FilePublished:
    event = FilePublished(
        project=project,
        version="1.0",
        artifact=artifact(name),
        metadata_sha256="m",
        uploaded="2024-01-01T00:00:00Z",
        requires_python=">=3.9",
    )
    return replace(event, **more)  # type: ignore[arg-type]


def test_the_latest_events_are_read_by_pages(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        for private in (False, True):
            ledger.events.append(name, IndexConfigured(index=Index(name=name, private=private)))
    every = ledger.events.since(0)
    assert ledger.events.latest(["a", "b", "c"], None, 99) == every[::-1]
    assert ledger.events.latest(["a", "c"], None, 3) == (every[5], every[4], every[1])
    assert ledger.events.latest(["a", "c"], every[1].serial, 3) == (every[0],)
    assert ledger.events.latest([], None, 3) == ()


def test_an_event_is_appended_once(ledger: Ledger) -> None:
    assert ledger.events.append("main", published())
    assert not ledger.events.append("main", published(uploaded="2025-01-01T00:00:00Z"))
    assert ledger.events.append("main", published("demo-2.0.whl"))
    assert ledger.events.append("main", published("x.whl", project="x"))
    configured, *events = ledger.events.events("main")
    assert configured.payload == IndexConfigured(index=Index(name="main"))
    assert [event.payload for event in events] == [
        published(),
        published("demo-2.0.whl"),
        published("x.whl", project="x"),
    ]
    assert [event.serial for event in events] == sorted({event.serial for event in events})
    assert ledger.events.events("main", "x") == tuple(events[2:])
    assert ledger.events.since(events[1].serial) == tuple(events[2:])


def test_a_yanked_file_is_not_published_anew_by_a_tick_that_repeats_itself(ledger: Ledger) -> None:
    name = "demo-1.0-py3-none-any.whl"
    yank, back = (FileYanked(project="demo", filename=name, reason=reason) for reason in ("broken", None))
    ledger.events.append("main", published())
    assert ledger.events.append("main", yank)
    assert not ledger.events.append("main", published())
    assert not ledger.events.append("main", yank)
    assert ledger.events.append("main", back)
    assert ledger.events.append("main", yank)
    assert [event.payload for event in ledger.events.events("main", "demo")] == [published(), yank, back, yank]


def test_what_was_deleted_is_published_and_yanked_anew(ledger: Ledger) -> None:
    name = "demo-1.0-py3-none-any.whl"
    yank, gone = FileYanked(project="demo", filename=name), FileDeleted(project="demo", filename=name)
    told: list[Payload] = [published(), yank, gone, published(), yank]
    assert [ledger.events.append("main", each, "somebody") for each in told] == [True] * 5
    assert not ledger.events.append("main", yank)
    assert [event.payload for event in ledger.events.events("main", "demo")] == told
    assert {event.who for event in ledger.events.events("main")} == {"somebody"}
    assert all(event.at > 1.7e9 for event in ledger.events.events("main"))


def test_an_index_has_its_last_settings_until_it_is_deleted(ledger: Ledger) -> None:
    assert ledger.events.indexes() == {}
    dev = Index(name="a/dev", bases=("main",), volatile=True, kind=IndexClass.INTERNAL, accepts=(Verdict.PASSED,))
    ledger.events.append("main", published())
    ledger.events.append(pending_of("main"), published())
    assert ledger.events.append("a/dev", IndexConfigured(index=dev))
    assert not ledger.events.append("a/dev", IndexConfigured(index=dev))
    main, pending = Index(name="main"), Index(name="main/+pending", bases=("main",))
    assert ledger.events.indexes() == {"main": main, "main/+pending": pending, "a/dev": dev}
    private = replace(dev, private=True)
    ledger.events.append("a/dev", IndexConfigured(index=private))
    ledger.events.append(pending_of("main"), IndexDeleted())
    assert ledger.events.indexes() == {"main": main, "a/dev": private}


def test_with_an_index_go_its_tokens_and_what_was_to_come_onto_it(ledger: Ledger) -> None:
    mine, other = (ledger.tokens.keep(Token(index=it, right=Right.READ), it * 64) for it in ("a", "b"))
    for index in ("a", "b"):
        ledger.events.append(index, IndexConfigured(index=Index(name=index)))
        ledger.events.want(wanted(index=index))
    ledger.events.append("a", IndexDeleted())
    assert [(each.id, each.revoked is None) for each in ledger.tokens.all()[0]] == [(mine.id, False), (other.id, True)]
    assert [(each.index, each.state) for each in ledger.events.publications()] == [("a", "withdrawn"), ("b", "wanted")]


def test_no_build_brings_an_index_back(ledger: Ledger) -> None:
    ledger.events.append("a", IndexConfigured(index=Index(name="a")))
    ledger.events.append("a", IndexDeleted())
    assert not ledger.events.want(wanted(index="a"))
    assert ledger.events.publications() == ()
    assert ledger.events.want(wanted(index="b"))


def test_projects_of_an_index_are_those_with_a_file(ledger: Ledger) -> None:
    for event in (published(), published("other.whl"), published("x.whl", project="x"), published("y", project="y")):
        ledger.events.append("main", event)
    ledger.events.append("pr/1", published("z.whl", project="z"))
    ledger.events.append(
        "main", replace(published(), artifact=artifact("demo-1.0-py3-none-any.whl", "9"), replaces="8")
    )
    ledger.events.append("main", FileDeleted(project="demo", filename="other.whl"))
    ledger.events.append("main", FileDeleted(project="x", filename="x.whl"))
    assert ledger.events.projects("main") == {"demo", "y"}
    ledger.events.append("main", FileDeleted(project="demo", filename="demo-1.0-py3-none-any.whl"))
    assert ledger.events.projects("main") == {"y"}
    ledger.events.append("main", published("x.whl", project="x"))
    assert ledger.events.projects("main") == {"x", "y"}
    assert [event.index for event in ledger.events.of_project("z")] == ["pr/1"]
    ledger.events.append("main", FileDeleted(project="y", filename="y"))
    assert ledger.events.names("main") == {"demo", "x", "y"}, "also of those that have none any more"
    assert [ledger.events.append("main", NameGivenUp(project="y")) for _ in range(2)] == [True, True]


def test_a_project_is_not_lost_when_its_file_goes_before_the_one_that_takes_its_place(ledger: Ledger) -> None:
    name = "demo-1.0-py3-none-any.whl"
    ledger.events.append("main", published())
    ledger.events.append("main", FileDeleted(project="demo", filename=name))
    ledger.events.append("main", published(artifact=artifact(name, "9"), replaces=artifact(name).sha256))
    assert ledger.events.projects("main") == {"demo"}


def test_who_deletes_some_bytes_does_not_delete_others_that_came_since(ledger: Ledger) -> None:
    first, second = wanted(), wanted(content="9")
    second = replace(second, arrival=Arrival(replaces=first.artifact.sha256))
    gone = FileDeleted(project="demo", filename=first.artifact.name, sha256=first.artifact.sha256)
    ledger.events.want(first)
    ledger.events.publish(first, published())
    ledger.events.want(second)
    assert ledger.events.append("main", gone), "the others are wanted, and not there yet"
    ledger.events.publish(second, published(artifact=second.artifact, replaces=first.artifact.sha256))
    assert not ledger.events.append("main", gone)
    assert [each.state for each in ledger.events.publications()] == ["withdrawn", "wanted"]
    assert ledger.events.append("main", replace(gone, sha256=second.artifact.sha256))
    assert ledger.events.projects("main") == set()


@pytest.mark.parametrize("spelt", ["Demo-1.0-py3-none-any.whl", "demo-1.0.0-py3-none-any.whl"])
def test_of_two_spellings_that_come_at_once_one_is_a_conflict(ledger: Ledger, spelt: str) -> None:
    first, second = wanted(), wanted(spelt)
    assert ledger.events.want(first)
    assert ledger.events.want(second)
    assert ledger.events.publish(first, published()) == ""
    trouble = ledger.events.publish(second, published(spelt))
    assert trouble.startswith(f"it is there already, spelt {first.artifact.name}: ")
    assert ledger.events.publish(second, published(spelt)) == "", "it is wanted no more"
    assert [(each.state, each.note) for each in ledger.events.publications()] == [
        ("wanted", "n"),
        ("conflict", trouble),
    ]
    ledger.events.append("main", FileDeleted(project="demo", filename=first.artifact.name))
    ledger.events.want(wanted(spelt, "again"))
    assert ledger.events.publish(wanted(spelt, "again"), published(spelt)) == ""
    assert len(ledger.events.events("main", "demo")) == 3


@pytest.mark.parametrize("expires", [None, -1.0])
def test_what_came_with_a_token_that_has_ended_is_refused(ledger: Ledger, expires: float | None) -> None:
    mine = ledger.tokens.keep(Token(index="main", right=Right.UPLOAD, expires=expires), "a" * 64)
    docs = DocsPublished(project="demo", version="1.0", artifact=artifact("docs"))
    if expires is None:
        assert ledger.events.want(replace(wanted("x.whl"), arrival=Arrival(token=mine.id)))
        assert ledger.events.append("main", docs, token=mine.id)
        ledger.tokens.revoke(mine.id)
    before = ledger.events.since(0), ledger.events.publications()
    with pytest.raises(Refused, match=f"token {mine.id} was revoked or has expired") as caught:
        ledger.events.want(replace(wanted(), arrival=Arrival(token=mine.id)))
    assert caught.value.status == 403
    with pytest.raises(Refused):
        ledger.events.append("main", replace(docs, version="2.0"), token=mine.id)
    assert (ledger.events.since(0), ledger.events.publications()) == before


def test_what_is_on_disk_has_a_position(ledger: Ledger) -> None:
    assert ledger.rendering.position("pages") == 0
    for serial in (3, 7):
        ledger.rendering.advance("pages", serial)
    assert (ledger.rendering.position("pages"), ledger.rendering.position("roots")) == (7, 0)


def test_a_token_counts_until_it_expires_or_is_revoked(ledger: Ledger) -> None:
    mine = Token(index="main", right=Right.UPLOAD, project="demo", note="CI", who="me")
    kept, short = ledger.tokens.keep(mine, "a" * 64), ledger.tokens.keep(replace(mine, expires=-1.0), "b" * 64)
    found, now = ledger.tokens.find("a" * 64) or (None, 0.0)
    assert found == kept == replace(mine, id=kept.id, created=kept.created)
    assert kept.live(now)
    assert not short.live(now)
    assert short.expires == pytest.approx(short.created - 1)
    assert ledger.tokens.find("c" * 64) is None
    assert ledger.tokens.revoke(kept.id)
    assert not ledger.tokens.revoke(kept.id)
    (first, second), now = ledger.tokens.all()
    assert (first.id, second) == (kept.id, short)
    assert not first.live(now)


def test_one_renderer_at_a_time(ledger: Ledger) -> None:
    entered = threading.Event()

    def enter() -> None:
        with ledger.rendering.lock("pages"):
            entered.set()

    thread = threading.Thread(target=enter)
    with ledger.rendering.lock("pages"):
        thread.start()
        assert not entered.wait(0.05)
    assert entered.wait(5)
    thread.join()


def test_several_share_a_lock_that_another_has_alone(tmp_path: Path) -> None:
    ledger = Ledger(folder=tmp_path)
    entered = threading.Event()

    def enter() -> None:
        with ledger.rendering.lock("files"):
            entered.set()

    thread = threading.Thread(target=enter)
    with ledger.rendering.lock("files", shared=True):
        thread.start()
        assert not entered.wait(0.05)
        with ledger.rendering.lock("files", shared=True):
            assert not entered.wait(0.05)
    assert entered.wait(5)
    thread.join()
    ledger.database.close()


def test_who_waits_for_the_lock_is_before_who_takes_it_again(tmp_path: Path) -> None:
    ledger = Ledger(folder=tmp_path)
    entered: list[str] = []

    def enter(who: str) -> None:
        with ledger.rendering.lock("pages"):
            entered.append(who)

    for _ in range(3):
        thread = threading.Thread(target=enter, args=("another",))
        with ledger.rendering.lock("pages"):
            thread.start()
            time.sleep(0.05)
        enter("again")
        thread.join()
    assert entered == ["another", "again"] * 3
    ledger.database.close()


# ------------------------------------------------------------------------------------------------------------- crashes

Deed = Callable[[Ledger], object]
STORY: tuple[tuple[str, Deed], ...] = (
    ("request", lambda it: it.requests.submit(BuildRequest(recipes=()))),
    ("resolve", lambda it: it.requests.resolve(1, {"demo": {"1.0": known()}})),
    ("pin", lambda it: it.locks.pin("demo", "1.0", known())),
    ("insert", lambda it: it.jobs.insert(BuildRequest(recipes=(), id=1), [build()])),
    ("lock", lambda it: it.locks.keep("key", Lock())),
    (
        "pending->queued",
        lambda it: it.jobs.prepared(build().key, [Input(role="source", artifact=artifact("a"))], ("b",)),
    ),
    ("queued->running", lambda it: it.claims.claim(WORKER)),
    ("running->pending", lambda it: it.claims.finish(held(it), Wanting(requirements=("b",)))),
    ("pending->queued", lambda it: it.jobs.prepared(build().key, (), ())),
    ("queued->running", lambda it: it.claims.claim(replace(WORKER, name="local-9"))),
    ("running->queued", lambda it: it.jobs.reap(frozenset())),
    ("queued->running", lambda it: it.claims.claim(WORKER)),
    ("running->failed", lambda it: it.claims.finish(held(it), NO_BINARY)),
    ("request", lambda it: it.requests.submit(BuildRequest(recipes=(), owner="b"))),
    ("failed->pending", lambda it: it.jobs.insert(BuildRequest(recipes=(), id=2), [build()])),
    ("pending->failed", lambda it: it.jobs.unprepared(build().key, NO_BINARY.reason)),
    ("request", lambda it: it.requests.submit(BuildRequest(recipes=(), owner="c"))),
    ("failed->pending", lambda it: it.jobs.insert(BuildRequest(recipes=(), id=3), [build()])),
    ("pending->queued", lambda it: it.jobs.prepared(build().key, (), ())),
    ("queued->running", lambda it: it.claims.claim(WORKER)),
    ("running->succeeded", lambda it: it.claims.finish(held(it), built())),
    ("want", lambda it: it.events.want(wanted())),
    ("event", lambda it: it.events.append("main", published())),
    ("wanted->published", lambda it: it.events.settle(wanted(), "published")),
    ("pages", lambda it: it.rendering.advance("pages", 1)),
    ("token", lambda it: it.tokens.keep(Token(index="main", right=Right.READ), "a" * 64)),
    ("revoke", lambda it: it.tokens.revoke(1)),
    ("close", lambda it: it.requests.close(1)),
)
CLOCKED = {"at", "created", "started", "ended", "lease_until", "expires"}


def held(ledger: Ledger) -> Lease:
    row = only(ledger)
    token = int(row.log.rpartition(".")[2])
    return Lease(job=row.job, attempt=row.attempts, token=token, worker=WORKER.name)


def content(file: Path) -> dict[str, list[dict[str, object]]]:
    """All rows of all tables, without the times."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [
                {
                    name: row[name] is not None if name == "revoked" else row[name]
                    for name in row.keys()  # noqa: SIM118 - a row has values first
                    if name not in CLOCKED
                }
                for row in connection.execute(f"SELECT * FROM {table}")
            ]
            for table in t.metadata.tables
        }


def test_every_change_passes_its_point_before_and_after_it_is_true(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    passed: list[str] = []
    seen: list[object] = []

    def crash(point: str) -> None:
        passed.append(point)
        seen.append(content(file))

    ledger = Ledger(f"sqlite:///{file}", crash=crash)
    for point, deed in STORY:
        passed.clear()
        seen.clear()
        before = content(file)
        deed(ledger)
        assert passed == [f"{point}:before", f"{point}:after"]
        assert seen == [before, content(file)]
        assert seen[0] != seen[1]
    ledger.database.close()


@pytest.mark.parametrize("file", ["", "/ledger.db"])
def test_an_error_before_the_end_of_a_change_takes_it_back(tmp_path: Path, file: str) -> None:
    def crash(point: str) -> None:
        if point == "pending->queued:before":
            raise KeyError(point)

    ledger = Ledger(f"sqlite:///{tmp_path}{file}" if file else "sqlite://", crash=crash)
    asked = ask(ledger, build())
    with pytest.raises(KeyError):
        ledger.jobs.prepared(build().key, [Input(role="source", artifact=artifact("a"))], ("b",))
    assert ledger.jobs.rows(asked.id) == (JobRow(job=build(), state="pending"),)
    assert ledger.jobs.inputs(build().key) == ()
    ledger.database.close()


@pytest.mark.slow
def test_after_a_kill_at_any_point_a_change_is_whole_or_absent(tmp_path: Path) -> None:
    """A process dies by SIGKILL at each point in turn; the next one reads what was there, and can do the rest."""
    reference, file = tmp_path / "reference.db", tmp_path / "ledger.db"
    ledger = Ledger(f"sqlite:///{reference}")
    states = [content(reference)]
    for _, deed in STORY:
        deed(ledger)
        states.append(content(reference))
    ledger.database.close()

    def die(deed: Deed, deadly: str) -> None:
        def crash(point: str) -> None:
            if point == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

        deed(Ledger(f"sqlite:///{file}", crash=crash))

    Ledger(f"sqlite:///{file}").database.close()
    for number, (point, deed) in enumerate(STORY):
        for moment in ("before", "after"):
            child = in_child(partial(die, deed, f"{point}:{moment}"))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            assert content(file) == states[number + (moment == "after")], f"{number}, {point}:{moment}"


# ---------------------------------------------------------------------------------------------------------- migrations


GOLDEN = Path(__file__).parents[1] / "golden"


def schema(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {text for (text,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_an_empty_file_becomes_a_ledger_once(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.touch()
    first = Ledger(f"sqlite:///{file}")
    ask(first, build())
    first.database.close()
    made, rows = schema(file), content(file)
    assert {f"CREATE TABLE {table}" for table in t.metadata.tables} <= {text.partition(" (")[0] for text in made}
    second = Ledger(f"sqlite:///{file}")
    assert only(second).job == build()
    second.database.close()
    assert (schema(file), content(file)) == (made, rows)
    assert [row["number"] for row in rows["migrations"]] == [number for number, _, _ in MIGRATIONS]


@pytest.mark.parametrize("number", [number for number, _, _ in MIGRATIONS[:-1]])
def test_a_ledger_of_an_earlier_version_becomes_one_of_today(tmp_path: Path, number: int) -> None:
    """``tests/golden/ledgers`` has the tables of every released version, as that version made them."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript((GOLDEN / "ledgers" / f"{number}.sql").read_text(encoding="utf-8"))
        connection.execute("INSERT INTO migrations VALUES (?, 'as it was', 0)", (number,))
        row = ("main", "six-1-py3-none-any.whl", "six", "1", "0" * 64, 5, "", "published", "", 0)
        names = "index_name, file, project, version, wheel, size, content, state, note, at"
        connection.execute(f"INSERT INTO publications ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        configured = IndexConfigured(index=Index(name="main"))
        events: list[Payload] = [published()] if number < 3 else [configured, published()]  # none is without it now
        for each in events:
            written = ("main", each.project, type(each).__name__, "demo", json.dumps(tagged(each)), 0)
            names = "index_name, project, kind, file, payload, at"
            connection.execute(f"INSERT INTO index_events ({names}) VALUES (?, ?, ?, ?, ?, ?)", written)
        connection.commit()
    for file in (old, new):
        ledger = Ledger(f"sqlite:///{file}")
        kept, told, indexes = ledger.events.publications(), ledger.events.of_project("demo"), ledger.events.indexes()
        ledger.database.close()
        assert [each.build for each in kept] == ([""] if file == old else [])
        assert [each.payload for each in told] == ([published()] if file == old else [])
        assert indexes == ({"main": Index(name="main")} if file == old else {})
    assert columns(old) == columns(new)


def columns(file: Path) -> dict[str, list[tuple[str, str]]]:
    """Names and types of the columns of every table."""
    with closing(sqlite3.connect(file)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: connection.execute(f"SELECT name, type FROM pragma_table_info('{name}')") for name in tables}
        return {name: sorted(rows) for name, rows in found.items()}


def test_the_ledger_of_a_newer_buildfarm_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger(f"sqlite:///{file}")
    execute(ledger, insert(t.migrations).values(number=99, name="from the future", at=0))
    ledger.database.close()
    before = content(file)
    known = MIGRATIONS[-1][0]
    with pytest.raises(FarmError, match=f"version 99, this buildfarm knows {known}: install a newer buildfarm"):
        Ledger(f"sqlite:///{file}")
    assert content(file) == before


def test_what_is_no_ledger_is_the_operators_business(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database " * 100, encoding="utf-8")
    for url, message in {
        f"sqlite:///{tmp_path / 'text'}": "file is not a database",
        f"sqlite:///{tmp_path / 'absent' / 'ledger.db'}": "unable to open database file",
        "no url": "it is like sqlite:///PATH",
        "nosuchdatabase://host/name": "it is like sqlite:///PATH",
    }.items():
        with pytest.raises(FarmError, match=message):
            Ledger(url)
