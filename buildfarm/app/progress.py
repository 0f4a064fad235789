"""What a person hears of a build while it runs: nothing, lines, or whole logs. ``app.live`` shows it on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from buildfarm.app.harmless import WholeLines, shown
from buildfarm.model.job import Lease, Worker
from buildfarm.model.outcome import Lost, Outcome
from buildfarm.model.plan import Later
from buildfarm.model.records import Beat, JobRow
from buildfarm.ports import Claims, Log, Progress


class Screen:
    """Hears everything and shows nothing. A context, open while a build runs; its methods are called by any thread.

    What cannot be shown is left out: no method raises for the sake of a terminal.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def report(self, progress: Progress) -> None:
        """News: a ``ports.Report``."""

    def planned(self, rows: Iterable[JobRow], later: Iterable[Later]) -> None:
        """The jobs of the request as they are now, and what waits to become one."""

    def idle(self) -> None:
        """The calling thread has ended what it reported last."""

    def claimed(self, lease: Lease) -> None:
        """An attempt begins."""

    def stepped(self, lease: Lease, step: str) -> None:
        """A step of it begins."""

    def wrote(self, attempt: str, chunk: bytes) -> None:
        """Its log has grown."""

    def finished(self, lease: Lease, outcome: Outcome) -> None:
        """It has ended, and the ledger took the outcome."""


class Lines(Screen):
    """Plain lines that name job and step, with the seconds since the start."""

    def __init__(self, console: Console, again: float = 30.0) -> None:
        self._console = console
        self._again = again
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._doing: dict[int, tuple[Progress, float]] = {}
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._repeat, name="still", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()

    def report(self, progress: Progress) -> None:
        """A line. What goes on (its message ends with …) is said again every ``again`` seconds: it may take minutes."""
        self.idle()
        if progress.message.endswith("…"):
            self._doing[threading.get_ident()] = progress, time.monotonic()
        self._line(progress)

    def idle(self) -> None:
        """Nothing of the thread is said again."""
        self._doing.pop(threading.get_ident(), None)

    def _repeat(self) -> None:
        while not self._over.wait(self._again):
            now = time.monotonic()
            for progress, began in tuple(self._doing.values()):
                if now - began >= self._again:
                    self._line(replace(progress, message=f"{progress.message} {now - began:.0f} s so far"))

    def _line(self, progress: Progress) -> None:
        line = Text(f"{time.monotonic() - self._began:6.1f}s  ", style="dim")
        line.append(f"{progress.step:10}", style="bold")
        line.append(f" {progress.job}  " if progress.job else " ")
        line.append(progress.message, style="dim")
        self._print(line)

    def _print(self, line: Text) -> None:
        with self._lock:
            say(self._console, line)


class Verbose(Lines):
    """Lines, and between them every line of every log, with the job that wrote it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._names: dict[str, str] = {}
        self._begun: dict[str, WholeLines] = {}

    def claimed(self, lease: Lease) -> None:
        """Its lines carry the name of its job from now on."""
        self._names[lease.name] = lease.job.title

    def wrote(self, attempt: str, chunk: bytes) -> None:
        """The lines that are whole now; one that is too long comes in pieces."""
        for line in self._begun.setdefault(attempt, WholeLines()).of(chunk):
            self._log_line(attempt, line)

    def finished(self, lease: Lease, outcome: Outcome) -> None:  # noqa: ARG002 - the log has told it
        """The line that never ended."""
        if rest := self._begun.pop(lease.name, WholeLines()).rest:
            self._log_line(lease.name, rest)
        self._names.pop(lease.name, None)

    def _log_line(self, attempt: str, line: bytes) -> None:
        self._print(Text(f"{self._names.get(attempt, attempt)} | ", style="dim").append(shown(line), style="not dim"))


class ToldLog:
    """A ``ports.Log`` that tells a screen what it is given."""

    def __init__(self, log: Log, screen: Screen) -> None:
        self._log = log
        self._screen = screen

    def append(self, attempt: str, chunk: bytes) -> None:
        """Add bytes at the end, and show them."""
        self._log.append(attempt, chunk)
        self._screen.wrote(attempt, chunk)

    def read(self, attempt: str) -> bytes:
        """All of it so far."""
        return self._log.read(attempt)

    def where(self, attempt: str) -> str:
        """Where a person finds it."""
        return self._log.where(attempt)


class ToldClaims:
    """A ``ports.Claims`` that tells a screen which attempts begin, go on and end."""

    def __init__(self, claims: Claims, screen: Screen) -> None:
        self._claims = claims
        self._screen = screen

    def claim(self, worker: Worker, request: int | None = None) -> Lease | None:
        """Lease a job, and show it."""
        lease = self._claims.claim(worker, request)
        if lease:
            self._screen.claimed(lease)
        return lease

    def heartbeat(self, lease: Lease, step: str = "") -> Beat:
        """Extend the lease, and show the step."""
        if step:
            self._screen.stepped(lease, step)
        return self._claims.heartbeat(lease, step)

    def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """Record the end, and show it."""
        kept = self._claims.finish(lease, outcome)
        self._screen.finished(lease, outcome if kept else Lost(message="its lease had lapsed"))
        return kept


class Messages(Console):
    """Standard error. It goes quiet when nobody reads it any more, where rich would end the program."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def on_broken_pipe(self) -> None:
        """Go on without being heard."""
        self.quiet = True


def screen_for(console: Console, environ: Mapping[str, str]) -> Screen:
    """What fits where messages go: a live display on a terminal, lines in a pipe, a file, CI or a dumb terminal."""
    if console.is_terminal and not console.is_dumb_terminal and console.file.isatty() and "CI" not in environ:
        from buildfarm.app.live import Live

        return Live(console)
    return Lines(console)


def say(console: Console, line: Text) -> None:
    """Print a line, never broken; into nothing where nobody listens any more."""
    with suppress(OSError):
        console.print(line, soft_wrap=True, highlight=False)
