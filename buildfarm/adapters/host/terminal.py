"""A command that a person talks to: on a terminal made for it alone, joined to the person's own."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from functools import partial

_STREAMS = 'exec "$@" 3>/dev/null 5>/dev/null'  # a sandbox reports there (bubblewrap.REPORT_AT); here nobody listens
_TERMINAL = f'{_STREAMS} 0<>"$0" 1>&0 2>&0'  # who opens it first, in a session of its own, is controlled by it


def converse(argv: tuple[str, ...], env: Mapping[str, str], cwd: str) -> int:
    """Run it to its end with the standard streams of this process; the exit code, negative for a signal.

    Where those are a terminal the command gets another one, so that it can put nothing into the person's own (TIOCSTI),
    and job control works in it.
    """
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _on_a_terminal(argv, env, cwd)
    order = ("/bin/sh", "-c", _STREAMS, "sh", *argv)
    return subprocess.run(order, env=dict(env), cwd=cwd, start_new_session=True, check=False).returncode


def _on_a_terminal(argv: tuple[str, ...], env: Mapping[str, str], cwd: str) -> int:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb+", buffering=0), joined(partial(termios.tcsetwinsize, ours)):
        try:
            order = ("/bin/sh", "-c", _TERMINAL, os.ttyname(theirs), *argv)
            process = subprocess.Popen(
                order, env=dict(env), cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
        finally:
            os.close(theirs)
        with process:
            _pass_on(ours)
        return process.returncode


@contextlib.contextmanager
def joined(resize: Callable[[tuple[int, int]], object]) -> Iterator[None]:
    """Every key goes through as it is pressed, and the command's terminal has the size of the person's: ``resize`` gets
    lines and columns, at once and whenever they change.
    """
    stdin = sys.stdin.fileno()

    def fit(*_: object) -> None:
        resize(termios.tcgetwinsize(stdin))

    fit()
    before, heard = termios.tcgetattr(stdin), signal.signal(signal.SIGWINCH, fit)
    tty.setraw(stdin)
    try:
        yield
    finally:
        termios.tcsetattr(stdin, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGWINCH, heard)


def _pass_on(ours: int) -> None:
    """Both ways, until the last process that has the terminal has left it."""
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    listening = [ours, stdin]
    while True:
        ready, _, _ = select.select(listening, [], [])
        if stdin in ready:
            keys = os.read(stdin, 4096)
            if keys:
                os.write(ours, keys)
            else:
                listening.remove(stdin)
        if ours in ready:
            try:
                shown = os.read(ours, 65536)
            except OSError:  # EIO: nobody has it open any more
                return
            while shown:
                shown = shown[os.write(stdout, shown) :]
