"""The lines of an output that say why something failed: heard as they come, in bounded memory, wherever they stand.

The last lines of a failed build are its epilogue. What says why comes earlier, in one of few forms: a compiler's error
with its place, a linker's, an exception with the project's own innermost frame, a configuration that did not find
something. Lines of a kind that is a cause beat those of a kind that may follow from one, and the first beats the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

MOST_LINES = 12
_MOST_TEXT = 300  # characters of a line that are shown
_MOST_HEARD = 8192  # bytes of a line that are kept
_MOST_READ = 1024  # characters of them that are searched
_MOST_GROUPS = 4  # of a weight
_MOST_FRAMES = 2000  # lines of a traceback


class Weight(IntEnum):
    """How much a line says: a cause, an error that may have one, or only that something before it failed."""

    CAUSE = 0
    ERROR = 1
    ECHO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A form of line: what it looks like, what it weighs, and which of the ``most`` lines after it belong to it."""

    pattern: re.Pattern[str]
    weight: Weight
    goes_on: re.Pattern[str] = re.compile(r"(?!)")
    most: int = 0


# These search what hostile builds print, so none may take time that grows with the square of a line's length: what
# stands before a `.*` is looked for once, `(?>.*?…)`. Long choices begin with plain characters, which is fast.
_CONTEXT = re.compile(r"\s*+\d*+\s*+\|")  # what a compiler quotes below its message
_RUST = re.compile(r"\s+(-->|\||=|\d+ \|)|\s*$")
_INDENTED = re.compile(r"\s+\S|\s*$")
_MESSAGE = re.compile(r"(?!During handling|The above exception|imported )")  # of an exception, in its further lines

_KINDS = (
    _Kind(
        pattern=re.compile(
            r"CalledProcessError|CompileError\b|LinkError\b|DistutilsExecError\b|make(\[\d+\])?: \*\*\*"
            r"|ninja: build stopped| errors? generated|error: aborting due to|error: could not compile"
            r"|failed with exit status"
        ),
        weight=Weight.ECHO,
    ),
    _Kind(
        pattern=re.compile(
            r"^(?>.*?[Cc]ommand ).*(failed with exit|returned non-zero exit)|^(?>.*?: building extension ).* failed"
            r"|^FAILED: |^\s*ERROR: Failed building"
        ),
        weight=Weight.ECHO,
    ),
    _Kind(
        pattern=re.compile(r"^(?>.+?:\d+(:\d+)?: (fatal )?error: ).*(file not found|No such file or directory)"),
        weight=Weight.CAUSE,
        goes_on=_CONTEXT,
        most=3,
    ),
    _Kind(
        pattern=re.compile(
            r"cannot find -l|library not found for -l|undefined symbol: |undefined reference to"
            r"|No package '[^']+' found|in the pkg-config search path"
            r"|ModuleNotFoundError: |ImportError: |No module named "
            r"|Could not resolve host|ame resolution|Name or service not known|urlopen error|Network is unreachable"
            r"|Failed to establish a new connection|onnection refused|dns error"
            r"|No space left on device|Disk quota exceeded|Cannot allocate memory"
            r"|Segmentation fault|Fatal Python error|nternal compiler error"
            r"|can't find Rust compiler|Rust not found|: (command )?not found$|executable not found$"
            r"|requires pkg-config|could not be found for|No such file or directory: '|configure: error: "
        ),
        weight=Weight.CAUSE,
    ),
    _Kind(
        pattern=re.compile(
            r"^(?>.*?[Pp]ackage '?[\w.+-]{1,80}'?,? ).*not found|^(?>.*?unable to find ).*library"
            r"|^(?>.*?error: command ).* failed: No such file|^(MemoryError|Killed\b|Trying pkg-config)"
            r"|^\S*make(\[\d+\])?: [\w.+-]+: No such file or directory$"
        ),
        weight=Weight.CAUSE,
    ),
    _Kind(pattern=re.compile(r"^\s*CMake Error"), weight=Weight.CAUSE, goes_on=_INDENTED, most=6),
    _Kind(pattern=re.compile(r"^\S*meson\.(build|options|py):\d+(:\d+)?: ERROR: "), weight=Weight.CAUSE),
    _Kind(pattern=re.compile(r"\.(pyx|pxd|pxi):\d+:\d+: (?!warning)"), weight=Weight.ERROR),
    _Kind(pattern=re.compile(r"^.+?:\d+(:\d+)?: (fatal )?error: "), weight=Weight.ERROR, goes_on=_CONTEXT, most=3),
    _Kind(pattern=re.compile(r"^\s*error(\[E\d+\])?: \S"), weight=Weight.ERROR, goes_on=_RUST, most=5),
    _Kind(pattern=re.compile(r"^E   +\S"), weight=Weight.ERROR, goes_on=re.compile(r"E   "), most=3),
    _Kind(pattern=re.compile(r"^(FAILED|ERROR) \S+\.py\b|^(FAIL|ERROR): \w+ \("), weight=Weight.ERROR),
    _Kind(pattern=re.compile(r"^\s*([\w.-]+: )?(error|ERROR|Error)\b[:!]? \S"), weight=Weight.ERROR),
    _Kind(pattern=re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit): "), weight=Weight.ERROR),
)
# Most lines of a build say nothing of the kind, and are done after one search.
_WORTH_A_LOOK = re.compile(
    r"rror|ERROR|FAIL|Exception|Exit|Interrupt|Killed|fault|failed|stopped|undefined|quota|allocate|pkg-config|E   "
    r"|not (be )?found|cannot find|unable to find|can't find|No (module|package|space|such file)|\*\*\*|\.p(yx|xd|xi):"
    r"|ould not|ame |etwork|onnection|ackage"
)
_TRACEBACK = re.compile(r"(\s*)Traceback \(most recent call last\):")
_FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line \d+')
_NOT_THE_PROJECTS = re.compile(r"/(site|dist)-packages/|/lib/python3|^<frozen |/scripts/(hook|imports)\.py$")
_DRAWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(slots=True)
class _Group:
    """Lines that belong together; ``place`` is the number of the first one."""

    place: int
    lines: list[str]
    kind: _Kind
    heard: int = 0


