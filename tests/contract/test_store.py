from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from buildfarm.adapters import s3_store
from buildfarm.adapters.memory import MemoryStore
from buildfarm.adapters.s3_store import S3Store
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.model.errors import FarmError
from buildfarm.ports import Store
from tests.contract.buckets import BUCKET, bucket


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with bucket() as variables:
        yield variables


@pytest.fixture
def in_bucket(s3: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return S3Store(f"s3://{BUCKET}/{tmp_path.name}", tmp_path / "scratch")


@pytest.fixture(params=["memory", "files", pytest.param("bucket", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "bucket":
        found: S3Store = request.getfixturevalue("in_bucket")
        return found
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


def test_what_is_removed_is_gone(store: Store) -> None:
    sha256 = store.put("a.txt", io.BytesIO(b"gone")).sha256
    for _ in range(2):
        store.remove(sha256)
        assert not store.has(sha256)


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


def test_a_sweep_spares_who_is_still_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = LocalStore(tmp_path), time.time()
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / f"{os.getpid()}-mine").touch()
    assert store.sweep() == 0
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert store.sweep() == 1


@pytest.mark.slow
def test_what_is_large_goes_up_in_parts_and_comes_back_whole(
    in_bucket: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3_store, "_PART", 5 << 20)
    content = os.urandom(11 << 20)
    artifact = in_bucket.put("large", io.BytesIO(content))
    with in_bucket.open(artifact.sha256) as found:
        assert found.read() == content
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_keys_are_digests_below_the_prefix(in_bucket: S3Store, tmp_path: Path) -> None:
    sha256 = in_bucket.put("a", io.BytesIO(b"x")).sha256
    listed = in_bucket._client.list_objects_v2(Bucket=BUCKET, Prefix=tmp_path.name)["Contents"]
    assert [each["Key"] for each in listed] == [f"{tmp_path.name}/{sha256[:2]}/{sha256}"]
    assert S3Store(f"s3://{BUCKET}", tmp_path)._key(sha256) == f"{sha256[:2]}/{sha256}"


@pytest.mark.slow
def test_bytes_that_changed_in_the_bucket_are_never_given_out(in_bucket: S3Store) -> None:
    sha256 = in_bucket.put("a", io.BytesIO(b"x")).sha256
    in_bucket._client.put_object(Bucket=BUCKET, Key=in_bucket._key(sha256), Body=b"y")
    with pytest.raises(FarmError, match=f"has other bytes under {sha256}"):
        in_bucket.open(sha256)


@pytest.mark.slow
def test_a_tree_gets_copies_of_what_has_no_path(in_bucket: S3Store, tmp_path: Path) -> None:
    tree = FileTree(tmp_path / "index", in_bucket.open)
    first, second = in_bucket.put("a", io.BytesIO(b"one")), in_bucket.put("a", io.BytesIO(b"two"))
    assert tree.link("main/+f/a", first)
    assert tree.link("main/+f/a", first)
    assert not tree.link("main/+f/a", second)
    assert (tmp_path / "index" / "main" / "+f" / "a").read_bytes() == b"one"
    assert (tmp_path / "index" / "main" / "+f" / "a").stat().st_mode & 0o777 == 0o444


@pytest.mark.slow
def test_a_bucket_that_cannot_be_used_is_said(s3: Mapping[str, str], in_bucket: S3Store, tmp_path: Path) -> None:
    absent = S3Store("s3://no-such-bucket/x", tmp_path)
    with pytest.raises(FarmError, match=r"could not keep a at s3://no-such-bucket/x: .*NoSuchBucket"):
        absent.put("a", io.BytesIO(b"x"))


def test_without_boto3_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(FarmError, match=r"pip install 'buildfarm\[s3\]'"):
        S3Store("s3://wheels", tmp_path)
