"""How a rule says what it found. The name of the rule is filled in by the table that runs it."""

from __future__ import annotations

from collections.abc import Collection

from buildfarm.model.wheel import Finding, Severity

_SHOWN = 3


def error(message: str, *, subject: str = "", advice: str = "") -> Finding:
    """A finding that withholds the wheel."""
    return Finding(rule="", severity=Severity.ERROR, message=message, subject=subject, advice=advice)


def warning(message: str, *, subject: str = "", advice: str = "") -> Finding:
    """A finding that is kept with the wheel."""
    return Finding(rule="", severity=Severity.WARNING, message=message, subject=subject, advice=advice)


def some(names: Collection[str]) -> str:
    """The first names by the alphabet and how many more there are, so that a message stays readable."""
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
