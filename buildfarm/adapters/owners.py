"""Local owners: a process is alive as long as it holds the lock of its name, whatever happens to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildfarm.model.errors import FarmError

_TRIES = 100  # of 10 ms: whoever asks who lives holds a lock for a moment

_held: set[int] = set()


def _forget() -> None:
    # A forked child shares the lock: without this it would keep its dead parent alive.
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

        Raises ``FarmError`` when another process lives under it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / name
        descriptor = _lock(path)
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
        if not self._folder.is_dir():
            return frozenset()
        return frozenset(path.name for path in self._folder.iterdir() if _is_held(path))


def _lock(path: Path) -> int:
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # held, or removed as stale between the two calls
        time.sleep(0.01)
    raise FarmError(f"another process lives under the name {path.name} ({path} is locked); end it, or choose another")


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who ask at once do not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
