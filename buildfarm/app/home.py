"""The home of a site: its folder, and the ledger in it, which is all that many commands need."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.app.settings import Settings
from buildfarm.model.errors import FarmError


def make_home(home: Path) -> None:
    """Make the folder of a home. Raises ``FarmError`` where nothing can be written into it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        trouble = "" if os.access(home, os.W_OK | os.X_OK) else "it cannot be written to"
    except OSError as error:
        trouble = error.strerror or str(error)
    if trouble:
        raise FarmError(f"the home {home} cannot be used: {trouble}; choose another with --home or BUILDFARM_HOME")


@contextmanager
def open_ledger(settings: Settings) -> Iterator[Ledger]:
    """The ledger of a site, alone: enough for whoever neither builds nor renders. Raises ``FarmError``."""
    make_home(settings.home)
    with suppress(OSError):  # it is there, or SQLite says what is the matter
        settings.ledger.touch(0o600, exist_ok=False)  # SQLite gives what it writes beside it the same mode
    locks = settings.home / "owners.locks"
    ledger = Ledger(
        f"sqlite:///{settings.ledger}", term=settings.lease, folder=locks, crash=crash_at(settings.crash_at)
    )
    try:
        yield ledger
    finally:
        ledger.database.close()


def crash_at(point: str) -> Callable[[str], None]:
    """Kill this process with SIGKILL when it passes the point. Empty: never; ``list``: print every point instead."""

    def crash(passed: str) -> None:
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)
        if point == "list":
            sys.stderr.write(f"crash point {passed}\n")

    return crash
