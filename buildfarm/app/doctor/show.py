"""The report for a person: groups, a line for each check, below it the command that mends it, and what it comes to."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from buildfarm.app.doctor.report import FIX, Check, Report, State

_MARKS = {
    State.OK: ("✓", "+", "green"),
    State.NOTE: ("·", "-", "dim"),
    State.WARNING: ("!", "!", "yellow"),
    State.MISSING: ("✗", "x", "red"),
    State.BROKEN: ("✗", "x", "bold red"),
}
_NAME = 12  # columns for what is looked at
_INDENT = " " * (_NAME + 5)


def show(report: Report, console: Console) -> None:
    """Print it; no command, path or URL is ever broken in two."""
    for group in report.groups:
        _print(console, Text(group.name, "bold"))
        for check in group.checks:
            for line in _lines(check, console):
                _print(console, line)
    _print(console, Text())
    for line in _conclusion(report):
        _print(console, line)


def _lines(check: Check, console: Console) -> Iterator[Text]:
    mark, plain_mark, style = _MARKS[check.state]
    if not console.encoding.lower().startswith("utf"):
        mark = plain_mark
    said = f"{check.state}: {check.message}" if check.state in (State.MISSING, State.BROKEN) else check.message
    width = max(min(console.width, 100) - len(_INDENT), 20)
    first, *rest = textwrap.wrap(said, width, break_long_words=False, break_on_hyphens=False) or [""]
    yield Text.assemble((f"  {mark} ", style), f"{check.name:{_NAME}} {first}")
    for line in rest:
        yield Text(f"{_INDENT}{line}")
    if check.fix:
        yield Text.assemble(_INDENT, ("as root: " if check.root else "run: ", "dim"), (check.fix, "cyan"))


def _conclusion(report: Report) -> Iterator[Text]:
    match report.exit_code:
        case 0:
            yield Text.assemble(("This machine can build. ", "green"), "Try: ", ("buildfarm build markupsafe", "cyan"))
        case 1:
            yield Text("Nothing can be built here yet: see what is missing above.", "red")
        case _:
            yield Text("The farm is broken: see above.", "bold red")
    if any(each.fix == FIX for each in report.checks):
        yield Text.assemble("All that needs no root: ", (FIX, "cyan"))
    if report.as_root:
        yield Text.assemble("The rest, as root: ", (report.as_root, "cyan"))


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)
