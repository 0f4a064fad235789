"""Control groups: below which ones we may make others, and what the kernel holds a session to in its own (cgroups(7)).

A controller that cannot be had is no error: what it would hold is polled.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildfarm.adapters.host.usage import descendants
from buildfarm.model.errors import FarmError
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Ended

_CONTROLLERS = {"memory", "pids", "cpu", "cpuacct"}
_LEAF = "buildfarm-farm"  # where we go ourselves: in version 2 a group has processes or children, not both
_DELEGATED = ("user.delegate", "trusted.delegate")  # systemd's mark (Delegate=yes)
_PERIOD = 100_000  # microseconds over which a share of the processors is counted
_MOST_PIDS = 1 << 22  # the kernel takes no larger number
_ROUNDS = 500  # of 20 ms, in which what is in a group must die
_ENTER = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 126; shift; done; shift; exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A group below which a session may have its own, in a hierarchy of version 1 or 2 with these controllers."""

    folder: Path
    version: int
    controllers: tuple[str, ...]

    def make(self, name: str, limits: Limits) -> dict[str, Path]:
        """Make the group of a session, with its limits; its folder for each controller that it has.

        Raises ``OSError`` where the kernel refuses.
        """
        if self.version == 2:
            self._hand_down()
        folder = _below(self.folder, name)
        folder.mkdir(exist_ok=True)
        wanted = _settings(limits)
        return {controller: folder for controller in self.controllers if _set(folder, wanted[controller])}

    def _hand_down(self) -> None:
        """Give our controllers to the groups below, after all processes have left it: they must be ours alone."""
        missing = set(self.controllers) - {"cpuacct", *_words(self.folder / "cgroup.subtree_control")}
        if not missing:
            return
        inside = {int(pid) for pid in _words(self.folder / "cgroup.procs")}
        if not inside <= {os.getpid(), *descendants([os.getpid()])}:
            raise PermissionError(f"{self.folder} is not ours alone")
        leaf = self.folder / _LEAF
        leaf.mkdir(exist_ok=True)
        for pid in inside:
            with contextlib.suppress(ProcessLookupError):
                (leaf / "cgroup.procs").write_text(str(pid))
        for controller in sorted(missing):
            with contextlib.suppress(OSError):  # whether it is there now is seen in the group
                (self.folder / "cgroup.subtree_control").write_text(f"+{controller}")


