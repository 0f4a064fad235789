"""What the ledger keeps, as its readers see it: jobs with their state, publications, resolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.events import Origin, Tried
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import Job
from buildfarm.model.outcome import Outcome, Reason
from buildfarm.model.wheel import Artifact


class Beat(StrEnum):
    """What a heartbeat answers."""

    GO_ON = "go on"
    CANCEL = "cancel"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as the ledger has it.

    ``wishes`` are the requirements that its build hook asked for; ``log`` names its last attempt; ``seconds`` is how
    long that ran, ``started`` when it began (seconds since 1970, by the ledger's clock) and ``worker`` by whom.
    """

    job: Job
    state: str
    attempts: int = 0
    wishes: tuple[str, ...] = ()
    outcome: Outcome | None = None
    log: str = ""
    seconds: float = 0.0
    started: float = 0.0
    worker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a file comes onto an index, as its event will say it (``FilePublished``), and by whom.

    ``uploaded`` is when it came to where it was before; empty: it is new. ``token`` is the id of the one that it came
    with, which must be live when the file is wanted; 0: it came without.
    """

    origin: Origin = Origin.BUILT
    source: str = ""
    uploaded: str = ""
    tried: tuple[Tried, ...] = ()
    replaces: str = ""
    who: str = ""
    token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A file's way onto an index: wanted, published, conflict or refused; withdrawn when it was deleted or replaced.

    ``content`` as in ``VerifiedWheel``; ``build`` is the key of the job that made it, empty for one that was not built
    here. ``note`` says why it is not published; on an index where files wait: why it waits still.
    """

    index: str
    project: str
    version: str
    artifact: Artifact
    state: str = "wanted"
    note: str = ""
    content: str = ""
    build: str = ""
    arrival: Arrival = Arrival()


Resolution = Mapping[str, Mapping[str, KnownSource | Reason] | Reason]
"""Recipe name → exact version → its source; a ``Reason`` where there is none."""
