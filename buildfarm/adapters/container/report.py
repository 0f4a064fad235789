"""What the shim tells at its end, read once: nobody else looks into what was said in a container."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Self

BROKEN = frozenset({"", "memory", "pids", "cpu", "disk", "full"})
"""What it can tell to be broken: nothing, a limit, or that the engine's disk is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many processes would not end, and how often memory was out since the container began."""

    left: int
    ooms: int

    @classmethod
    def read(cls, said: bytes) -> Self | None:
        """The report in the last line; None where that is none."""
        try:
            found = json.loads(said.rstrip().rpartition(b"\n")[2])
            return cls._from(found)
        except (ValueError, LookupError, TypeError, RecursionError):
            return None

    @classmethod
    def _from(cls, found: Any) -> Self:
        return cls(left=_number(found["left"]), ooms=_number(found["ooms"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Count):
    """Of a command, moreover: its exit code, negative for a signal; the limit that it broke, or nothing; its output in
    the file, in bytes; and what it used, as ``Completed``. ``peak`` is of the container since it began; ``used`` and
    ``free`` are bytes of its volume and of the engine's disk.
    """

    code: int
    broken: str
    kept: int
    memory: int
    peak: int
    cpu: float
    used: int
    free: int

    @classmethod
    def _from(cls, found: Any) -> Self:
        numbers = {
            name: _number(found[name]) for name in ("left", "ooms", "code", "kept", "memory", "peak", "used", "free")
        }
        if found["broken"] not in BROKEN:
            raise ValueError(found["broken"])
        return cls(**numbers, broken=found["broken"], cpu=_amount(found["cpu"]))


def _amount(said: Any) -> float:
    if type(said) not in (int, float) or not math.isfinite(said):
        raise ValueError(said)
    return float(said)


def _number(said: Any) -> int:
    return int(_amount(said))
