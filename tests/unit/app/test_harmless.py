"""What a stranger's build or wheel said reaches a terminal as text, and as nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from buildfarm.app import output, overview
from buildfarm.app.harmless import WholeLines, harmless, harmless_lines, shown
from buildfarm.app.options import log_to
from buildfarm.app.table import print_table

EVIL = "a\x1b[2Jb\x1b]0;title\x07c\x1b]8;;http://x\x1b\\d\x9b2Je\x07\x08f"
GOOD = "abcd 2Je  f"


class Stream(io.TextIOWrapper):
    def __init__(self, *, terminal: bool) -> None:
        self.raw_bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.raw_bytes, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return self.terminal


def printed(print_: Callable[[Console], object]) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@given(st.text())
def test_what_is_harmless_is_one_line_that_can_be_printed(text: str) -> None:
    assert harmless(text).isprintable()


def test_what_commands_a_terminal_goes_and_what_it_says_stays() -> None:
    assert harmless(EVIL) == GOOD
    assert harmless_lines(f"{EVIL}\n{EVIL}\n") == f"{GOOD}\n{GOOD}\n"
    assert shown(f"old\r{EVIL}\r".encode()) == GOOD


@given(st.lists(st.binary(max_size=20)))
def test_lines_are_whole_however_they_come(chunks: list[bytes]) -> None:
    lines = WholeLines()
    found = [line for chunk in chunks for line in lines.of(chunk)]
    assert [*found, lines.rest] == b"".join(chunks).split(b"\n")


@pytest.mark.parametrize(("terminal", "written"), [(True, GOOD), (False, EVIL)])
def test_a_log_is_raw_in_a_pipe_and_harmless_on_a_terminal(terminal: bool, written: str) -> None:
    stream = Stream(terminal=terminal)
    write = log_to(stream)
    for chunk in (EVIL.encode()[:3], EVIL.encode()[3:], b"\n"):
        write(chunk)
    assert stream.raw_bytes.getvalue().decode() == f"{written}\n"


def test_tables_and_messages_show_text() -> None:
    assert printed(lambda console: print_table(console, ["x", "y"], [(EVIL, "[bold]z")])).splitlines()[1] == (
        f"{GOOD}  [bold]z"
    )
    assert printed(lambda console: output._say(console, f"{EVIL}\n[/usr]")) == f"{GOOD}\n[/usr]\n"
    assert printed(lambda console: overview.print_fact(console, "ran", f"cc [/usr] 'cython[dev]<3' {EVIL}")) == (
        f"ran          cc [/usr] 'cython[dev]<3' {GOOD}\n"
    )
