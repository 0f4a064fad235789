"""A build on a terminal, as a person sees it: what moves, what stays, and what is left when it is interrupted."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import HERE, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

SLOW = """    import subprocess
    print('here \\x1b[2J\\x07I am', flush=True)
    subprocess.call(['sleep', '600'])
    info = f"""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


@dataclass
class Terminal:
    """A pseudo-terminal and the build on it."""

    process: subprocess.Popen[bytes]
    descriptor: int
    seen: str = ""

    def until(self, pattern: str) -> None:
        """Read until it shows what matches."""
        deadline = time.monotonic() + 300
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, self.seen
            self._read()

    def to_the_end(self) -> int:
        """Read until the build has ended; its exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        try:
            chunk = os.read(self.descriptor, 65536)
        except OSError:  # how a terminal says that nobody is left on it
            return False
        self.seen += chunk.decode()
        return bool(chunk)


@contextmanager
def terminal(farm: Farm, *words: str, width: int = 100, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "buildfarm", "build", *words, "--targets", f"{HERE}-*"],
        cwd=farm.folder,
        env={**farm.environ, "TERM": "xterm", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize("width", [40, 100])
def test_a_running_job_is_a_line_that_moves_and_a_finished_one_a_line_that_stays(farm: Farm, width: int) -> None:
    recipe = farm.project("tinypure", f"seen{width}")
    with terminal(farm, str(recipe), width=width) as shown:
        assert shown.to_the_end() == 0
    assert HIDE in shown.seen
    assert shown.seen.rindex(HIDE) < shown.seen.rindex(SHOW)
    assert "1 running" in shown.seen
    for word in ("built", "tested"):
        assert re.search(rf"✓ {word} .*seen{width} 1\.0 {HERE}", shown.seen)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_gives_the_terminal_back(farm: Farm, how: signal.Signals) -> None:
    recipe = farm.project("tinypure", f"halted{how}", {"backend.py": ("    info = f", SLOW)})
    with terminal(farm, str(recipe)) as shown:
        shown.until("here  I am")
        shown.process.send_signal(how)
        assert shown.to_the_end() == 130
    assert shown.seen.rindex(HIDE) < shown.seen.rindex(SHOW)
    assert "\x1b[2J" not in shown.seen
    assert "it goes back to the queue" in shown.seen


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "1"}])
def test_where_nothing_can_move_there_are_lines(farm: Farm, env: dict[str, str]) -> None:
    with terminal(farm, str(farm.project("tinypure", "plain")), env=env) as shown:
        assert shown.to_the_end() == 0
    assert HIDE not in shown.seen
    assert "\x1b[1A" not in shown.seen


def test_quiet_says_nothing_until_the_end_and_verbose_says_all(farm: Farm) -> None:
    quiet = farm.run("build", farm.project("tinypure", "hushed"), "-q", "--targets", f"{HERE}-*")
    assert quiet.code == 0
    assert not re.search("prepare|publish ", quiet.err)
    told = farm.run("build", farm.project("tinypure", "told"), "-v", "--targets", f"{HERE}-*")
    assert re.search(rf"^told 1\.0 {HERE}\S* \| == build: ", told.err, re.MULTILINE)
