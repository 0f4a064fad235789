"""The families of exceptions, by who must act.

The failure of a *package* inside an attempt is a value (``model.outcome``); ``StepFailed`` only carries it to the one
place in ``attempt`` that turns it into that value.
"""

from __future__ import annotations

from typing import ClassVar

from buildfarm.model.outcome import Reason, Step


class BuildfarmError(Exception):
    """Root of all errors that buildfarm words itself. ``str(error)`` is a message for a person."""

    exit_code: ClassVar[int] = 3


class RecipeError(BuildfarmError):
    """The author of a recipe, or of the call, must act."""

    exit_code = 2


class FarmError(BuildfarmError):
    """The operator of the farm must act: a tool, the disk, the network or the ledger is at fault."""

    exit_code = 3


class StepFailed(BuildfarmError):
    """A step of an attempt found that the package cannot be built; becomes ``Failed`` at the end of the story."""

    exit_code = 1

    def __init__(self, step: Step, reason: Reason) -> None:
        super().__init__(f"{step}: {reason.message}")
        self.step = step
        self.reason = reason


class Wants(BuildfarmError):
    """A PEP 517 hook asked for requirements that the lock does not hold: no failure, the job is leased anew."""

    def __init__(self, requirements: tuple[str, ...]) -> None:
        super().__init__("the build wants " + ", ".join(requirements))
        self.requirements = requirements


class Stopped(BuildfarmError):
    """The attempt was told to end: cancelled, fenced, or handed back. Its result, if any, is thrown away."""


class Unavailable(BuildfarmError):
    """What prepare needs cannot be had; ``reason`` is what the failed job will say."""

    exit_code = 1

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason


class Refused(BuildfarmError):
    """Whoever asked the index for something must act: it does not take that, or not from them.

    ``status`` is what a server answers (RFC 9110): 400 for what is wrong with the thing, 403 for a right that is
    missing, 404 for what is not there. The message has everything that was found, in sentences.
    """

    exit_code = 1

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status
