"""The live display of a build: a line for each running job, and a summary; what has ended scrolls away above."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group
from rich.control import Control
from rich.live import Live as RichLive
from rich.segment import ControlType
from rich.text import Text

from buildfarm.app.harmless import harmless, shown
from buildfarm.app.progress import Screen, say
from buildfarm.model.job import Lease
from buildfarm.model.outcome import Built, Cancelled, Failed, HandedBack, Lost, Outcome, Tested, Wanting
from buildfarm.model.plan import Later
from buildfarm.model.records import JobRow
from buildfarm.ports import Progress

_OFTEN = 2  # frames in a second: each costs two milliseconds
_NARROW = 60  # columns, up to which a line goes without its margin
_TAIL = 2048  # bytes of a chunk in which its last line is looked for
_STYLES = {"done": "green", "running": "", "waiting": "dim", "failed": "red", "cancelled": "yellow"}
_COUNTED = {"succeeded": "done", "pending": "waiting", "queued": "waiting"}


@dataclass(slots=True, kw_only=True)
class _Doing:
    """Something that goes on: an attempt, or what a thread reported last."""

    name: str
    step: str
    began: float
    line: str = ""


class Live(Screen):
    """A live display on a terminal (``clock`` in seconds). Nothing of it is left when its context ends."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._plain = not console.encoding.lower().startswith("utf")
        self._lock = threading.Lock()
        self._running: dict[str, _Doing] = {}
        self._reported: dict[int, _Doing] = {}
        self._states: dict[str, str] = {}
        self._later = 0
        self._drawn: list[int] = []
        self._live = _Reflowing(
            self,
            console=console,
            refresh_per_second=_OFTEN,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def report(self, progress: Progress) -> None:
        """What a thread does now is a line until it has done it; what happened is said for good.

        Steps of a running attempt come with its heartbeats, and are not shown twice.
        """
        line = f"{progress.job} {progress.message}".strip() if progress.job else progress.message
        with self._lock:
            self._reported.pop(threading.get_ident(), None)
            if any(each.name == progress.job for each in self._running.values()):
                return
            if goes_on := progress.step == "prepare" or progress.message.endswith("…"):
                self._reported[threading.get_ident()] = _Doing(name=line, step=progress.step, began=self._clock())
        if not goes_on:
            self._say(f"  {progress.step}", "", line)

    def planned(self, rows: Iterable[JobRow], later: Iterable[Later]) -> None:
        """Count them. What cannot be prepared has failed without an attempt: said here, when it is first seen."""
        with self._lock:
            self._reported = {thread: each for thread, each in self._reported.items() if each.step != "prepare"}
            before, self._states = self._states, {}
            news = []
            for row in rows:
                key = row.job.key
                self._states[key] = row.state
                if row.state == "failed" and before.get(key, "failed") != "failed":
                    news.append(row)
            self._later = sum(1 for _ in later)
        for row in news:
            if isinstance(row.outcome, Failed):
                self._failed(row.job.title, row.outcome)

    def idle(self) -> None:
        """The thread's line goes."""
        with self._lock:
            self._reported.pop(threading.get_ident(), None)

    def claimed(self, lease: Lease) -> None:
        """A line more."""
        with self._lock:
            self._running[lease.name] = _Doing(name=lease.job.title, step="starts", began=self._clock())
            self._states[lease.job.key] = "running"

    def stepped(self, lease: Lease, step: str) -> None:
        """What its line says."""
        with self._lock:
            self._reported.pop(threading.get_ident(), None)
            if doing := self._running.get(lease.name):
                doing.step = step

    def wrote(self, attempt: str, chunk: bytes) -> None:
        """The last line that says something."""
        lines = (shown(line).strip() for line in reversed(chunk[-_TAIL:].split(b"\n")))
        if said := next((line for line in lines if line), ""):
            with self._lock:
                if doing := self._running.get(attempt):
                    doing.line = said

    def finished(self, lease: Lease, outcome: Outcome) -> None:
        """Its line goes, and what became of it is said for good."""
        with self._lock:
            doing = self._running.pop(lease.name)
            self._states[lease.job.key] = _state(outcome)
        took = f"  {duration(self._clock() - doing.began)}"
        match outcome:
            case Built():
                self._say("✓ built", "green", doing.name, took)
            case Tested():
                self._say("✓ tested", "green", doing.name, took)
            case Failed():
                self._failed(doing.name, outcome, took)
            case Wanting():
                self._say("  again", "", doing.name, f"  its build asks for {', '.join(outcome.requirements)}")
            case Lost():
                self._say("! lost", "yellow", doing.name, f"  {outcome.message}")
            case HandedBack():
                self._say("  stopped", "", doing.name, "  it goes back to the queue")
            case Cancelled():
                self._say("✗ cancelled", "yellow", doing.name)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Group]:
        """The frame, drawn anew whenever something is printed above it."""
        frame = self.frame()
        self._drawn = [line.cell_len for line in frame.renderables if isinstance(line, Text)]
        yield frame

    def broken(self) -> int:
        """How many rows more than lines the frame has since the terminal was made narrower, where that reflows."""
        width = max(self._console.width, 1)
        return sum(max(cells - 1, 0) // width for cells in self._drawn)

    def frame(self) -> Group:
        """What the display is now, as wide and high as the terminal is now."""
        now, width = self._clock(), self._console.width
        room = max(self._console.height - 2, 1)
        with self._lock:
            doing = [*self._reported.values(), *self._running.values()]
            lines = [self._line(each, now, width) for each in doing[:room]]
            if len(doing) > room:
                lines[-1] = self._cut(Text(f"  and {len(doing) - room + 1} more", "dim"), width - 1)
            lines.append(self._summary(now, width))
        return Group(*lines)

    def _line(self, doing: _Doing, now: float, width: int) -> Text:
        step = f"  {doing.step:10} " if width > _NARROW else f"{doing.step:7.7} "
        line = Text(step, "cyan").append(f"{duration(now - doing.began):>6}  ")
        line.append(harmless(doing.name), "default")
        if doing.line:
            line.append(f"  {doing.line}", "default dim")
        return self._cut(line, width - 1)

    def _summary(self, now: float, width: int) -> Text:
        counts = Counter(_COUNTED.get(state, state) for state in self._states.values())
        if self._later:
            counts["waiting"] += self._later
        line = Text("  ")
        for word, style in _STYLES.items():
            if counts[word]:
                line.append(f"{counts[word]} {word}  ", style)
        if counts:
            line.append(f"of {counts.total()}  ", "dim")
        line.append(duration(now - self._began), "dim")
        return self._cut(line, width - 1)

    def _cut(self, line: Text, width: int) -> Text:
        """No wider than that: the last column stays free, for some terminals break the line there."""
        if line.cell_len > width:
            dots = "..." if self._plain else "…"
            line.truncate(max(width - len(dots), 0))
            line.append(dots[: max(width, 0)])
        return line

    def _failed(self, name: str, failed: Failed, took: str = "") -> None:
        message = failed.reason.message.partition("\n")[0]
        self._say(f"✗ failed at {failed.step}", "red", f"{name}: {message}", took)

    def _say(self, what: str, style: str, name: str, more: str = "") -> None:
        if self._plain:
            what = what.replace("✓", "+").replace("✗", "x")
        line = Text(f"{what:10}", f"bold {style}".strip()).append(f" {harmless(name)}", "not bold default")
        say(self._console, line.append(harmless(more), "not bold default dim"))


class _Reflowing(RichLive):
    """Erases what rich does not: it knows how many lines it drew, and not what the terminal has made of them."""

    def __init__(self, live: Live, **options: Any) -> None:
        super().__init__(live, **options)
        self._of = live

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        up = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        return [Control(*up * self._of.broken()), *super().process_renderables(renderables)]


def duration(seconds: float) -> str:
    """``3.2 s``, ``47 s``, ``12:05``, ``1:02:05``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _state(outcome: Outcome) -> str:
    """The state of a job after an outcome, as the ledger will say it a moment later."""
    match outcome:
        case Built() | Tested():
            return "succeeded"
        case Failed():
            return "failed"
        case Cancelled():
            return "cancelled"
        case _:
            return "queued"
