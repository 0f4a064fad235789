"""What was found of a machine, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

APT = "apt install -y "
"""How a fix begins that is a package of the system, so that all of them become one command."""

FIX = "buildfarm doctor --fix"
"""The fix of whatever needs no root."""


class State(StrEnum):
    """How a check ended: a note is for whom it concerns, a warning is worth mending, what is broken stops the farm."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    ``fix`` is the command that mends it, ``root`` whether that needs root. Without what is ``vital`` nothing can be
    built.
    """

    name: str
    state: State
    message: str
    fix: str = ""
    root: bool = False
    vital: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Checks under one heading."""

    name: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found."""

    groups: tuple[Group, ...]

    @property
    def checks(self) -> tuple[Check, ...]:
        """Of all groups, in their order."""
        return tuple(check for group in self.groups for check in group.checks)

    @property
    def exit_code(self) -> int:
        """3: the farm is broken; 1: nothing can be built here; 0: something can."""
        if any(each.state is State.BROKEN for each in self.checks):
            return 3
        return 1 if any(each.vital and each.state is State.MISSING for each in self.checks) else 0

    @property
    def as_root(self) -> str:
        """One command for all that needs root; empty where nothing does."""
        fixes = list(dict.fromkeys(each.fix for each in self.checks if each.root and each.fix))
        packages = " ".join(each.removeprefix(APT) for each in fixes if each.startswith(APT))
        others = [each for each in fixes if not each.startswith(APT)]
        return " && ".join([f"{APT}{packages}", *others] if packages else others)

    def to_plain(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "can_build": self.exit_code == 0,
            "groups": [
                {"name": group.name, "checks": [_plain(check) for check in group.checks]} for group in self.groups
            ],
            "as_root": self.as_root,
        }


def _plain(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "state": check.state.value,
        "message": check.message,
        "fix": check.fix,
        "root": check.root,
    }
