"""Local owners: a process is alive as long as it holds the lock of its name, whatever happens to it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildfarm.model.errors import FarmError

_held: set[int] = set()


def _forget() -> None:
    # A forked child shares the locks: without this it would keep its dead parent alive.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)


class LocalOwners:
    """Owners on this machine, each a locked file below ``home/owners`` (``ports.Owners``)."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "owners"

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Live under the name until the context or the process ends; a kill frees it at once.

        Raises ``FarmError`` when somebody lives under it already.
        """
        path = self._folder / name
        with self._alone():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                raise FarmError(f"another process lives under the name {name} ({path} is locked); end it first")
            _held.add(descriptor)
        try:
            yield
        finally:
            if descriptor in _held:  # not so in a forked child
                path.unlink(missing_ok=True)
                _held.discard(descriptor)
                os.close(descriptor)

    def live(self) -> frozenset[str]:
        """Names whose lock is held now; files that dead owners left are removed."""
        with self._alone():
            return frozenset(path.name for path in self._folder.iterdir() if _is_held(path))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else makes, tries or removes an owner's file: else one who asks would take another for the owner."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # its owner has just let go of it
        return False
    try:
        held = not _lock(descriptor)
        if not held:
            path.unlink(missing_ok=True)
        return held
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
