from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from buildfarm.adapters.host import sweep as module
from buildfarm.adapters.host.sweep import MARK, Record, close, started, sweep
from buildfarm.model.errors import FarmError


def record(name: str, owner: str = "dead", pid: int = 0, ticks: int = 0) -> Record:
    return Record(name=name, owner=owner, attempt=f"attempt of {name}", pid=pid, started=ticks)


def nap(name: str) -> subprocess.Popen[bytes]:
    """A process of the session with a child that has thrown the mark away."""
    script = "env -i sleep 300 & echo up; exec sleep 300"
    process = subprocess.Popen(
        ["sh", "-c", script], env={MARK: name, "PATH": os.defpath}, start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(3) == b"up\n"
    return process


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    return tmp_path


def test_a_mark_is_enough_to_find_processes(sessions: Path) -> None:
    marked, other = nap("mine"), nap("mine-too")
    with marked, other:
        close(sessions, "mine")
        assert marked.wait(5) == -9
        assert marked.stdout is not None
        assert marked.stdout.read() == b"", "its child held the pipe too"
        assert other.poll() is None
        close(sessions, "mine-too")


def test_one_that_becomes_another_all_the_time_is_found_each_time(tmp_path: Path) -> None:
    (script := tmp_path / "again").write_text('exec sh "$0"')
    with subprocess.Popen(["sh", script], env={MARK: "mine", "PATH": os.defpath}) as process:
        try:
            assert all(process.pid in module._marked("mine") for _ in range(100))
        finally:
            process.kill()


def test_only_dead_owners_are_swept_and_their_record_goes_last(sessions: Path) -> None:
    for name, owner in (("one", "dead"), ("two", "alive"), ("three", "dead")):
        record(name, owner).write(sessions)
    (sessions / "one").mkdir()  # and of three, nothing was made
    (sessions / "one" / "x").touch()
    assert sweep(sessions, frozenset({"alive"})) == ("attempt of one", "attempt of three")
    assert [path.name for path in sessions.iterdir()] == ["two.owner"]
    assert sweep(sessions, frozenset()) == ("attempt of two",)


def test_a_process_that_runs_is_not_swept_but_one_that_took_its_pid_does_not_count(sessions: Path) -> None:
    ticks = started(os.getpid())
    assert ticks
    record("mine", pid=os.getpid(), ticks=ticks).write(sessions)
    record("earlier", pid=os.getpid(), ticks=ticks - 1).write(sessions)
    assert sweep(sessions, frozenset()) == ("attempt of earlier",)


def test_a_zombie_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.read()
        deadline = time.monotonic() + 5
        while started(process.pid) is not None:
            assert time.monotonic() < deadline
        assert Path(f"/proc/{process.pid}").exists()
    assert started(process.pid) is None


def test_one_that_resists_does_not_keep_the_others(sessions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROUNDS", 2)
    monkeypatch.setattr(module, "_marked", lambda name: iter([0] if name == "a" else []))
    monkeypatch.setattr(module, "descendants", lambda _: [])
    monkeypatch.setattr(os, "kill", lambda *_: None)
    record("a").write(sessions)
    record("b").write(sessions)
    with pytest.raises(FarmError, match="processes 0 of the session a cannot be ended"):
        sweep(sessions, frozenset())
    assert [path.name for path in sessions.iterdir()] == ["a.owner"]


def test_a_folder_without_a_record_is_nobodys(sessions: Path) -> None:
    (sessions / "lost").mkdir()
    assert sweep(sessions, frozenset()) == ()
    assert list(sessions.iterdir()) == []


def test_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "absent", frozenset()) == ()
