"""Diagnostics: what is wrong in a file, where, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from unicodedata import east_asian_width

from buildfarm.model.wheel import Severity
from buildfarm.recipe.secrets import masked

SECRET = "secret"  # noqa: S105 - the code of a diagnostic whose token is never shown
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
_WIDEST = 120  # a longer line is cut around its caret
_LEAD = 40


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A piece of one line. Line and column count characters from 1."""

    line: int
    column: int
    length: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One thing that is wrong (error) or surely not meant (warning). ``code`` is stable; ``help``: what to do."""

    severity: Severity
    code: str
    message: str
    file: str
    span: Span
    help: str = ""


def render(diagnostic: Diagnostic, text: str) -> str:
    """The diagnostic for a person: place, message, the line of ``text``, carets under the whole token, and help."""
    span = diagnostic.span
    lines = lines_of(text)
    line = masked(lines[span.line - 1]) if span.line <= len(lines) else ""
    before, token, after = _cut(line, span)
    if diagnostic.code == SECRET:  # logs are read by more people than the file
        token = "*" * len(token)
    number = f"{span.line:>4}"
    caret = " " * _width(before) + "^" * max(_width(token), 1)
    place = f"{diagnostic.file}:{span.line}:{span.column}"
    rendered = [
        f"{place}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}",
        f"{number} | {before}{token}{after}".rstrip(),
        f"{'':>4} | {caret}",
    ]
    if diagnostic.help:
        rendered.append(f"help: {diagnostic.help}")
    return "\n".join(rendered)


def to_plain(diagnostic: Diagnostic) -> dict[str, str | int]:
    """The diagnostic as JSON types; columns count from 1, ``end_column`` is the first one after the token."""
    span = diagnostic.span
    return {
        "file": diagnostic.file,
        "line": span.line,
        "column": span.column,
        "end_column": span.column + span.length,
        "severity": str(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "help": diagnostic.help,
    }


def lines_of(text: str) -> list[str]:
    """The lines of a text as spans count them, without line ends and byte order mark."""
    return _BREAK.split(text.removeprefix("\ufeff"))


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the nearest of the allowed words, in whatever case, or empty."""
    near = get_close_matches(word[:80].lower(), list(allowed), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def _cut(line: str, span: Span) -> tuple[str, str, str]:
    start, end = span.column - 1, span.column - 1 + span.length
    first = max(0, start - _LEAD) if len(line) > _WIDEST else 0
    last = first + _WIDEST
    head, tail = "…" if first else "", "…" if last < len(line) else ""
    return (
        head + _shown(line[first:start]),
        _shown(line[start : min(end, last)]),
        _shown(line[end:last]) + tail,
    )


def _shown(text: str) -> str:
    """Without what would move the caret or command the terminal; the files are other people's."""
    return "".join(each if each.isprintable() else " " if each == "\t" else "\ufffd" for each in text)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)
