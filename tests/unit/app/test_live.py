"""The live display: whatever it is told, and however small the terminal, it stays within it and says what counts."""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from buildfarm.adapters.memory import MemoryLog
from buildfarm.app.harmless import shown
from buildfarm.app.live import Live, duration
from buildfarm.app.progress import Lines, Messages, Screen, ToldClaims, ToldLog, Verbose, screen_for
from buildfarm.model.job import BuildJob, Environment, Job, Lease, SourcePin, Worker
from buildfarm.model.outcome import Cancelled, Failed, HandedBack, Lost, Outcome, Reason, Step, Tested, Wanting
from buildfarm.model.records import Beat, JobRow
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact, TestReport, Verdict
from buildfarm.ports import Progress

TARGET = Target.parse("cp311-manylinux_2_17_x86_64")
BUILD = BuildJob(
    project="demo",
    version="1.0",
    target=TARGET,
    source=SourcePin(artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="5" * 64), origin="/demo", epoch=0),
    environment=Environment(name="host", lane="linux-x86_64-host", target=TARGET, definition={}, test_definition={}),
)
FAILED = Failed(step=Step.BUILD, reason=Reason(code="exit", message="it ended with exit code 1\nand more"))
PASSED = Tested(report=TestReport(verdict=Verdict.PASSED))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Latin(Terminal):
    encoding = "iso8859-1"


def lease(number: int = 0, project: str = "demo") -> Lease:
    job: Job = replace(BUILD, project=project, version=f"1.{number}")
    return Lease(job=job, attempt=1, token=number, worker="w")


def live(width: int = 100, height: int = 30, file: io.StringIO | None = None) -> Live:
    console = Console(file=file or Terminal(), force_terminal=True, width=width, height=height, color_system=None)
    return Live(console, clock=lambda: 5.0)


def lines(screen: Live) -> list[str]:
    return [line.plain for line in screen.frame().renderables if isinstance(line, Text)]


def said(screen: Live) -> str:
    file = screen._console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_running_job_is_a_line_with_step_time_and_the_end_of_its_log() -> None:
    screen = live()
    screen.claimed(lease())
    screen.stepped(lease(), "build")
    screen.wrote(lease().name, b"first\ncc -c a.c\n\n")
    assert lines(screen) == [
        "  build       0.0 s  demo 1.0 cp311-manylinux_2_17_x86_64  cc -c a.c",
        "  1 running  of 1  0.0 s",
    ]


@pytest.mark.parametrize(
    ("outcome", "line", "count"),
    [
        (PASSED, "✓ tested   demo 1.0 cp311-manylinux_2_17_x86_64  0.0 s\n", "1 done"),
        (
            FAILED,
            "✗ failed at build demo 1.0 cp311-manylinux_2_17_x86_64: it ended with exit code 1  0.0 s\n",
            "1 failed",
        ),
        (Wanting(requirements=("Cython",)), "its build asks for Cython\n", "1 waiting"),
        (
            Lost(message="the disk is full"),
            "! lost     demo 1.0 cp311-manylinux_2_17_x86_64  the disk is full\n",
            "1 w",
        ),
        (HandedBack(), "it goes back to the queue\n", "1 waiting"),
        (Cancelled(), "✗ cancelled demo 1.0 cp311-manylinux_2_17_x86_64\n", "1 cancelled"),
    ],
)
def test_what_has_ended_is_said_for_good_and_counted(outcome: Outcome, line: str, count: str) -> None:
    screen = live()
    screen.claimed(lease())
    screen.finished(lease(), outcome)
    assert said(screen).endswith(line)
    (summary,) = lines(screen)
    assert summary.startswith(f"  {count}")


def test_where_there_is_no_unicode_there_are_plain_marks() -> None:
    screen = live(width=40, file=Latin())
    screen.claimed(lease())
    assert lines(screen)[0].endswith("...")
    screen.finished(lease(), PASSED)
    assert said(screen).isascii()


def test_what_a_thread_does_is_a_line_until_it_says_or_does_something_else() -> None:
    screen = live()
    screen.report(Progress(job="", step="tool-chain", message="warming …"))
    assert "warming …" in lines(screen)[0]
    assert said(screen) == ""
    screen.report(Progress(job="", step="tool-chain", message="it is warm"))
    assert lines(screen) == ["  0.0 s"]
    assert "it is warm" in said(screen)
    other = threading.Thread(target=lambda: screen.report(Progress(job="a", step="prepare", message="fetching")))
    other.start()
    other.join()
    assert "a fetching" in lines(screen)[0]
    screen.planned([], [])
    assert lines(screen) == ["  0.0 s"]


