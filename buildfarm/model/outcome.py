"""How a step and an attempt end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.wheel import TestReport, VerifiedWheel


class Step(StrEnum):
    """A rung inside an attempt."""

    PREPARE = "prepare"
    BUILD = "build"
    REPAIR = "repair"
    VERIFY = "verify"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something failed: a stable code, a sentence, and what to do next.

    ``command`` is the command that failed, as argv; ``lines`` are those of the output that say why, ``tail`` its last
    ones, both oldest first; ``cause`` is a stable word for what the lines are about, where that is known.
    """

    code: str
    message: str
    advice: str = ""
    cause: str = ""
    command: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Message and advice, one after the other."""
        if not self.advice:
            return self.message
        return f"{self.message.rstrip('.')}. {self.advice[0].upper()}{self.advice[1:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command that an attempt ran, as argv, in which folder, and for how many seconds."""

    what: str
    argv: tuple[str, ...]
    cwd: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A build attempt succeeded with this wheel; ``isolation`` is what the session really was, ``ran`` what it ran."""

    wheel: VerifiedWheel
    isolation: str = ""
    ran: tuple[Ran, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test attempt ran to its end, and this is its report (a failed test is a ``Failed``)."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    report: TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The package failed at ``step``."""

    step: Step
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanting:
    """The build hook wants more requirements: locked again and leased anew under the same key."""

    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedBack:
    """The worker was told to stop (TERM, Ctrl-C) and returns the job to the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The farm, not the package, failed the attempt; it is retried up to the limit, then ``failed(infra)``."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Somebody cancelled the job while it ran."""


Outcome = Built | Tested | Failed | Wanting | HandedBack | Lost | Cancelled
