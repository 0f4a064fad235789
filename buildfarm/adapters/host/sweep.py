"""What sessions leave on this machine: their records, processes and folders; and how to be rid of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from buildfarm.adapters.host.folder import Folder
from buildfarm.adapters.host.supervisor import descendants
from buildfarm.model.errors import FarmError

MARK = "BUILDFARM_SESSION"
"""The variable that every process of a session carries; its value is the session's name."""

_ROUNDS = 500  # of 20 ms, in which marked processes must die
_TORN = 3600  # seconds after which a record that was not finished is nobody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Whose session it is: written before its folder exists and removed after the folder, so that no kill hides it.

    ``pid`` and ``started`` (clock ticks since boot) name the process that opened it.
    """

    name: str
    owner: str
    attempt: str
    pid: int
    started: int

    def write(self, sessions: Path) -> None:
        """Make the record durable beside the folder that is to come."""
        new = sessions / f"{self.name}.new"
        with new.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(sessions / f"{self.name}.json")
        folder = os.open(sessions, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot, which tells it from a later one; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def close(sessions: Path, name: str) -> None:
    """End what is left of a session: processes first, then its folder, then its record. Again does nothing.

    Raises ``FarmError`` when something resists; its record stays then, for a later sweep.
    """
    end_processes(name)
    Folder(sessions / name).remove()
    (sessions / f"{name}.json").unlink(missing_ok=True)


def sweep(sessions: Path, live: frozenset[str]) -> tuple[str, ...]:
    """Close what sessions of owners not in ``live`` left; answers their attempts.

    A session whose process still runs is left alone: its owner came after ``live`` was asked. When one resists, raises
    ``FarmError`` after all others are closed.
    """
    swept, resisting = [], []
    for record in _records(sessions):
        if record.owner in live or started(record.pid) == record.started:
            continue
        try:
            close(sessions, record.name)
        except FarmError as error:
            resisting.append(str(error))
        else:
            swept.append(record.attempt)
    for torn in sessions.glob("*.new"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - torn.stat().st_mtime > _TORN:
                torn.unlink()
    if resisting:
        raise FarmError("; ".join(resisting))
    return tuple(swept)


def _records(sessions: Path) -> Iterator[Record]:
    for path in sorted(sessions.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):  # another process sweeps too
            yield Record(**json.loads(path.read_text()))


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
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