def test_steps_of_a_running_job_are_not_told_twice() -> None:
    screen = live()
    screen.claimed(lease())
    screen.report(Progress(job="demo 1.0 cp311-manylinux_2_17_x86_64", step="build", message="bubblewrap"))
    assert said(screen) == ""
    assert len(lines(screen)) == 2


def test_a_job_that_failed_without_an_attempt_is_said_once_and_old_failures_are_not() -> None:
    screen = live()
    pending, failed = JobRow(job=BUILD, state="pending"), JobRow(job=BUILD, state="failed", outcome=FAILED)
    screen.planned([failed], [])
    assert said(screen) == ""
    for row in (pending, failed, failed):
        screen.planned([row], [])
    assert said(screen).count("it ended with exit code 1") == 1


@settings(deadline=None, max_examples=40)
@given(
    width=st.integers(1, 120),
    height=st.integers(1, 50),
    jobs=st.integers(0, 200),
    chunk=st.binary(max_size=80),
    project=st.text(max_size=20).filter(lambda name: "\n" not in name),
)
def test_a_frame_never_leaves_the_terminal(width: int, height: int, jobs: int, chunk: bytes, project: str) -> None:
    screen = live(width, height)
    for number in range(jobs):
        screen.claimed(lease(number, project))
    screen.wrote(lease(0, project).name, chunk)
    frame = [line for line in screen.frame().renderables if isinstance(line, Text)]
    assert len(frame) <= max(height, 2)
    assert all(line.cell_len <= max(width - 1, 0) for line in frame)
    assert not any("\x1b" in line.plain or "\r" in line.plain for line in frame)


@given(st.binary(max_size=200))
def test_nothing_in_a_log_commands_a_terminal(line: bytes) -> None:
    assert shown(line).isprintable()


def test_a_line_is_what_it_last_overwrote_itself_with() -> None:
    assert shown(b"10 %\r20 %\r") == "20 %"
    assert shown(b"\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07") == "red bell "


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.9, "1:00"), (725, "12:05"), (3725, "1:02:05")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --------------------------------------------------------------------------------------------- what fits where


@pytest.mark.parametrize(
    ("file", "environ", "kind"),
    [
        (Terminal(), {"TERM": "xterm"}, Live),
        (Terminal(), {"TERM": "dumb"}, Lines),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, Lines),
        (io.StringIO(), {"TERM": "xterm", "FORCE_COLOR": "1"}, Lines),
    ],
)
def test_only_a_terminal_gets_a_live_display(file: io.StringIO, environ: dict[str, str], kind: type[Screen]) -> None:
    assert type(screen_for(Console(file=file, _environ=environ), environ)) is kind


def test_verbose_tells_whole_lines_with_their_job() -> None:
    file = io.StringIO()
    screen = Verbose(Console(file=file))
    log = ToldLog(MemoryLog(), screen)
    screen.claimed(lease())
    for chunk in (b"one\ntw", b"o\n", b"three"):
        log.append(lease().name, chunk)
    screen.finished(lease(), PASSED)
    name = "demo 1.0 cp311-manylinux_2_17_x86_64"
    assert file.getvalue() == f"{name} | one\n{name} | two\n{name} | three\n"
    assert log.read(lease().name) == b"one\ntwo\nthree"


class OneJob:
    """A ``Claims`` with one job, whose lease lapses before it ends."""

    def claim(self, worker: Worker, request: int | None = None) -> Lease | None:
        return lease()

    def heartbeat(self, lease: Lease, step: str = "") -> Beat:
        return Beat.FENCED

    def finish(self, lease: Lease, outcome: Outcome) -> bool:
        return False


def test_a_result_that_the_ledger_did_not_take_is_no_success() -> None:
    screen = live()
    claims = ToldClaims(OneJob(), screen)
    claims.claim(Worker(name="w", lanes=frozenset()))
    claims.heartbeat(lease(), "build")
    assert "build" in lines(screen)[0]
    claims.finish(lease(), PASSED)
    assert "! lost" in said(screen)


def test_a_closed_terminal_does_not_end_a_build() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Messages()
    console.file = Gone()
    screen = Lines(console)
    screen.report(Progress(job="", step="build", message="nobody hears this"))


@pytest.mark.parametrize(("width", "more"), [(200, 0), (100, 0), (50, 1), (20, 5)])
def test_rows_that_a_narrower_terminal_broke_are_erased_too(width: int, more: int) -> None:
    screen = live(width=100)
    screen.claimed(lease())
    screen.wrote(lease().name, b"x" * 200)
    screen._console.print(screen)
    screen._console.width = width
    erased, *_ = screen._live.process_renderables([])
    assert str(erased) == "\x1b[2K\x1b[1A" * more
