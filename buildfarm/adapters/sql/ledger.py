"""The ledger: every part of it over one database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from buildfarm.adapters.sql.claims import SqlClaims
from buildfarm.adapters.sql.database import MEMORY, Database, never_crash
from buildfarm.adapters.sql.events import SqlEvents
from buildfarm.adapters.sql.jobs import SqlJobs
from buildfarm.adapters.sql.learning import SqlLearning, SqlLocks
from buildfarm.adapters.sql.rendering import SqlRendering
from buildfarm.adapters.sql.replication import SqlReplication
from buildfarm.adapters.sql.requests import SqlRequests
from buildfarm.adapters.sql.tokens import SqlTokens


class Ledger:
    """Parts of the ledger by port. ``term`` is the length of a lease, in seconds; ``folder`` is for locks among
    processes.
    """

    def __init__(
        self,
        url: str = MEMORY,
        *,
        term: float = 60.0,
        folder: Path | None = None,
        crash: Callable[[str], None] = never_crash,
    ) -> None:
        """Open and migrate the ledger at a SQLAlchemy URL; raises ``FarmError`` when it cannot be used."""
        self.database = Database(url, crash)
        self.requests = SqlRequests(self.database)
        self.jobs = SqlJobs(self.database)
        self.claims = SqlClaims(self.database, term)
        self.locks = SqlLocks(self.database)
        self.learning = SqlLearning(self.database)
        self.events = SqlEvents(self.database)
        self.rendering = SqlRendering(self.database, folder)
        self.tokens = SqlTokens(self.database)
        self.replication = SqlReplication(self.database)
