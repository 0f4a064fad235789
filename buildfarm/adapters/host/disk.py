"""How much a session has on the disk, and whether the disk has room for more."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import IO, cast

from buildfarm.model.errors import FarmError
from buildfarm.model.size import size

RESERVE = 256 << 20
"""Bytes that sessions leave free, for the ledger and for everybody else on this machine."""

_WEIGH_EVERY = 1.0  # seconds at least
_SHARE, _SHARE_IN_DOUBT = 0.01, 0.1  # of the time, to be spent on weighing


class Disk:
    """What a folder weighs, asked of du now and then: as seldom as it takes long, sooner when the disk fills.

    ``used`` is in bytes, as of the last time that it was weighed.
    """

    def __init__(self, folder: Path, bound: int, reserve: int = RESERVE) -> None:
        self.used = 0
        self.bound = bound
        self._folder = folder
        self._reserve = reserve
        self._weighing: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()
        self._due = self._due_in_doubt = self._began + _WEIGH_EVERY
        self._free_then = self._free()

    def breaks(self) -> bool:
        """Whether there is more in the folder than the bound; it never waits.

        Raises ``FarmError`` when the disk is full, which may be anybody's doing.
        """
        free, now = self._free(), time.monotonic()
        if self._weighing:
            if self._weighing.poll() is not None:
                self._read(self._weighing)
        elif now >= self._due or (now >= self._due_in_doubt and self._free_then - free >= self.bound - self.used):
            self._began, self._free_then = now, free
            self._weighing = self._weigh()
        if self.used > self.bound:
            return True
        if free < self._reserve:
            raise FarmError(
                f"the disk of {self._folder.parent} is full: {size(free)} are left, {size(self._reserve)} are kept free"
                f" ({self._folder.name} has {size(self.used)} of it); make room, or choose another home"
            )
        return False

    def filled(self) -> bool:
        """Whether the folder holds all that it may: why a command may have failed that wrote until it could not."""
        self.rest()
        if weighing := self._weigh():
            self._read(weighing)
        return self.used >= self.bound

    def rest(self) -> None:
        """Give up a weighing that is under way."""
        if self._weighing:
            with self._weighing as weighing:
                weighing.kill()
            self._weighing = None

    def _weigh(self) -> subprocess.Popen[bytes] | None:
        """Begin; None when no process can be started just now, as under a fork bomb: then the next time.

        Raises ``FarmError`` where there is no du.
        """
        # du, because hostile code can make a tree deeper than we can go
        command = ["du", "-s", "-x", "-k", "--", str(self._folder)]  # the options that busybox knows too
        try:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise FarmError("no program du is on PATH, which weighs sessions: install coreutils") from error
        except OSError:
            return None

    def _read(self, weighing: subprocess.Popen[bytes]) -> None:
        with weighing:
            said = cast("IO[bytes]", weighing.stdout).read().split()
        self.used = 1024 * int(said[0]) if said else self.used
        now = time.monotonic()
        took = now - self._began
        self._due = now + max(_WEIGH_EVERY, took / _SHARE)
        self._due_in_doubt = now + took / _SHARE_IN_DOUBT
        self._weighing = None

    def _free(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize
