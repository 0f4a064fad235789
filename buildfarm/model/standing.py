"""Where a home stands among those that have the same index events: one of them writes, the others follow it."""

from __future__ import annotations

from dataclasses import dataclass

from buildfarm.model.events import IndexEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``primary`` is the URL of the server that is written to; empty: it is this home.

    ``epoch`` counts the times that another home took over: what a home of a lower one says since is not believed.
    ``serial`` is that of the last event here, 0 where there is none.
    """

    epoch: int = 1
    primary: str = ""
    serial: int = 0

    @property
    def refusal(self) -> str:
        """What whoever wants to write here is told where another home writes; empty where this one does."""
        if not self.primary:
            return ""
        return (
            f"this is a replica, which only reads: send it to {self.primary}. Where that one is gone for good, "
            "`buildfarm replica promote` lets this one write"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What another home answers: where it stands, and some of its events, in the order of their serials."""

    standing: Standing
    events: tuple[IndexEvent, ...] = ()
