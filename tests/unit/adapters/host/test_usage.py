from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from buildfarm.adapters.host import usage

ANY = 1 << 60


THREADS = "import threading, time; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(4)]"


@pytest.fixture
def tree() -> Iterator[int]:
    """A shell, and below it one that has burnt time in a child, in a session of its own, and a process of 5 threads."""
    burn = "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'"
    script = f'setsid sh -c "$1; sleep 60" & {sys.executable} -c "$2" & wait'
    root = subprocess.Popen(["sh", "-c", script, "sh", burn, THREADS])
    yield root.pid
    for pid in [*usage.descendants([root.pid]), root.pid]:
        os.kill(pid, signal.SIGKILL)
    root.wait()


@pytest.mark.parametrize("told", [True, False], ids=["children", "all"])
def test_what_is_below_is_counted(tree: int, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_TOLD", told)
    deadline = time.monotonic() + 10
    while (found := usage.count(tree, ANY))[1] != 7 or found[3] < 0.02:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    pids, _, resident, _ = found
    assert sorted(pids) == sorted(usage.descendants([tree]))
    assert len(pids) == 3
    assert 1_000_000 < resident < 100_000_000
    assert usage.count(tree, 1)[1] in (2, 5, 6), "more than one, and the rest is not looked at"


def test_memory_is_what_is_not_shared() -> None:
    mine = usage.memory([os.getpid()])
    block = bytearray(50_000_000)
    block[::4096] = bytes(len(block[::4096]))
    assert 40_000_000 < usage.memory([os.getpid()]) - mine < 60_000_000
    assert usage.memory([1 << 30]) == 0
