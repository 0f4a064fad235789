from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from buildfarm.adapters.host.folder import Folder
from buildfarm.model.errors import FarmError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "folder"
    path.mkdir()
    return Folder(path)


def write(folder: Folder, *parts: str, content: bytes = b"") -> None:
    folder.write(parts, io.BytesIO(content), mtime=1_000_000_000)


def names(folder: Folder, *pattern: str) -> list[str]:
    return [name for name, _ in folder.matching(pattern)]


def test_a_file_is_made_anew_so_that_a_hard_link_is_not_written_through(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (folder.path / "x").hardlink_to(outside)
    write(folder, "x", content=b"ours")
    assert outside.read_text() == "theirs"
    assert (folder.path / "x").read_bytes() == b"ours"
    assert (folder.path / "x").stat().st_mtime == 1_000_000_000


def test_folders_are_made_above(folder: Folder) -> None:
    write(folder, "a", "b", "c")
    folder.link(("a", "d", "e"), "../b/c")
    assert (folder.path / "a/d/e").resolve() == (folder.path / "a/b/c").resolve()


def test_what_is_in_the_way_is_refused(folder: Folder) -> None:
    write(folder, "file")
    folder.make(("folder",))
    with pytest.raises(FarmError, match="file is a link or no folder"):
        write(folder, "file", "x")
    with pytest.raises(FarmError, match=r"cannot write .*folder"):
        write(folder, "folder")


@pytest.mark.parametrize("last", ["", "x"])
def test_a_link_is_no_way_out(folder: Folder, tmp_path: Path, last: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.make(("a",))
    (folder.path / "a" / "out").symlink_to(outside)
    with pytest.raises(FarmError, match="out is a link"):
        folder.make(tuple(filter(None, ("a", "out", last))))
    with pytest.raises(FarmError, match="out is a link"):
        write(folder, "a", "out", "x")
    assert list(outside.iterdir()) == []
    (outside / "secret").touch()
    assert names(folder, "a", "*", "*") == []


def test_matching_takes_regular_files_only(folder: Folder) -> None:
    for parts in (("b", "y"), ("a", "z"), ("a", "x"), ("a", ".x"), ("c",)):
        write(folder, *parts)
    os.mkfifo(folder.path / "a" / "fifo")
    (folder.path / "a" / "link").symlink_to("x")
    folder.make(("a", "folder"))
    assert names(folder, "*", "*") == ["x", "z", "y"]
    assert names(folder, "*") == ["c"]
    assert names(folder, "a", ".*") == [".x"]
    assert names(folder, "nothing", "*") == []


def test_removal_goes_anywhere_and_follows_nothing(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    outside.chmod(0o755)
    folder.make(("a", "b"))
    (folder.path / "a" / "b" / "out").symlink_to(outside)
    (folder.path / "a" / "b").chmod(0)
    (folder.path / "a").chmod(0o500)
    folder.remove()
    folder.remove()
    assert not folder.path.exists()
    assert (outside / "precious").exists()
    assert outside.stat().st_mode & 0o777 == 0o755
