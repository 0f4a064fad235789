"""The in-process farm: the same ticks and the same workers as any other, driven until one request is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from buildfarm.app.wiring import Site
from buildfarm.farm.expand import expand
from buildfarm.farm.tick import Ticked, submit, tick
from buildfarm.farm.work import Workplace, work_one
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildRequest, Job, Worker
from buildfarm.model.records import JobRow
from buildfarm.ports import Progress, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a request ended: its last tick, its rows, and the keys of what had been done before it came."""

    request: BuildRequest
    ticked: Ticked
    rows: tuple[JobRow, ...]
    cached: frozenset[str]


_LOOK = 2.0  # seconds after which one looks for work although no bell rang


def build(site: Site, request: BuildRequest, jobs: int) -> Result:
    """Submit the request, then tick and work, ``jobs`` workers at once, until nothing is left to do for it.

    Raises ``KeyboardInterrupt`` when told to stop: the workers have handed their jobs back by then.
    """
    with site.owner() as owner, quit_on_signals(site.screen.report) as quit_, site.screen:
        site.runner.sweep(site.farm.owners.live())
        request = submit(site.farm, request)
        worker = Worker(name=owner, lanes=site.lanes, environments=site.fingerprints)
        place = replace(site.workplace, quit_=quit_.is_set)
        plan = expand(site.farm, request)
        rows = site.farm.jobs.rows(request.id)
        site.screen.planned(rows, plan.later)
        cached = frozenset(row.job.key for row in rows if row.state == "succeeded")
        if plan.complete and len(cached) == len(rows):
            jobs = 0  # nothing but a tick is left to do
        _in_background(site, [job for job in plan.jobs if job.key not in cached])
        ticked = drive(site, Crew(place=place, worker=worker, size=jobs, quit_=quit_), request)
        return Result(request=request, ticked=ticked, rows=site.farm.jobs.rows(request.id), cached=cached)


def _in_background(site: Site, jobs: Iterable[Job]) -> None:
    """Begin with what takes a minute once per machine; if it fails, the session that needs it says so."""

    def run() -> None:
        with suppress(FarmError):
            site.warm(jobs)
        site.screen.idle()

    threading.Thread(target=run, name="warm", daemon=True).start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The workers of one request, ``size`` of them; ``quit_`` tells them to stop."""

    place: Workplace
    worker: Worker
    size: int
    quit_: threading.Event


def drive(site: Site, crew: Crew, request: BuildRequest) -> Ticked:
    """Tick and work until nothing is left to do for the request; raises ``KeyboardInterrupt`` when told to stop."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set() and not crew.quit_.is_set():
            if not work_one(crew.place, crew.worker, request.id):
                site.farm.bell.wait(_LOOK)

    with ThreadPoolExecutor(max_workers=max(1, crew.size), thread_name_prefix="worker") as pool:
        workers = [pool.submit(work) for _ in range(crew.size)]
        try:
            while True:
                _raise_if_dead(workers)
                if crew.quit_.is_set():
                    raise KeyboardInterrupt
                ticked = tick(site.farm, request)[request.id]
                site.screen.planned(site.farm.jobs.rows(request.id), ticked.plan.later)
                if ticked.done:
                    return ticked
                site.farm.bell.wait(_LOOK)
        finally:
            over.set()
            if not crew.quit_.is_set() and any(_failed(each) for each in workers):
                crew.quit_.set()
            site.farm.bell.ring("*")


def _failed(worker: Future[None]) -> bool:
    return worker.done() and worker.exception() is not None


def _raise_if_dead(workers: list[Future[None]]) -> None:
    for each in workers:
        if each.done():
            each.result()


@contextmanager
def quit_on_signals(report: Report) -> Iterator[threading.Event]:
    """TERM and Ctrl-C set the event: sessions end, jobs go back to the queue, and the main thread is interrupted."""
    quit_ = threading.Event()
    stopping = Progress(job="", step="stop", message="stopping: sessions end, and their jobs go back to the queue …")

    def stop(_signal: int, _frame: object) -> None:
        if not quit_.is_set():
            # Elsewhere, for the thread that was interrupted may hold what a screen locks.
            threading.Thread(target=report, args=(stopping,), name="stopping").start()
        quit_.set()
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield quit_
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
