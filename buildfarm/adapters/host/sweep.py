"""What sessions leave on this machine: records, processes, control groups and folders; and how to be rid of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from buildfarm.adapters.host import cgroup
from buildfarm.adapters.host.folder import Folder
from buildfarm.adapters.host.usage import descendants, stat
from buildfarm.model.errors import FarmError

MARK = "BUILDFARM_SESSION"
"""The variable that every process of a session carries; its value is the session's name."""

SERVERS = ".servers"
"""After the session's name in the mark of its servers, which live longer than a command."""

_RECORD = ".owner"
_ROUNDS = 500  # of 20 ms, in which marked processes must die
_LOOKS = 500  # of 2 ms, in which a process must have become another
_PF_EXITING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Whose session it is: written before its folder exists and removed after the folder, so that no kill hides it.

    ``pid`` and ``started`` (clock ticks since boot) name the process that opened it. Its control groups are below
    ``groups``, if it has any.
    """

    name: str
    owner: str
    attempt: str
    pid: int
    started: int
    groups: tuple[str, ...] = ()

    def write(self, sessions: Path) -> None:
        """Put the record beside the folder that is to come: as a link to nowhere, which is made whole or not at all."""
        (sessions / (self.name + _RECORD)).symlink_to(json.dumps(asdict(self)))

    @classmethod
    def read(cls, sessions: Path, name: str) -> Record | None:
        """The record of a session; None where there is none (any more)."""
        try:
            text = os.readlink(sessions / (name + _RECORD))  # noqa: PTH115 - a Path would make it a normal path
        except FileNotFoundError:
            return None
        return cls(**json.loads(text))


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot, which tells it from a later one; None when it has ended."""
    fields = stat(pid)
    # A killed process exits for a while, and stays as a zombie until it is waited for, but its locks are free already.
    return None if not fields or int(fields[6]) & _PF_EXITING else int(fields[19])


def close(sessions: Path, name: str) -> None:
    """End what is left of a session: processes and groups first, then its folder, then its record. Again does nothing.

    Raises ``FarmError`` when something resists; its record stays then, for a later sweep.
    """
    record = Record.read(sessions, name)
    for parent in record.groups if record else ():
        cgroup.remove(Path(parent), name)  # first: in it nothing new can be born
    end_processes(name)
    end_processes(name + SERVERS)
    Folder(sessions / name).remove()
    (sessions / (name + _RECORD)).unlink(missing_ok=True)


def sweep(sessions: Path, live: frozenset[str]) -> tuple[str, ...]:
    """Close what sessions of owners not in ``live`` left; answers their attempts.

    A session whose process still runs is left alone: its owner came after ``live`` was asked. When one resists, raises
    ``FarmError`` after all others are closed.
    """
    swept, resisting = [], []
    for name in sorted({path.name.removesuffix(_RECORD) for path in sessions.glob("*")}):
        record = Record.read(sessions, name)  # None: a crash of the machine lost it, or its session has just ended
        if record and (record.owner in live or started(record.pid) == record.started):
            continue
        try:
            close(sessions, name)
        except FarmError as error:
            resisting.append(str(error))
        else:
            swept += [record.attempt] if record else []
    if resisting:
        raise FarmError("; ".join(resisting))
    return tuple(swept)


def end_processes(name: str) -> None:
    """Kill every process that carries the session's mark, and what descends from it; ``FarmError`` when one resists."""
    rounds = _ROUNDS
    while marked := list(_marked(name)):
        if not (rounds := rounds - 1):
            pids = ", ".join(map(str, marked))
            raise FarmError(f"processes {pids} of the session {name} cannot be ended; end them by hand")
        for pid in marked + descendants(marked):  # of these, some may have thrown their environment away
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(name: str) -> Iterator[int]:
    """Living processes that carry the session's mark. Zombies have no environment any more."""
    mark = f"{MARK}={name}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in _environment(folder).split(b"\0"):
                    yield int(folder.name)


def _environment(process: Path) -> bytes:
    """The variables that a process was started with. While it becomes another it has no place for them, and may have to
    wait for a processor just then, so it is asked again until it has one.
    """
    for _ in range(_LOOKS):
        place = _place(process)
        if found := (process / "environ").read_bytes():
            return found
        (process / "exe").readlink()  # of a zombie or a kernel's thread that fails: they have none at all
        if all(place) and _place(process) == place:
            break  # started with none
        time.sleep(0.002)
    return b""


def _place(process: Path) -> tuple[int, ...]:
    """Where its variables begin and end in its memory: another place in each program that it becomes, 0 on the way."""
    return tuple(map(int, stat(int(process.name))[47:49]))
