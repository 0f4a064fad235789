"""The end of the command line's process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

import pytest

WORKING = """
import atexit, threading
from buildfarm.app.cli import leave
atexit.register(print, "finalised")
threading.Thread(target=threading.Event().wait).start()
print("said", end="")
leave({code})
"""


def ended(code: int, stdout: IO[str] | int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", WORKING.format(code=code)]
    environ = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run(argv, env=environ, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=30, check=False)


@pytest.mark.parametrize("code", [0, 3])
def test_what_was_said_is_written_and_no_thread_is_waited_for(code: int) -> None:
    done = ended(code, subprocess.PIPE)
    assert (done.returncode, done.stdout, done.stderr) == (code, "said", "")


@pytest.mark.parametrize(("meant", "code"), [(0, 1), (3, 3)])
def test_what_cannot_be_written_is_no_success(meant: int, code: int) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        assert ended(meant, full).returncode == code