@dataclass(slots=True)
class _Trace:
    """A traceback that is not at its end: where its frames are indented, and the project's innermost one so far."""

    indent: int
    heard: int = 0
    code_follows: bool = False
    frame: list[str] = field(default_factory=list)


class Decisive:
    """Hears the output of an attempt and keeps what says why it may fail."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._groups: dict[Weight, list[_Group]] = {weight: [] for weight in Weight}
        self._open: _Group | None = None
        self._trace: _Trace | None = None

    def hear(self, chunk: bytes) -> None:
        """Take output as it comes, cut anywhere."""
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = self._rest + whole[0]
            self._rest = b""
        for line in whole:
            self._line(line)
        self._rest = (self._rest + rest)[:_MOST_HEARD]

    def lines(self) -> tuple[str, ...]:
        """At most ``MOST_LINES`` lines, in the order in which they were said; none where none said anything."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        said = [group for weight in (Weight.CAUSE, Weight.ERROR) for group in self._groups[weight]]
        chosen: list[_Group] = []
        room = MOST_LINES
        for group in said or self._groups[Weight.ECHO]:
            if room <= 0:
                break
            chosen.append(group)
            room -= len(group.lines)
        ordered = sorted(chosen, key=lambda group: group.place)
        return tuple(line[:_MOST_TEXT] for group in ordered for line in group.lines)[:MOST_LINES]

    def _line(self, raw: bytes) -> None:
        self._number += 1
        line = raw[:_MOST_HEARD].decode(errors="replace").rstrip("\r ").rpartition("\r")[2]
        line = _DRAWN.sub("", line[:_MOST_READ])
        if not line.isprintable():
            line = "".join(each for each in line if each.isprintable() or each == "\t")
        line = line.rstrip()
        if self._trace is not None and self._in_traceback(self._trace, line):
            return
        if self._open is not None and self._goes_on(self._open, line):
            return
        if begun := _TRACEBACK.match(line):
            self._trace = _Trace(indent=len(begun[1]))
        elif _WORTH_A_LOOK.search(line) and (kind := _kind(line)):
            self._keep(_Group(place=self._number, lines=[line], kind=kind))

    def _in_traceback(self, trace: _Trace, line: str) -> bool:
        trace.heard += 1
        if trace.heard > _MOST_FRAMES:
            self._trace = None
            return False
        if not line or len(line) - len(line.lstrip()) > trace.indent:
            frame = _FRAME.match(line)
            if frame and not _NOT_THE_PROJECTS.search(frame["path"]):
                trace.frame, trace.code_follows = [line], True
            elif trace.code_follows:
                trace.frame = trace.frame if frame else [*trace.frame, line]
                trace.code_follows = False
            return True
        self._trace = None
        found = _kind(line)
        kind = _Kind(pattern=_MESSAGE, weight=found.weight if found else Weight.ERROR, goes_on=_MESSAGE, most=3)
        self._keep(_Group(place=self._number, lines=[*trace.frame, line], kind=kind))
        return True

    def _goes_on(self, group: _Group, line: str) -> bool:
        group.heard += 1
        if group.heard <= group.kind.most and group.kind.goes_on.match(line) and not _TRACEBACK.match(line):
            if line:
                group.lines.append(line)
            return True
        self._open = None
        return False

    def _keep(self, group: _Group) -> None:
        """The first ones of a weight; the last place is for whatever came last."""
        kept = self._groups[group.kind.weight]
        if all(each.lines != group.lines for each in kept):
            if len(kept) == _MOST_GROUPS:
                kept.pop()
            kept.append(group)
        self._open = group


def _kind(line: str) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.pattern.search(line)), None)
