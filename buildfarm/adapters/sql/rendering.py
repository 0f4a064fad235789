"""What is rendered, in SQL, and the locks of whoever writes or removes files of the tree."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import bindparam, insert, select, update

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.database import Database

_POSITION = select(t.positions.c.serial).where(t.positions.c.name == bindparam("what"))


class SqlRendering:
    """``ports.Rendering``. Its locks hold among threads and, where there is a folder for them, among processes of one
    machine; without one nobody shares them.
    """

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self._database = database
        self._folder = folder
        self._alone: dict[str, threading.RLock] = {}

    def position(self, what: str) -> int:
        """See ``ports.Rendering``."""
        with self._database.reading() as tx:
            return tx.connection.execute(_POSITION, {"what": what}).scalar() or 0

    def advance(self, what: str, serial: int) -> None:
        """See ``ports.Rendering``."""
        one = t.positions.c.name == what
        with self._database.writing() as tx:
            if not tx.connection.execute(update(t.positions).where(one).values(serial=serial)).rowcount:
                tx.connection.execute(insert(t.positions).values(name=what, serial=serial))
            tx.points.append(what)

    @contextmanager
    def lock(self, what: str, *, shared: bool = False) -> Iterator[None]:
        """See ``ports.Rendering``."""
        if self._folder is None:
            with self._alone.setdefault(what, threading.RLock()):
                yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / what).open("w") as file:  # whoever opens it anew is another, also in this process
            if shared:
                fcntl.flock(file, fcntl.LOCK_SH)
            else:  # who lets go and comes back at once stands behind those who wait
                with (self._folder / f"{what}.turn").open("w") as turn:
                    fcntl.flock(turn, fcntl.LOCK_EX)
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield
