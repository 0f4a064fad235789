from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from buildfarm.adapters import durable
from buildfarm.adapters.memory import MemoryStore, MemoryTree
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store, Tree


@pytest.fixture(params=["memory", "files"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Tree]:
    if request.param == "memory":
        memory = MemoryStore()
        return memory, MemoryTree(memory)
    store = LocalStore(tmp_path / "store")
    return store, FileTree(tmp_path / "tree", store.path)


def test_one_content_at_many_paths(places: tuple[Store, Tree]) -> None:
    _, tree = places
    tree.write("a/x", b"old")
    tree.spread([(b"one", ["a/x", "b/x", "c/d/x"]), (b"two", ["a/y"]), (b"nowhere", [])])
    assert [tree.read(path) for path in ("a/x", "b/x", "c/d/x", "a/y")] == [b"one", b"one", b"one", b"two"]
    tree.spread([(b"three", ["b/x"])])
    assert [tree.read(path) for path in ("a/x", "b/x", "c/d/x")] == [b"one", b"three", b"one"]
    assert tree.names("a") == ("x", "y")
    assert tree.names("nowhere") == tree.names("a/x") == ()


def test_what_is_poured_is_whole_and_in_the_place_of_what_was_there(places: tuple[Store, Tree]) -> None:
    _, tree = places
    tree.spread([(b"old", ["a/b/x", "a/y"])])
    tree.pour("a/b/x", io.BytesIO(b"new" * 100_000))
    assert (tree.read("a/b/x"), tree.read("a/y")) == (b"new" * 100_000, b"old")
    tree.pour("c/d", io.BytesIO())
    assert tree.read("c/d") == b""


def test_what_is_removed_is_gone(places: tuple[Store, Tree]) -> None:
    _, tree = places
    tree.spread([(b"one", ["a/b/x", "a/y"])])
    assert tree.remove("a/b/x")
    assert not tree.remove("a/b/x")
    assert not tree.remove("a/y/below")
    assert tree.read("a/b/x") is None
    assert tree.names("a") == ("y",)


def test_a_path_leads_to_one_folder_and_then_to_another(places: tuple[Store, Tree]) -> None:
    _, tree = places
    tree.spread([(b"one", ["a/.1/x", "a/.1/only"]), (b"two", ["a/.2/x"])])
    tree.point("a/now", ".1")
    assert tree.read("a/now/x") == b"one"
    tree.point("a/now", ".2")
    assert [tree.read(f"a/now/{name}") for name in ("x", "only")] == [b"two", None]
    assert tree.names("a") == ("now",)
    tree.point("a/too", "now")
    assert tree.read("a/too/x") == b"two"
    tree.clear("a/too")
    tree.clear("a/.1")
    assert tree.read("a/.1/x") is None
    assert tree.read("a/now/x") == b"two"
    tree.clear("a")
    tree.clear("a")
    assert tree.names("a") == ()
    with pytest.raises(FarmError, match="plain"):
        tree.point("a/now", "../b")


@pytest.mark.skipif(os.name != "posix", reason="counts links")
def test_a_new_name_of_an_old_page_is_nothing_that_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, replace = FileTree(tmp_path, lambda _: tmp_path), durable.replace

    def replace_after_a_sweep(source: Path | str, target: Path | str) -> None:
        durable.sweep(tmp_path)  # as each command does
        replace(source, target)

    tree.write("a/x", b"one")
    os.utime(tmp_path / "a/x", (0, 0))
    monkeypatch.setattr(durable, "replace", replace_after_a_sweep)
    tree.spread([(b"one", ["a/x", "b/x"])])
    assert tree.read("b/x") == b"one"


def test_a_hundred_paths_of_one_content_are_one_file(tmp_path: Path) -> None:
    tree = FileTree(tmp_path, lambda sha256: tmp_path / sha256)
    paths = [f"{number}/simple/x/index.json" for number in range(100)]
    tree.spread([(b"old", paths)])
    tree.spread([(b"new", paths)])
    assert {tree.read(path) for path in paths} == {b"new"}
    assert {(tmp_path / path).stat().st_nlink for path in paths} == {100}
    (tmp_path / "other").write_bytes(b"old")
    tree.spread([(b"new", ["other", paths[0], "yet another"])])
    assert {(tmp_path / path).stat().st_nlink for path in (*paths, "other", "yet another")} == {102}
    assert not list((tmp_path / ".tmp").iterdir())


def test_a_file_is_written_read_and_replaced(places: tuple[Store, Tree]) -> None:
    _, tree = places
    assert tree.read("main/simple/index.html") is None
    tree.write("main/simple/index.html", b"one")
    assert tree.read("main/simple/index.html") == b"one"
    tree.write("main/simple/index.html", b"two")
    assert tree.read("main/simple/index.html") == b"two"
    assert tree.read("main/simple") is None
    assert tree.read("main/simple/index.html/below") is None


def test_a_link_is_made_once(places: tuple[Store, Tree]) -> None:
    store, tree = places
    one, two = store.put("a.whl", io.BytesIO(b"one")), store.put("a.whl", io.BytesIO(b"two"))
    assert tree.link("main/+f/a.whl", one)
    assert tree.link("main/+f/a.whl", one)
    assert not tree.link("main/+f/a.whl", two)
    assert tree.read("main/+f/a.whl") == b"one"


def test_a_link_to_what_the_store_does_not_have_is_an_error(places: tuple[Store, Tree]) -> None:
    with pytest.raises(FarmError):
        places[1].link("a", Artifact(name="a", size=0, sha256="0" * 64))


def test_writing_over_a_link_leaves_the_store_alone(places: tuple[Store, Tree]) -> None:
    store, tree = places
    artifact = store.put("a", io.BytesIO(b"one"))
    tree.link("a", artifact)
    tree.write("a", b"two")
    with store.open(artifact.sha256) as content:
        assert content.read() == b"one"


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\\b"])
def test_only_plain_paths_are_taken(path: str, places: tuple[Store, Tree]) -> None:
    store, tree = places
    with pytest.raises(FarmError, match="plain"):
        tree.write(path, b"")
    with pytest.raises(FarmError, match="plain"):
        tree.link(path, store.put("a", io.BytesIO(b"")))


def test_links_share_the_store_s_bytes_and_pages_are_readable(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    tree = FileTree(tmp_path / "tree", store.path)
    artifact = store.put("a", io.BytesIO(b"one"))
    tree.link("f/a", artifact)
    tree.write("f/b", b"page")
    assert (tmp_path / "tree/f/a").samefile(store.path(artifact.sha256))
    assert (tmp_path / "tree/f/b").stat().st_mode & 0o777 == 0o644


def test_across_devices_the_bytes_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path / "store")
    tree = FileTree(tmp_path / "tree", store.path)
    one, two = store.put("a", io.BytesIO(b"one")), store.put("a", io.BytesIO(b"two"))
    link = os.link

    def other_device(source: Path, target: Path) -> None:
        if Path(source).is_relative_to(tmp_path / "store"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(source, target)

    monkeypatch.setattr(os, "link", other_device)
    assert tree.link("f/a", one)
    assert tree.link("f/a", one)
    assert not tree.link("f/a", two)
    assert tree.read("f/a") == b"one"
    assert not list((tmp_path / "tree/.tmp").iterdir())


KILLED = """
import io, os, signal, sys
from pathlib import Path
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree

def crash(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

store = LocalStore(Path(sys.argv[1]) / "store")
tree = FileTree(Path(sys.argv[1]) / "tree", store.path, crash)
tree.link("linked", store.put("a", io.BytesIO(b"linked")))
tree.write("written", b"new")
"""


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
@pytest.mark.parametrize("point", ["tree.write:written", "tree.link:linked"])
def test_a_kill_leaves_the_old_or_the_new(point: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    tree = FileTree(tmp_path / "tree", store.path)
    tree.write("written", b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, point], check=False)
    assert done.returncode == -signal.SIGKILL
    assert tree.read("written") == b"old"
    assert tree.read("linked") == b"linked"
    assert tree.link("linked", store.put("a", io.BytesIO(b"linked")))
    tree.sweep()
    assert not list((tmp_path / "tree/.tmp").iterdir())
