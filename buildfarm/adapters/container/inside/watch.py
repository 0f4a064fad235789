"""What the whole container of a session uses while a command runs, and whether that is too much. A part of the shim."""

from __future__ import annotations

import os
import resource
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RESERVE = 256 << 20  # bytes that are left free on the engine's disk, for everybody else on its machine
_GROUPS = "/sys/fs/cgroup"
_LOOK_EVERY = 0.1
_WEIGH_EVERY, _WEIGH_SHARE = 1.0, 0.02  # seconds at least between two weighings, which may take that share of the time
_REFUSED_FOR = 5.0  # seconds in which no look passes without a refused process: nobody means to go on like that
# du, because hostile code can make a tree deeper than we can go; the options are ones that busybox knows too. What it
# cannot look into belongs to us nevertheless.
_WEIGH = """
du -s -x -k "$1" || { find "$1" -xdev -type d ! -perm -500 -exec chmod u+rwx {} +; du -s -x -k "$1"; }
"""
_UNHEARD = 10  # weighings in a row that give no answer: who ends them means to hide what it writes


class Watch:
    """What the whole container uses while the command runs, and whether that is too much.

    ``disk`` is in bytes, for all on the volume but the output of this command and the ``logged`` bytes of those before.
    """

    def __init__(self, volume: str, disk: int, cpu: float, logged: int) -> None:
        self._volume, self._disk, self._cpu, self._logged = volume, disk, cpu, logged
        self._before, self._free = counters(), free(volume)
        self._kept = self._unheard = 0
        self._broken, self._memory, self._used = "", 0.0, 0
        self._refusals = self._before["refusals"]
        self._refused_since: float | None = None
        self._weighing: tuple[int, int] | None = None
        self._began = 0.0
        self._due = time.monotonic() + _LOOK_EVERY
        self._weigh_at = time.monotonic() + _WEIGH_EVERY

    def pause(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._due - time.monotonic())

    def weight(self) -> list[int]:
        """The descriptor at which a weighing answers, if there is one."""
        return [self._weighing[1]] if self._weighing else []

    def breaks(self, kept: int) -> bool:
        """Look, if it is time; whether a limit is broken. ``kept`` bytes of its output are on the volume."""
        self._kept = kept
        now = time.monotonic()
        if now < self._due:
            return bool(self._broken)
        self._due = now + _LOOK_EVERY
        seen = counters()
        self._memory = max(self._memory, seen["memory"])
        if seen["refusals"] == self._refusals:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        self._refusals = seen["refusals"]
        if not self._weighing and now >= self._weigh_at:
            self._weigh(now)
        self._broken = self._broken or self._judged(seen, now)
        return bool(self._broken)

    def read(self, ready: Sequence[int]) -> None:
        """Take the answer of a weighing."""
        if not self._weighing or self._weighing[1] not in ready:
            return
        self._hear()
        now = time.monotonic()
        self._weigh_at = now + max(_WEIGH_EVERY, (now - self._began) / _WEIGH_SHARE)

    def said(self, code: int) -> dict[str, object]:
        """For the report, when all has ended."""
        self._hear()
        seen = counters()
        if not self._broken:
            self._broken = self._judged(seen, time.monotonic()) or (self._why_it_failed(seen) if code else "")
        largest = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        return {
            **seen,
            "broken": self._broken,
            "memory": max(self._memory, largest),
            "cpu": seen["cpu"] - self._before["cpu"],
            "used": self._used,
            "free": free(self._volume),
        }

    def _judged(self, seen: dict[str, float], now: float) -> str:
        left = free(self._volume)
        if left < _RESERVE and self._free - left > self._disk:  # files that no weighing found, as by a hidden process
            self._used = max(self._used, self._free - left)
        over = (
            ("memory", seen["ooms"] > self._before["ooms"]),
            ("cpu", seen["cpu"] - self._before["cpu"] > self._cpu),
            ("pids", self._refused_since is not None and now - self._refused_since > _REFUSED_FOR),
            ("disk", self._used > self._disk or self._unheard >= _UNHEARD),
            ("full", left < _RESERVE),
        )
        return next((name for name, is_over in over if is_over), "")

    def _why_it_failed(self, seen: dict[str, float]) -> str:
        if seen["refusals"] > self._before["refusals"]:
            return "pids"
        self._weigh(time.monotonic())
        self._hear()
        return "disk" if self._used >= self._disk else ""

    def _weigh(self, now: float) -> None:
        self._began = now
        try:
            self._weighing = started(("sh", "-c", _WEIGH, "sh", self._volume), lambda: b"%d\n" % nameless(self._volume))
        except OSError:  # no process can be started just now, as under a fork bomb: the next time
            self._weigh_at = now + _WEIGH_EVERY

    def _hear(self) -> None:
        """What a weighing says, if one is under way: bytes, and kilobytes of du, twice where it had to look again."""
        if not self._weighing:
            return
        said = answer(self._weighing)[0].split()
        self._weighing = None
        self._unheard = 0 if len(said) > 1 else self._unheard + 1
        if len(said) > 1:
            self._used = max(0, int(said[0]) + 1024 * int(said[-2]) - self._logged - self._kept)


def counters() -> dict[str, float]:
    """What the container's control groups, of version 1 or 2, have counted since it began; 0 for what they do not."""
    return {
        "ooms": _number("memory/memory.oom_control oom_kill", "memory.events oom_kill"),
        "refusals": _number("pids/pids.events max", "pids.events max"),
        "peak": _number("memory/memory.max_usage_in_bytes", "memory.peak"),
        "memory": _number("memory/memory.stat total_rss", "memory.stat anon")
        + _number("memory/memory.stat total_shmem", "memory.stat shmem"),
        "cpu": _number("cpuacct/cpuacct.usage") / 1e9 or _number("cpu.stat usage_usec") / 1e6,
    }


def _number(*places: str) -> int:
    for place in places:
        name, _, key = place.partition(" ")
        try:
            with open(f"{_GROUPS}/{name}") as file:
                for line in file:
                    *found, number = line.split()
                    if found == key.split():
                        return int(number)
        except (OSError, ValueError):
            pass
    return 0


def free(folder: str) -> int:
    """Bytes that are left on its disk."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def nameless(volume: str) -> int:
    """Bytes of the files on the volume that have no name any more, and are open in a process that we may look into."""
    device, found = os.stat(volume).st_dev, {}
    for process in filter(str.isdigit, os.listdir("/proc")):
        for descriptor in _listed(f"/proc/{process}/fd"):
            try:
                seen = os.stat(f"/proc/{process}/fd/{descriptor}")
            except OSError:  # closed meanwhile
                continue
            if seen.st_dev == device and seen.st_nlink == 0:
                found[seen.st_ino] = 512 * seen.st_blocks
    return sum(found.values())


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # the process has ended, or hides it
        return []


def started(argv: tuple[str, ...], before: Callable[[], bytes] = lambda: b"") -> tuple[int, int]:
    """A program of the image, its errors unheard: its process, and where it answers, after what ``before`` says."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(writing, 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.write(1, before())
            os.execvp(argv[0], argv)
        finally:
            os._exit(127)
    os.close(writing)
    return pid, reading


def answer(to: tuple[int, int]) -> tuple[bytes, int]:
    """What such a program said, and its exit code, when it has ended."""
    pid, reading = to
    with open(reading, "rb") as pipe:
        said = pipe.read()
    return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
