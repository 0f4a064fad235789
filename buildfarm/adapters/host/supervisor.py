"""Runs one command, watches what it uses, and ends all that it started. A program of its own.

It reads its order, a marshalled ``Order``, from standard input. That pipe is also the leash: when its other end closes,
because the farm wants it or has died, the command ends. So it does when all its processes together use more than the
order allows. The last line of the report is ``end CODE LEFT BROKEN MEMORY PIDS CPU``: the exit code (negative: a
signal), how many processes resisted, which limit was broken (``-``: none), and the most that was in use, in bytes,
processes with threads, and seconds.
"""
# This starts once for every command: json, pathlib and contextlib would double its time.
# ruff: noqa: PTH123, SIM105

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import signal
import time

from buildfarm.adapters.host import usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    Limits = tuple[int, int, int, float]
    """the largest file in bytes; of all processes together: bytes of memory, processes with threads, seconds of CPU"""

    Order = tuple[tuple[str, ...], dict[str, str], str, tuple[int, ...], tuple[int, ...], Limits, tuple[str, ...]]
    """argv, environment, working directory, the processors to run on (none: on all), descriptors at which the command
    gets the report, limits, files that put a process into a control group"""

LOOK_EVERY = 0.1
"""Seconds between two looks at what is in use; more where they would take over 1 % of the time and little grows."""

_PR_SET_CHILD_SUBREAPER = 36
_ROOM = 4096  # processes for all other sessions: the kernel counts those of a user, not of a command
_ROUNDS = 500  # of at most 20 ms, in which whatever is left must die


def main(report: int) -> None:
    """Obey the order on standard input, and report to the descriptor ``report``."""
    with open(0, "rb", closefd=False) as leash:
        order: Order = marshal.load(leash)  # noqa: S302 - from the farm itself
    # The subreaper becomes the parent of every orphan: no child gets away by setsid, whatever it does to its
    # environment, and "no child left" is the kernel's word for "nothing of the command is left".
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o022)
    file_size, memory, pids, cpu = order[5]
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, file_size)
    _stand_out()
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    starting, start = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(start)
        if os.read(starting, 1):  # it is inside: so will be all that it starts
            _become(order, report)
        os._exit(126)
    for door in order[6]:
        with open(door, "w") as file:
            file.write(str(child))
    os.write(start, b"\n")
    watch = _Watch(memory, pids, cpu)
    code = _await(child, woken, watch)
    left = _end_all(woken)
    os.write(report, f"\nend {code} {left} {watch.said()}\n".encode())


def _stand_out() -> None:
    """Run when thousands of processes want to: else a fork bomb grows faster than it is killed.

    Only root may. Others are stopped by ``_become``, with a limit that root does not heed.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        pass


class _Watch:
    """What all that descends from us uses together, and whether that is too much."""

    def __init__(self, memory: int, pids: int, cpu: float) -> None:
        self._memory, self._pids, self._cpu = memory, pids, cpu
        self._most_memory = self._most_pids = self._last_pids = 0
        self._most_cpu = 0.0
        self._broken = ""
        self._due = time.monotonic() + LOOK_EVERY

    def pause(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._due - time.monotonic())

    def breaks(self) -> bool:
        """Look, if it is time; whether a limit is broken."""
        if time.monotonic() < self._due:
            return False
        began = time.process_time()
        found, pids, memory, cpu = usage.count(os.getpid(), self._pids)
        if memory > self._memory:  # with what they share counted in each
            memory = usage.memory(found)
        growing, self._last_pids = pids > 2 * self._last_pids, pids
        self._most_memory, self._most_pids = max(self._most_memory, memory), max(self._most_pids, pids)
        self._most_cpu = max(self._most_cpu, cpu + _ended())  # what is killed with its parent is never waited for
        over = (("memory", memory > self._memory), ("pids", pids > self._pids), ("cpu", self._most_cpu > self._cpu))
        self._broken = next((name for name, is_over in over if is_over), "")
        at_leisure = 0.0 if growing else min(1.0, 100 * (time.process_time() - began))
        self._due = time.monotonic() + max(LOOK_EVERY, at_leisure)
        return bool(self._broken)

    def said(self) -> str:
        """For the report, when all has ended."""
        largest = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of one process, seen or not
        memory, cpu = max(self._most_memory, largest), max(self._most_cpu, _ended())
        return f"{self._broken or '-'} {memory} {self._most_pids} {cpu:.3f}"


def _ended() -> float:
    """Processor seconds of the children that have ended, and of theirs."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _become(order: Order, report: int) -> NoReturn:
    """Turn the forked child into the command; ends as a shell would where there is no such program or folder."""
    argv, env, folder, processors, report_at, (_, _, pids, _), _ = order
    try:
        os.chdir(folder)
    except OSError as error:
        _give_up(126, f"cannot enter {folder}: {error.strerror}")
    try:
        os.setsid()
        if processors:
            os.sched_setaffinity(0, processors)
        _go_first()
        _limit(resource.RLIMIT_NPROC, _tasks() + pids + _ROOM)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor in report_at:
            os.dup2(report, descriptor)
        os.set_inheritable(report, report in report_at)
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is the point
    except (FileNotFoundError, NotADirectoryError):
        _give_up(127, f"{argv[0]}: not found")
    except OSError as error:
        _give_up(126, f"{argv[0]}: {error.strerror}")


def _go_first() -> None:
    """When the machine has no memory left, the kernel shall end this command, and not the farm."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _tasks() -> int:
    """Processes and threads of the whole machine: at least those of this user."""
    with open("/proc/loadavg", "rb") as file:
        return int(file.read().split()[3].partition(b"/")[2])


def _give_up(code: int, message: str) -> NoReturn:
    os.write(2, message.encode(errors="replace") + b"\n")
    os._exit(code)


def _await(child: int, woken: int, watch: _Watch) -> int:
    """The exit code of the command; that of SIGKILL, which follows, when the leash ends or a limit is broken first."""
    while True:
        ready, _, _ = select.select([0, woken], [], [], watch.pause())
        if 0 in ready or watch.breaks():
            os.kill(child, signal.SIGKILL)  # if it is a sandbox, the kernel ends all that is in it, at once
            return -signal.SIGKILL
        if woken in ready:
            os.read(woken, 4096)
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                if reaped[0] == child:
                    return os.waitstatus_to_exitcode(reaped[1])


def _end_all(woken: int) -> int:
    """Kill until none is left; the count of those that would not die."""
    for _ in range(_ROUNDS):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return 0
        for pid in usage.descendants([os.getpid()]):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if select.select([woken], [], [], 0.02)[0]:
            os.read(woken, 4096)
    return len(usage.descendants([os.getpid()]))
