"""Who lives: locks that end with their process, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from buildfarm.adapters.owners import LocalOwners
from buildfarm.model.errors import FarmError


@pytest.fixture
def owners(tmp_path: Path) -> LocalOwners:
    return LocalOwners(tmp_path)


def test_nobody_lives_at_first(owners: LocalOwners) -> None:
    assert owners.live() == frozenset()


def test_an_owner_lives_while_it_holds_its_name(owners: LocalOwners, tmp_path: Path) -> None:
    with owners.hold("one"), owners.hold("two"):
        assert owners.live() == LocalOwners(tmp_path).live() == {"one", "two"}
    assert owners.live() == frozenset()
    assert list((tmp_path / "owners").iterdir()) == []


def test_an_error_frees_the_name(owners: LocalOwners) -> None:
    with pytest.raises(KeyError), owners.hold("one"):
        raise KeyError
    with owners.hold("one"):
        assert owners.live() == {"one"}


def test_a_name_is_held_once(owners: LocalOwners) -> None:
    with owners.hold("one"):
        with pytest.raises(FarmError, match="another process lives under the name one"), owners.hold("one"):
            pass
        assert owners.live() == {"one"}


def test_a_killed_process_is_dead_at_once_and_its_file_goes(owners: LocalOwners, tmp_path: Path) -> None:
    told, tell = os.pipe()
    victim = os.fork()
    if victim == 0:
        with owners.hold("victim"):
            os.write(tell, b"held")
            signal.pause()
    assert os.read(told, 4) == b"held"
    assert owners.live() == {"victim"}
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    assert owners.live() == frozenset()
    assert list((tmp_path / "owners").iterdir()) == []
    with owners.hold("victim"):
        assert owners.live() == {"victim"}
    os.close(told)
    os.close(tell)


def test_children_do_not_keep_their_parent_alive(owners: LocalOwners) -> None:
    told, tell = os.pipe()
    victim = os.fork()
    if victim == 0:
        with owners.hold("victim"):
            started = subprocess.Popen(["sleep", "30"], close_fds=False)
            if os.fork() == 0:
                os.write(tell, f"{started.pid} {os.getpid()}".encode())
            signal.pause()
    children = [int(pid) for pid in os.read(told, 100).split()]
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    try:
        assert owners.live() == frozenset()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os.close(told)
        os.close(tell)


@pytest.mark.slow
def test_who_asks_disturbs_nobody(owners: LocalOwners) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            owners.live()

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for round_ in range(100):
            with owners.hold("one"), owners.hold(f"round {round_}"):
                assert owners.live() >= {"one", f"round {round_}"}
    finally:
        stop.set()
        for thread in asking:
            thread.join()
