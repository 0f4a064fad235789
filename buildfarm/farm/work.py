"""The whole of a worker: claim ▸ attempt ▸ finish."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from buildfarm.attempt import Bench, attempt
from buildfarm.model.errors import FarmError
from buildfarm.model.job import Lease, Worker
from buildfarm.model.outcome import Cancelled, HandedBack, Lost, Outcome
from buildfarm.model.records import Beat
from buildfarm.ports import Bell, Claims, Log, Progress, Report, Runner, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What a worker works with. ``quit_`` answers True when it shall hand its job back; ``beat`` is in seconds."""

    claims: Claims
    runner: Runner
    store: Store
    log: Log
    bell: Bell
    report: Report
    quit_: Callable[[], bool]
    beat: float = 20.0


def work_one(place: Workplace, worker: Worker, request: int | None = None) -> bool:
    """Take one job and see it through; False when there was none to take."""
    lease = place.claims.claim(worker, request)
    if lease is None:
        return False
    with _heart(place, lease) as heart:
        bench = Bench(
            runner=place.runner,
            store=place.store,
            sink=lambda chunk: place.log.append(lease.name, chunk),
            stop=lambda: heart.stopped or place.quit_(),
            report=heart.report,
        )
        outcome = _outcome(lease, bench, heart)
    place.claims.finish(lease, outcome)
    place.bell.ring(lease.job.environment.lane)
    return True


class _Heart:
    """Beats while the attempt lives, and hears whether it should."""

    def __init__(self, place: Workplace, lease: Lease) -> None:
        self._place = place
        self._lease = lease
        self.last = Beat.GO_ON

    @property
    def stopped(self) -> bool:
        return self.last is not Beat.GO_ON

    def beat(self, step: str = "") -> None:
        self.last = self._place.claims.heartbeat(self._lease, step)

    def report(self, progress: Progress) -> None:
        self.beat(progress.step)
        self._place.log.append(self._lease.name, f"== {progress.step}: {progress.message}\n".encode())
        self._place.report(progress)


@contextmanager
def _heart(place: Workplace, lease: Lease) -> Iterator[_Heart]:
    heart, over = _Heart(place, lease), threading.Event()

    def run() -> None:
        while not over.wait(place.beat):
            with suppress(Exception):  # a ledger that is busy now may answer the next beat; the lease outlives two
                heart.beat()

    thread = threading.Thread(target=run, name=f"heart of {lease.name}", daemon=True)
    thread.start()
    try:
        yield heart
    finally:
        over.set()
        thread.join()


def _outcome(lease: Lease, bench: Bench, heart: _Heart) -> Outcome:
    try:
        outcome = attempt(lease, bench)
    except Exception as error:  # noqa: BLE001 - no package may end a worker, and no job may be lost with one
        # The farm's fault, not the package's: tried again, up to the limit.
        foreseen = isinstance(error, FarmError | OSError)
        message = str(error) if foreseen else f"a fault of buildfarm itself, {type(error).__name__}: {error}"
        with suppress(OSError):  # the log may be what cannot be written
            bench.sink(f"== lost: {message}\n{'' if foreseen else traceback.format_exc()}".encode())
        return Lost(message=message)
    return Cancelled() if isinstance(outcome, HandedBack) and heart.last is Beat.CANCEL else outcome
