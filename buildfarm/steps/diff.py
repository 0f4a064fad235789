"""Patch files, read: unified diffs as diff, git and Mercurial write them. Bytes stay bytes, as a source holds any."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NoReturn

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Reason, Step

Lines = tuple[bytes, ...]
"""Lines with their ends; only the last may have none."""

Names = tuple[str, str]
"""A path without its first 0 and its first 1 components; both empty where there is no file."""

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPES = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))
_EXECUTABLE = {b"100644": False, b"100755": True}
NONE: Names = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One change: ``old`` becomes ``new`` at line ``start`` (from 1; 0 in an empty file). ``line`` is its own place."""

    line: int
    start: int
    old: Lines
    new: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one file. No ``old``: it is made; no ``new``: it goes; two names: it is moved, or ``copied``.

    ``executable`` is None where the mode stays. ``line`` is where it begins in the patch file.
    """

    line: int
    old: Names = NONE
    new: Names = NONE
    hunks: tuple[Hunk, ...] = ()
    copied: bool = False
    executable: bool | None = None


def refuse(patch: str, why: str, advice: str = "", lines: tuple[str, ...] = ()) -> NoReturn:
    """Fail the build step with code ``patch``."""
    advice = advice or "correct the patch, or say which versions it is for (`versions` beside its `file`)"
    raise StepFailed(Step.BUILD, Reason(code="patch", message=f"{patch} {why}", advice=advice, lines=lines))


def parse_diff(patch: str, content: bytes) -> tuple[Change, ...]:
    """The changes of a patch file, in order; what stands around them is passed over.

    Raises ``StepFailed`` (build, code ``patch``) where there are none, a hunk is cut, or a change is none of text.
    """
    changes = tuple(_Reader(patch, content).changes())
    if not changes:
        refuse(patch, "holds no unified diff", "make it with `git diff`, or `diff -Naur OLD NEW`")
    return changes


class _Reader:
    def __init__(self, patch: str, content: bytes) -> None:
        self._patch = patch
        self._lines = split_lines(content)
        self._at = 0

    def changes(self) -> Iterator[Change]:
        change: Change | None = None
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip(b"\r\n")
            if line.startswith(b"diff --git "):
                if change is not None:
                    yield change
                old, new = _of_header(line)
                change = Change(line=self._at + 1, old=old, new=new)
            elif line.startswith(b"--- ") and self._next().startswith(b"+++ "):
                if change is not None and change.hunks:
                    yield change
                    change = None
                change = self._named(change or Change(line=self._at + 1), line)
            elif change is not None and (found := _HUNK.match(line)):
                change = replace(change, hunks=(*change.hunks, self._hunk(found)))
                continue
            elif change is not None and not change.hunks:
                change = self._extended(change, line)
            self._at += 1
        if change is not None:
            yield change

    def _next(self) -> bytes:
        return self._lines[self._at + 1].rstrip(b"\r\n") if self._at + 1 < len(self._lines) else b""

    def _named(self, change: Change, line: bytes) -> Change:
        """With the names of the lines ``---`` and ``+++``; those of a move or copy are better known already."""
        old, new = _names(line[4:]), _names(self._next()[4:])
        self._at += 1
        if old == new == NONE:
            refuse(self._patch, f"names no file in line {change.line}")
        moved = change.old[0] == change.old[1] != ""
        return change if moved else replace(change, old=old, new=new)

    def _extended(self, change: Change, line: bytes) -> Change:
        """With what a line of git's extended header says."""
        if line.startswith((b"GIT binary patch", b"Binary files ")):
            refuse(
                self._patch,
                f"changes the binary file {change.new[1] or change.old[1]!r} in line {self._at + 1}",
                "only text can be patched: have a command under build.before write such a file",
            )
        word, _, rest = line.rpartition(b" ")
        if word in (b"new mode", b"new file mode", b"deleted file mode"):
            if rest not in _EXECUTABLE:
                refuse(self._patch, f"makes a link or submodule in line {self._at + 1}", "only files can be patched")
            if word == b"new mode":
                return replace(change, executable=_EXECUTABLE[rest])
            if word == b"new file mode":
                return replace(change, old=NONE, executable=_EXECUTABLE[rest])
            return replace(change, new=NONE)
        for key in (b"rename from ", b"copy from "):
            if line.startswith(key):
                return replace(change, old=(_plain(line[len(key) :]),) * 2, copied=key == b"copy from ")
        for key in (b"rename to ", b"copy to "):
            if line.startswith(key):
                return replace(change, new=(_plain(line[len(key) :]),) * 2)
        return change

    def _hunk(self, found: re.Match[bytes]) -> Hunk:
        """The hunk that begins here; leaves the reader behind it."""
        at = self._at + 1
        left = [1 if count is None else int(count) for count in (found[2], found[4])]
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        takes = {b" ": (0, 1), b"-": (0,), b"+": (1,), b"\n": (0, 1), b"\r": (0, 1)}
        self._at += 1
        while any(left) or b"".join(self._lines[self._at : self._at + 1]).startswith(b"\\"):
            line = self._lines[self._at] if self._at < len(self._lines) else b""
            if line.startswith(b"\\"):  # "\ No newline at end of file": of the line before
                for side in takes.get(self._lines[self._at - 1][:1], ()):
                    sides[side][-1:] = [each.rstrip(b"\r\n") for each in sides[side][-1:]]
            elif (which := takes.get(line[:1])) and all(left[side] for side in which):
                for side in which:  # an empty line lost the space before it on its way
                    sides[side].append(line if line[:1] in b"\r\n" else line[1:])
                    left[side] -= 1
            else:
                refuse(self._patch, f"is cut or damaged: its hunk of line {at} has fewer lines than it says")
            self._at += 1
        return Hunk(line=at, start=int(found[1]), old=tuple(sides[0]), new=tuple(sides[1]))


def split_lines(content: bytes) -> list[bytes]:
    """Lines with their ends: a line feed, and nothing else that some call an end."""
    return io.BytesIO(content).readlines()


def _of_header(line: bytes) -> tuple[Names, Names]:
    """The names of ``diff --git a/x b/x`` where both are one, which is where no other line need say them."""
    rest = line[len(b"diff --git ") :]
    old, new = _names(rest[: len(rest) // 2]), _names(rest[len(rest) // 2 + 1 :])
    return (old, new) if old[1] == new[1] else (NONE, NONE)


def _names(written: bytes) -> Names:
    """The names that a path of a header has. A time may stand behind a tab; that of the epoch means: no file."""
    written, _, time = written.partition(b"\t")
    path = _plain(written)
    absent = path == "/dev/null" or time.startswith((b"1970-01-01 00:00:00", b"Thu Jan 01 00:00:00 1970"))
    return NONE if absent else (path, path.partition("/")[2])


def _plain(written: bytes) -> str:
    """A path as git writes it, in quotes where it holds what is not plain ASCII."""
    if written.startswith(b'"'):
        written = _ESCAPE.sub(_unescaped, written.strip().strip(b'"'))
    return written.strip().decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([_ESCAPES[code[0]] if len(code) == 1 else int(code, 8) & 0xFF])
