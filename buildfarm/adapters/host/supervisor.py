"""Runs one command and ends all that it started. A program of its own, which imports nothing of ours.

``supervisor.py REPORT`` reads its order, a marshalled ``Order``, from standard input. That pipe is also the leash: when
its other end closes, because the farm wants it or has died, the command ends. The last line written to the descriptor
REPORT is ``end CODE LEFT``: the exit code (negative: a signal), and how many processes resisted.
"""
# This starts once for every command: json, pathlib and contextlib would double its time.
# ruff: noqa: PTH123, PTH208, SIM105

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    Order = tuple[tuple[str, ...], dict[str, str], str, int, tuple[int, ...]]
    """argv, environment, working directory, largest file in bytes, descriptors at which the command gets REPORT"""

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 500  # of at most 20 ms, in which whatever is left must die


def main(report: int) -> None:
    """Obey the order on standard input, and report."""
    with open(0, "rb", closefd=False) as leash:
        order: Order = marshal.load(leash)  # noqa: S302 - from the farm itself
    # The subreaper becomes the parent of every orphan: no child gets away by setsid, whatever it does to its
    # environment, and "no child left" is the kernel's word for "nothing of the command is left".
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.umask(0o022)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, order[3])
    woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = os.fork()
    if child == 0:
        _become(order, report)
    code = _await(child, woken)
    left = _end_all(woken)
    os.write(report, f"\nend {code} {left}\n".encode())


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _become(order: Order, report: int) -> NoReturn:
    """Turn the forked child into the command; ends as a shell would where there is no such program or folder."""
    argv, env, folder, _, report_at = order
    try:
        os.chdir(folder)
    except OSError as error:
        _give_up(126, f"cannot enter {folder}: {error.strerror}")
    try:
        os.setsid()
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


def _give_up(code: int, message: str) -> NoReturn:
    os.write(2, message.encode(errors="replace") + b"\n")
    os._exit(code)


def _await(child: int, woken: int) -> int:
    """The exit code of the command; that of SIGKILL, which follows, when the leash ends first."""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready:
            return -signal.SIGKILL
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
        for pid in descendants([os.getpid()]):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        if select.select([woken], [], [], 0.02)[0]:
            os.read(woken, 4096)
    return len(descendants([os.getpid()]))


def descendants(ancestors: Iterable[int]) -> list[int]:
    """Pids of all that descend from those processes, parents first: a parent dies before it can replace a child."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    families, found = list(ancestors), list[int]()
    for pid in families:
        families += children.get(pid, ())
        found += children.get(pid, ())
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
