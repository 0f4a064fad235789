"""A command for a session's container, as values: the order, what bounds it, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildfarm.model.recipe import Limits
from buildfarm.model.session import Ended, Excess

RECORDS = "/buildfarm/r"
"""Where the shim leaves results and logs: on the volume, beside the session's root."""

KILLED = 9
"""The number of the signal that nothing survives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run. ``caches`` maps folders of the image to paths that they are copied to before; ``name`` is that of
    its log below ``RECORDS``, on the ``volume`` whose use is bounded, and ``secret`` that of its result, which the
    command cannot plant there for it does not know it. ``processors`` are those to run on, counted from 0 among those
    there are.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    volume: str
    name: str
    secret: str
    caches: Mapping[str, str]
    processors: tuple[int, ...]

    @property
    def result(self) -> str:
        """The file that says how it ended."""
        return f"{RECORDS}/{self.secret}.json"

    @property
    def log(self) -> str:
        """The file that has its output."""
        return f"{RECORDS}/{self.name}.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When it must end: at ``deadline`` (``time.monotonic``), when it has written ``log`` bytes, used ``cpu`` seconds,
    or broken another of the session's limits. ``ooms`` were out of memory before it.
    """

    limits: Limits
    deadline: float
    log: int
    cpu: float
    ooms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How it ended, as ``Completed``. ``written`` is its output in bytes; ``ooms``: how often memory was out by now."""

    ended: Ended
    exit_code: int
    written: int
    tail: tuple[str, ...]
    ooms: int
    memory: int = 0
    cpu: float = 0.0
    excess: Excess | None = None


def stopped(ooms: int) -> Ending:
    """Of a command that was not begun."""
    return Ending(ended=Ended.STOPPED, exit_code=-KILLED, written=0, tail=(), ooms=ooms)
