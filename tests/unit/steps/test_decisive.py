"""Real logs, shortened where nothing is said: the lines that say why, and what to do about them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.outcome import Step
from buildfarm.steps.advice import advise
from buildfarm.steps.decisive import MOST_LINES, Decisive

LOGS = sorted((Path(__file__).parents[2] / "golden" / "logs").glob("*.log"))


def decisive(output: bytes) -> tuple[str, ...]:
    heard = Decisive()
    heard.hear(output)
    return heard.lines()


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_log_comes_to_its_golden_lines_and_advice(log: Path) -> None:
    lines = decisive(log.read_bytes())
    step = Step(log.stem.rpartition(".")[2])
    text = "".join(f"{line}\n" for line in (*lines, *(f"help: {told.sentence}" for told in advise(lines, step))))
    golden = log.with_suffix(".txt")
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert 0 < len(lines) <= MOST_LINES


@pytest.mark.parametrize("log", LOGS[::4], ids=lambda log: log.stem)
@settings(max_examples=15)
@given(sizes=st.lists(st.integers(min_value=1, max_value=3000), min_size=1, max_size=20))
def test_it_does_not_matter_how_output_is_cut(log: Path, sizes: list[int]) -> None:
    output, heard, at = log.read_bytes(), Decisive(), 0
    while at < len(output):
        size = sizes[at % len(sizes)]
        heard.hear(output[at : at + size])
        at += size
    assert heard.lines() == decisive(output)


def test_the_first_error_beats_those_that_follow_from_it() -> None:
    cascade = b"".join(b"x.c:%d:1: error: unknown type name 'yaml_parser_t'\n" % number for number in range(500))
    lines = decisive(b"x.c:1:10: fatal error: yaml.h: No such file or directory\n" + cascade)
    assert lines[0] == "x.c:1:10: fatal error: yaml.h: No such file or directory"
    assert lines[1] == "x.c:0:1: error: unknown type name 'yaml_parser_t'"


def test_an_echo_counts_only_where_nothing_else_was_said() -> None:
    echo = b"make: *** [Makefile:3: all] Error 1\n"
    assert decisive(echo) == ("make: *** [Makefile:3: all] Error 1",)
    assert decisive(b"x.c:1:1: error: no\n" + echo) == ("x.c:1:1: error: no",)


def test_an_exception_comes_with_the_projects_own_innermost_frame() -> None:
    lines = decisive(
        b'Traceback (most recent call last):\n  File "/s/scripts/hook.py", line 1, in <module>\n    main()\n'
        b'  File "setup.py", line 9, in configure\n    look()\n'
        b'  File "/v/lib/python3.11/site-packages/a.py", line 2, in look\n    raise ValueError("no")\n'
        b"ValueError: no\nafterwards\n"
    )
    assert lines[:3] == ('  File "setup.py", line 9, in configure', "    look()", "ValueError: no")


def test_what_was_drawn_over_and_coloured_is_read_as_it_stood_at_the_end() -> None:
    assert decisive(b"10%\r90%\r\x1b[31merror: no compiler today\x1b[0m\r\n") == ("error: no compiler today",)


def test_a_build_that_says_nothing_is_not_made_to() -> None:
    assert decisive(b"running build\ncopying error.py -> build\nadding 'errors/__init__.py'\n" * 1000) == ()


@given(st.binary(max_size=3000))
def test_anything_may_come(output: bytes) -> None:
    assert len(decisive(output)) <= MOST_LINES


def test_memory_stays_bounded() -> None:
    heard = Decisive()
    for number in range(3000):
        heard.hear(b"x" * 1000)
        heard.hear(b"\nx.c:%d:1: error: no\n" % number)
        heard.hear(b"Traceback (most recent call last):\n" + b'  File "a.py", line 1, in f\n' * 10)
    assert len(heard._rest) <= 8192
    assert sum(len(group.lines) for groups in heard._groups.values() for group in groups) < 100
    assert len(heard.lines()) <= MOST_LINES


@pytest.mark.parametrize(
    "line",
    [
        b"pkg-config " * 800,
        b"rror " + b"1" * 8000,
        b"a:1: error: " * 700,
        b"error: command " * 600,
        b"No package '" * 700,
        b"package " * 1000,
        b"package" * 1000,
        b"unable to find " * 600,
        b"rror" + b":1" * 4000,
        b"a:1: error: x\n" + b" " * 4000 + b"x",
    ],
    ids=lambda line: line[:16].decode(),
)
def test_no_line_takes_long(line: bytes) -> None:
    began = time.process_time()
    decisive((line + b"\n") * 50)
    assert time.process_time() - began < 0.4


def test_lines_command_no_terminal() -> None:
    said = "error: \x1b[31mno\x1b[0m \x9b2J\u202ehidden\x07\tthing"
    assert decisive(said.encode()) == ("error: no 2Jhidden\tthing",)
