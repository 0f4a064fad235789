"""Alone on this machine: the lock of a file, for what is made once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from buildfarm.model.errors import Stopped
from buildfarm.model.session import Stop

_TRY_EVERY = 0.2  # seconds


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None, stop: Stop | None = None) -> Iterator[None]:
    """Hold the lock of a file, alone on this machine, threads included. ``waiting`` is called if somebody else has it.

    Raises ``Stopped`` when ``stop`` says so while that lasts. The file stays: to remove it would let two hold the lock.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(file):
            waiting()
            if stop:
                _wait(file, path, stop)
            else:
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _wait(file: int, path: Path, stop: Stop) -> None:
    while not _taken(file):
        if stop():
            raise Stopped(f"wait for {path.name}")
        time.sleep(_TRY_EVERY)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