class Group:
    """The groups of one session, one in each hierarchy that holds a limit of it: the folder of each controller."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    def holds(self, controller: str) -> bool:
        """Whether the kernel sees to it; else it must be polled."""
        return controller in self._folders

    @property
    def doors(self) -> tuple[str, ...]:
        """The files that a process is written to, to be inside with all that it starts."""
        return tuple(sorted({f"{folder}/cgroup.procs" for folder in self._folders.values()}))

    def enter(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """The argv that goes inside and becomes ``argv``."""
        return ("/bin/sh", "-c", _ENTER, "sh", *self.doors, "--", *argv)

    def ooms(self) -> int:
        """How many processes were killed because there was no more memory inside."""
        return self._number("memory", ("memory.oom_control", "oom_kill"), ("memory.events", "oom_kill"))

    def refusals(self) -> int:
        """How many processes and threads were refused."""
        return self._number("pids", ("pids.events", "max"))

    def peak(self) -> int:
        """The most bytes that were in use, with the page cache."""
        return self._number("memory", ("memory.max_usage_in_bytes", ""), ("memory.peak", ""))

    def cpu(self) -> float:
        """Seconds of processor time of all that was ever inside."""
        nanoseconds = self._number("cpuacct", ("cpuacct.usage", ""))
        return nanoseconds / 1e9 if nanoseconds else self._number("cpuacct", ("cpu.stat", "usage_usec")) / 1e6

    @property
    def words(self) -> str:
        """How memory and processes are limited, for people."""
        match self.holds("memory"), self.holds("pids"):
            case True, True:
                return "limits by cgroup"
            case True, False:
                return "memory by cgroup, processes polled"
            case False, True:
                return "memory polled, processes by cgroup"
            case _:
                return "limits polled"

    def _number(self, controller: str, *places: tuple[str, str]) -> int:
        """What stands behind the key in the first of the files that is there; 0 where none is."""
        if folder := self._folders.get(controller):
            for name, key in places:
                with contextlib.suppress(FileNotFoundError):
                    for line in (folder / name).read_text().splitlines():
                        *found, number = line.split()
                        if found == key.split():
                            return int(number)
        return 0


NONE = Group({})
"""Holds nothing: all is polled."""


@dataclass(slots=True, kw_only=True)
class Held:
    """One command inside a group: what the kernel has counted of it since this was made. ``cpu`` bounds its seconds."""

    group: Group = NONE
    cpu: float = math.inf
    _before: tuple[int, int, float] = field(init=False)

    def __post_init__(self) -> None:
        self._before = (self.group.ooms(), self.group.refusals(), self.group.cpu())

    def breaks(self) -> Ended | None:
        """The limit that was broken, of those for which the command must end."""
        if self.group.ooms() > self._before[0]:
            return Ended.MEMORY
        return Ended.CPU if self.seconds() > self.cpu else None

    def refused(self) -> bool:
        """Whether it wanted more processes than it may have: why it may have failed."""
        return self.group.refusals() > self._before[1]

    def seconds(self) -> float:
        """Of processor time."""
        return self.group.cpu() - self._before[2]


def find(proc: Path) -> tuple[Parent, ...]:
    """The groups below which this process may make others, by ``self/cgroup`` and ``self/mounts`` below ``proc``.

    Only what is ours: the root of a hierarchy, which is nobody else's, or a group that belongs to our user or was
    delegated to us. Root can write to all of them, so to be able to is no permission: whoever put us into a group
    counts, limits and ends what is in it.
    """
    try:
        own = [line.split(":", 2)[1:] for line in (proc / "self/cgroup").read_text().splitlines()]
        mounts = [line.split()[1:4] for line in (proc / "self/mounts").read_text().splitlines()]
    except OSError:
        return ()
    return tuple(
        parent
        for at, kind, options in mounts
        for names, path in own
        if (kind == "cgroup2" and not names)
        or (kind == "cgroup" and names and set(names.split(",")) <= set(options.split(",")))
        if (parent := _parent(Path(at), path, names))
    )


def make(parents: tuple[Parent, ...], name: str, limits: Limits) -> Group:
    """The group of a session, in every hierarchy where the kernel lets us make it."""
    folders: dict[str, Path] = {}
    for parent in parents:
        try:
            folders |= parent.make(name, limits)
        except OSError:
            remove(parent.folder, name)
    return Group(folders)


def remove(parent: Path, name: str) -> None:
    """End what is in a session's group and in groups below it, and remove them; nothing happens where it is absent.

    Raises ``FarmError`` when something resists.
    """
    folder = _below(parent, name)
    for _ in range(_ROUNDS):
        for group in _deepest_first(folder):
            try:
                group.rmdir()
            except OSError:
                _end(group)
        if not folder.exists():
            return
        time.sleep(0.02)
    raise FarmError(f"what is in the group {folder} cannot be ended; look for processes that wait for a device")


def _parent(at: Path, path: str, names: str) -> Parent | None:
    folder = at / path.lstrip("/")
    if ".." in folder.parts or not folder.is_dir():  # what our namespace hides
        return None
    if names:
        version, controllers = 1, names.split(",")
    else:
        folder = folder.parent if folder.name == _LEAF else folder
        version, controllers = 2, _words(folder / "cgroup.controllers")
    known = _CONTROLLERS.intersection(controllers)
    if not known or not os.access(folder, os.W_OK) or not (path == "/" or _is_ours(folder)):
        return None
    return Parent(
        folder=folder, version=version, controllers=tuple(sorted(known | ({"cpuacct"} if not names else set())))
    )


def _is_ours(folder: Path) -> bool:
    user = os.geteuid()
    if user and folder.stat().st_uid == user:
        return True
    for mark in _DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def _below(parent: Path, name: str) -> Path:
    return parent / f"buildfarm-{name}"


def _settings(limits: Limits) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """What is written, in this order, to those of the files that are there: version 1 has others than version 2."""
    memory, quota = str(limits.memory), max(1000, round(limits.cpus * _PERIOD))
    return {
        "memory": (
            *(("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)),
            *(("memory.max", memory), ("memory.swap.max", "0"), ("memory.oom.group", "1")),
        ),
        "pids": (("pids.max", str(min(limits.pids, _MOST_PIDS))),),
        "cpu": (
            *(("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", str(quota))),
            ("cpu.max", f"{quota} {_PERIOD}"),
        ),
        "cpuacct": (),
    }


def _set(folder: Path, settings: tuple[tuple[str, str], ...]) -> bool:
    """Whether the controller is there, which holds to what was written, or only counts."""
    there = [(folder / name, value) for name, value in settings if (folder / name).exists()]
    for file, value in there:
        file.write_text(value)
    return bool(there) or not settings


def _end(group: Path) -> None:
    """Kill all that is in it, and let nothing new be born."""
    for name, value in (("pids.max", "0"), ("cgroup.kill", "1")):
        with contextlib.suppress(OSError):
            if (group / name).exists():
                (group / name).write_text(value)
    for pid in map(int, _words(group / "cgroup.procs")):
        if pid:  # 0: in another namespace
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _deepest_first(folder: Path) -> Iterator[Path]:
    return (Path(path) for path, _, _ in os.walk(folder, topdown=False))


def _words(file: Path) -> list[str]:
    """What is in it; nothing where it cannot be read."""
    try:
        return file.read_text().split()
    except OSError:
        return []
