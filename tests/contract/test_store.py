from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from buildfarm.adapters.memory import MemoryStore
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import FarmError
from buildfarm.ports import Store


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "store")


def test_what_is_put_is_there(store: Store) -> None:
    artifact = store.put("a.txt", io.BytesIO(b"hello"))
    assert (artifact.name, artifact.size, artifact.sha256) == ("a.txt", 5, hashlib.sha256(b"hello").hexdigest())
    assert store.has(artifact.sha256)
    for _ in range(2):
        with store.open(artifact.sha256) as content:
            assert content.read() == b"hello"
            assert content.seek(1) == 1
            assert content.read() == b"ello"


def test_equal_bytes_are_one_whatever_their_names(store: Store) -> None:
    assert store.put("a", io.BytesIO(b"x")).sha256 == store.put("b", io.BytesIO(b"x")).sha256


def test_what_is_not_there_is_said(store: Store) -> None:
    absent = "0" * 64
    assert not store.has(absent)
    with pytest.raises(FarmError, match=absent):
        store.open(absent)


def test_a_put_that_fails_keeps_nothing(store: Store) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionError

    with pytest.raises((ConnectionError, FarmError)):
        store.put("a", Broken())
    assert not store.has(hashlib.sha256(b"").hexdigest())


def test_threads_that_put_the_same_do_not_disturb_each_other(store: Store) -> None:
    threads = [threading.Thread(target=store.put, args=("a", io.BytesIO(bytes(100_000)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.open(hashlib.sha256(bytes(100_000)).hexdigest()) as content:
        assert content.read() == bytes(100_000)


def test_files_are_named_by_their_bytes_and_read_only(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    sha256 = store.put("a", io.BytesIO(b"x")).sha256
    path = store.path(sha256)
    assert path == tmp_path / sha256[:2] / sha256
    assert path.stat().st_mode & 0o777 == 0o444
    inode = path.stat().st_ino
    store.put("again", io.BytesIO(b"x"))
    assert path.stat().st_ino == inode
    assert not list((tmp_path / ".tmp").iterdir())


@pytest.mark.parametrize("sha256", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_only_a_digest_is_a_name(sha256: str, tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="no sha256"):
        LocalStore(tmp_path).has(sha256)


KILLED = """
import io, os, signal, sys
from pathlib import Path
from buildfarm.adapters.store import LocalStore

def crash(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

LocalStore(Path(sys.argv[1]), crash).put("a", io.BytesIO(b"hello"))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
@pytest.mark.parametrize(("point", "there"), [("store.put:written", False), ("store.put:renamed", True)])
def test_a_kill_leaves_all_or_nothing(point: str, there: bool, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, point], check=False)
    assert done.returncode == -signal.SIGKILL
    store = LocalStore(tmp_path)
    sha256 = hashlib.sha256(b"hello").hexdigest()
    assert store.has(sha256) is there
    assert len(list(tmp_path.glob(".tmp/*"))) == (not there)
    assert store.put("a", io.BytesIO(b"hello")).sha256 == sha256
    assert store.sweep() == (not there)
    assert not list(tmp_path.glob(".tmp/*"))


def test_a_sweep_spares_who_is_still_writing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / ".tmp").mkdir()
    mine, old = (tmp_path / ".tmp" / f"{os.getpid()}-{name}" for name in ("new", "old"))
    mine.touch()
    old.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    assert store.sweep() == 1
    assert mine.exists()
