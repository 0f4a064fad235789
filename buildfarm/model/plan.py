"""What a request comes to, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from buildfarm.model.job import Job
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A target that no job can be pinned for yet. ``after`` is the key of the job it waits for, or empty."""

    project: str
    version: str
    target: Target
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What nothing will be done for, and why. ``target`` is a build identifier, a glob that selected nothing, or
    ``*``.
    """

    project: str
    version: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One wanted target of one version: the build job whose wheel covers it, that wheel, and what tests it.

    ``test`` is the key of the test job; ``skip`` the recipe's reason for having none. Both are empty before there is a
    wheel. ``build`` is empty for a wheel that was uploaded.
    """

    project: str
    version: str
    target: Target
    build: str
    wheel: Artifact | None = None
    test: str = ""
    skip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Jobs in an order that respects what they need; goals that jobs serve; what must wait; what is left out."""

    jobs: tuple[Job, ...] = ()
    goals: tuple[Goal, ...] = ()
    later: tuple[Later, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def settled(self) -> Plan:
        """The plan when nothing more happens: what still waits, for a wheel that was withheld, is left out."""
        given_up = tuple(
            LeftOut(project=each.project, version=each.version, target=str(each.target), reason=each.reason)
            for each in self.later
        )
        return replace(self, later=(), left_out=(*self.left_out, *given_up))

    @property
    def complete(self) -> bool:
        """Whether nothing waits: every wanted target has its goal with a test, or is left out."""
        return not self.later
