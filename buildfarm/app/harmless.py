"""What strangers wrote, for a terminal: nothing in it commands the terminal."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
_LONGEST = 4096  # bytes kept of a line that does not end


def harmless(text: str) -> str:
    """The text as one line, without what commands a terminal."""
    return "".join(each if each.isprintable() else " " for each in _ESCAPE.sub("", text))


def harmless_lines(text: str) -> str:
    """The text with its lines, each of them harmless."""
    return "\n".join(map(harmless, text.split("\n")))


def shown(line: bytes) -> str:
    """A line of a log for a terminal: what it last overwrote itself with, harmless."""
    return harmless(line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2])


class WholeLines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self.rest = b""  # the line that has not ended yet

    def of(self, chunk: bytes) -> list[bytes]:
        """The lines that are whole with this chunk; one that is too long comes in pieces."""
        *whole, self.rest = (self.rest + chunk).split(b"\n")
        if len(self.rest) > _LONGEST:
            whole.append(self.rest)
            self.rest = b""
        return whole
