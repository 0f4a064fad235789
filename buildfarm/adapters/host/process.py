"""One command under limits: starts its supervisor, hears its output, and ends it when it must end."""

from __future__ import annotations

import contextlib
import marshal
import math
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

from buildfarm.adapters.host.cgroup import Group, Held
from buildfarm.adapters.host.disk import Disk
from buildfarm.adapters.host.supervisor import LOOK_EVERY
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Ended, Excess, Sink, Stop

# A module of its own program, because what is imported is compiled only once. It starts with nothing but the standard
# library, and with ours after that.
_SUPERVISOR = (
    "import sys; sys.path.append(sys.argv[1]); from buildfarm.adapters.host.supervisor import main;"
    "main(int(sys.argv[2]))"
)
_OURS = str(Path(__file__).parents[3])
_ANY = 1 << 60
_ASK_EVERY = 0.1  # seconds between two looks at stop() and the limits
_GRACE = 15.0  # seconds that a supervisor gets to end everything and to report
_POLLED = {"memory": Ended.MEMORY, "pids": Ended.PIDS, "cpu": Ended.CPU}
_TAIL_BYTES, _TAIL_LINES = 65536, 60
_END = re.compile(r"^end (-?\d+) (\d+) (\S+) (\d+) (\d+) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run: argv, the whole environment, working directory.

    ``mark`` are the variables of the supervisor itself, by which a sweep finds it. ``processors`` are those to run on;
    none: on all. ``report_at`` are descriptors at which the command gets the pipe whose content is ``Ending.report``.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    mark: Mapping[str, str]
    processors: tuple[int, ...] = ()
    report_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When it must end: at ``deadline`` (``time.monotonic``), after so many seconds of silence, or bytes of output.

    And when all its processes together use more ``memory`` (bytes), ``pids`` (processes and threads) or ``cpu``
    (seconds), or write more to the ``disk``. What is ``held`` by the kernel is not polled.
    """

    deadline: float
    silence: float
    log: int
    memory: int = _ANY
    pids: int = _ANY
    cpu: float = math.inf
    disk: Disk | None = None
    held: Held = field(default_factory=Held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How it ended. ``exit_code`` means something only with ``Ended.EXITED``; ``written`` is its output in bytes.

    ``memory`` (bytes) is the most that was in use at once, ``cpu`` the seconds of processor time.
    """

    ended: Ended
    exit_code: int
    report: str
    written: int
    tail: tuple[str, ...]
    memory: int = 0
    cpu: float = 0.0
    excess: Excess | None = None


class Supervisor(Protocol):
    """What runs a command, as ``subprocess.Popen``."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""


class Output:
    """What a command writes: all of it to the sink, up to ``room`` bytes, and its last lines kept."""

    def __init__(self, sink: Sink, room: int) -> None:
        self._sink = sink
        self._room = room
        self._last = b""
        self.written = 0
        self.heard = time.monotonic()

    def take(self, chunk: bytes) -> bool:
        """Pass a chunk on, at most what there is room for; False when that was not all of it."""
        fitting = chunk[: max(0, self._room - self.written)]
        self.written += len(fitting)
        self.heard = time.monotonic()
        self._last = (self._last + fitting)[-_TAIL_BYTES:]
        if fitting:
            self._sink(fitting)
        return len(fitting) == len(chunk)

    def tail(self) -> tuple[str, ...]:
        """The last lines; of a line that was drawn over and over (a progress bar), what stood there at the end."""
        lines = self._last.decode(errors="replace").rstrip().split("\n")
        folded = tuple(line.rstrip("\r").rpartition("\r")[2] for line in lines[-_TAIL_LINES:])
        return folded if any(folded) else ()


def run(order: Order, bounds: Bounds, sink: Sink, stop: Stop) -> Ending:
    """Run to the end within the bounds, output live to ``sink``; nothing that it started outlives the call.

    Raises ``FarmError`` when nobody can say how it ended, or when a process of it could not be ended.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as report:
        try:
            supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SUPERVISOR, _OURS, str(writing)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                env=dict(order.mark),
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise FarmError(f"cannot start a process: {error}; look for a limit on processes or memory") from error
        finally:
            os.close(writing)
        output = Output(sink, bounds.log)
        leash, pipe = cast("IO[bytes]", supervisor.stdin), cast("IO[bytes]", supervisor.stdout)
        with supervisor:
            try:
                _give(order, bounds, leash)
                ended = follow(supervisor, pipe, bounds, output, stop)
            finally:
                leash.close()
                pipe.close()  # not drained: who still writes gets SIGPIPE
                _wait(supervisor)
                if bounds.disk:
                    bounds.disk.rest()
        os.set_blocking(reading, False)
        return _ending(ended, _all_of(report), output, bounds)


def call(argv: tuple[str, ...], env: Mapping[str, str], cwd: str) -> Ending:
    """Run a program of our own to its end, within an hour; it dies with us, so that no two ever do the same."""
    order = Order(argv=argv, env=env, cwd=cwd, mark={})
    return run(order, Bounds(deadline=time.monotonic() + 3600, silence=3600, log=1 << 30), _unheard, lambda: False)


def _unheard(_chunk: bytes) -> None:
    """The tail is kept, and says enough."""


def _give(order: Order, bounds: Bounds, leash: IO[bytes]) -> None:
    group = bounds.held.group
    limits = (
        bounds.disk.bound if bounds.disk else _ANY,
        _ANY if group.holds("memory") else bounds.memory,
        _ANY if group.holds("pids") else bounds.pids,
        math.inf if group.holds("cpuacct") else bounds.cpu,
    )
    plain = (order.argv, dict(order.env), order.cwd, order.processors, order.report_at, limits, group.doors)
    unsent = memoryview(marshal.dumps(plain))
    with contextlib.suppress(BrokenPipeError):  # it has died: its missing report tells
        while unsent:
            unsent = unsent[leash.write(unsent) :]


def follow(supervisor: Supervisor, pipe: IO[bytes], bounds: Bounds, output: Output, stop: Stop) -> Ended:
    """Hear everything that comes out of the pipe, until its end, that of the supervisor, or a bound."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    ask_at = 0.0
    while True:
        now = time.monotonic()
        if now >= ask_at:
            ask_at = now + _ASK_EVERY
            if ended := _asked(bounds, stop):
                return ended
        silent_at = output.heard + bounds.silence
        if now >= bounds.deadline:
            return Ended.WALL
        if now >= silent_at:
            return Ended.SILENCE
        if poll.poll(1000 * max(0.0, min(ask_at, silent_at, bounds.deadline) - now)):
            chunk = pipe.read(65536)
            if not chunk:
                return Ended.EXITED  # the supervisor holds the pipe too, so this is the end of everything
            if not output.take(chunk):
                return Ended.LOG
        elif supervisor.poll() is not None and not poll.poll(0):  # what it wrote before its end is heard first
            return Ended.EXITED


def _asked(bounds: Bounds, stop: Stop) -> Ended | None:
    if stop():
        return Ended.STOPPED
    return Ended.DISK if bounds.disk and bounds.disk.breaks() else bounds.held.breaks()


def _wait(supervisor: subprocess.Popen[bytes]) -> None:
    try:
        supervisor.wait(_GRACE)
    except subprocess.TimeoutExpired:
        supervisor.kill()


def _all_of(report: IO[bytes]) -> str:
    with contextlib.suppress(BlockingIOError):
        return (report.read() or b"").decode(errors="replace")
    return ""


def _ending(ended: Ended, report: str, output: Output, bounds: Bounds) -> Ending:
    ends = _END.findall(report)
    if not ends:
        last = "; its last words: " + output.tail()[-1] if output.tail() else ""
        raise FarmError(f"how the command ended is not known: its supervisor was killed or could not work{last}")
    code, left, broken, memory, pids, cpu = ends[-1]
    if int(left):
        raise FarmError(f"{left} processes of it cannot be ended; look for ones that wait for a device or run as root")
    if ended is Ended.EXITED and broken in _POLLED:
        ended = _POLLED[broken]
    elif ended is Ended.EXITED:
        ended = bounds.held.breaks() or (_why_it_failed(bounds) if code != "0" else ended)
    seconds = bounds.held.seconds() if bounds.held.group.holds("cpuacct") else float(cpu)
    return Ending(
        ended=ended,
        exit_code=int(code),
        report=report,
        written=output.written,
        tail=output.tail(),
        memory=int(memory),
        cpu=seconds,
        excess=_excess(ended, bounds, int(memory), int(pids), seconds),
    )


def _why_it_failed(bounds: Bounds) -> Ended:
    if bounds.held.refused():
        return Ended.PIDS
    return Ended.DISK if bounds.disk and bounds.disk.filled() else Ended.EXITED


def _excess(ended: Ended, bounds: Bounds, memory: int, pids: int, cpu: float) -> Excess | None:
    group = bounds.held.group
    match ended:
        case Ended.MEMORY:
            return Excess(used=group.peak() or memory, limit=bounds.memory, measured=_measured(group, "memory"))
        case Ended.PIDS:
            used = bounds.pids if group.holds("pids") else pids
            return Excess(used=used, limit=bounds.pids, measured=_measured(group, "pids"))
        case Ended.CPU:
            return Excess(used=cpu, limit=bounds.cpu, measured=_measured(group, "cpuacct"))
        case Ended.DISK if bounds.disk:
            return Excess(used=bounds.disk.used, limit=bounds.disk.bound, measured="weighed by du")
        case _:
            return None


def _measured(group: Group, controller: str) -> str:
    return "by cgroup" if group.holds(controller) else f"polled every {LOOK_EVERY} s"
