"""What the processes below one use, from /proc. Read by the supervisor, so it imports nothing that is slow to start."""
# ruff: noqa: PTH123, PTH208 - pathlib would double the time that a supervisor needs to start

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_OWN = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")
_TOLD = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")  # noqa: PTH110 - by CONFIG_PROC_CHILDREN


def descendants(ancestors: Iterable[int]) -> list[int]:
    """Pids of all that descend from those processes, parents first: a parent dies before it can replace a child."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    families, found = list(ancestors), list[int]()
    for pid in families:
        families += children.get(pid, ())
        found += children.get(pid, ())
    return found


def count(root: int, most: int) -> tuple[list[int], int, int, float]:
    """What is below a process of one thread now: pids, processes and threads, resident bytes, processor seconds.

    Bytes that processes share are counted in each. The seconds hold those of ended children that were waited for.
    A child that ends meanwhile may hide its siblings from this look. It ends at more than ``most`` processes and
    threads, because who looks at a fork bomb to its end never comes to its end.
    """
    families = _children(root, 1) if _TOLD else descendants([root])
    threads = pages = ticks = 0
    for pid in families:
        if fields := stat(pid):
            threads += int(fields[17])
            pages += int(fields[21])
            ticks += sum(map(int, fields[11:15]))
            if threads > most:
                break
            families += _children(pid, int(fields[17])) if _TOLD else ()
    return families, threads, pages * _PAGE, ticks / _TICKS


def memory(pids: Iterable[int]) -> int:
    """Bytes that belong to those processes, each counted once: neither files nor what a fork has not yet copied.

    This is dear, about a millisecond for each gigabyte: ``count`` tells when it is worth while.
    """
    return sum(map(_own, pids))


def _own(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            return 1024 * sum(int(line.split()[1]) for line in file if line.startswith(_OWN))
    except OSError:  # it has ended, or hides from us: then all that it has is taken for its own
        fields = stat(pid)
        return int(fields[21]) * _PAGE if fields else 0


def _children(pid: int, threads: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task") if threads > 1 else (pid,):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def stat(pid: int) -> list[bytes]:
    """The fields of proc_pid_stat(5) from the state on, which is the third there; empty when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []
