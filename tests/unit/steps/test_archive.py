from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.errors import Unavailable
from buildfarm.model.session import OLDEST_EPOCH
from buildfarm.steps.archive import entries
from buildfarm.steps.entry import Bounds, Entry

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", data: bytes = b"", mode: int = 0o644) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode, info.mtime = kind, link, len(data), mode, 1_000_000_000
    return info, data


def tar(*members: Member, compression: str = "gz") -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    packed.seek(0)
    return packed


def zipped(members: Iterable[tuple[str, bytes, int]]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name, (2001, 9, 9, 1, 46, 40))
            info.external_attr = mode << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    packed.seek(0)
    return packed


def refusal(name: str, content: io.BytesIO, bounds: Bounds | None = None) -> str:
    with pytest.raises(Unavailable) as caught:
        list(entries(name, content, bounds) if bounds else entries(name, content))
    assert caught.value.reason.code == "archive"
    return caught.value.reason.message


@pytest.mark.parametrize(("suffix", "compression"), [("gz", "gz"), ("bz2", "bz2"), ("xz", "xz")])
def test_a_single_top_folder_is_stripped(suffix: str, compression: str) -> None:
    content = tar(
        member("./pkg-1.0/", tarfile.DIRTYPE),
        member("./pkg-1.0/setup.py", data=b"one"),
        member("pkg-1.0/run.sh", data=b"two", mode=0o4777),
        member("pkg-1.0/link", tarfile.SYMTYPE, "docs/../run.sh"),
        member("pkg-1.0/again", tarfile.LNKTYPE, "pkg-1.0/setup.py"),
        compression=compression,
    )
    found = list(entries(f"pkg-1.0.tar.{suffix}", content))
    assert found == [
        Entry(path="setup.py", kind="file", size=3, mtime=1_000_000_000),
        Entry(path="run.sh", kind="file", size=3, executable=True, mtime=1_000_000_000),
        Entry(path="link", kind="link", target="run.sh", mtime=1_000_000_000),
        Entry(path="again", kind="file", size=3, mtime=1_000_000_000),
    ]
    assert [entry.open().read() for entry in reversed(found)] == [b"one", b"", b"two", b"one"]


def test_a_zip_reads_like_a_tar() -> None:
    content = zipped([("p/a.py", b"one", 0o100755), ("p/sub/", b"", 0o40755), ("p/sub/l", b"../a.py", 0o120777)])
    found = list(entries("p.zip", content))
    assert found == [
        Entry(path="a.py", kind="file", size=3, executable=True, mtime=1_000_000_000),
        Entry(path="sub", kind="folder", mtime=1_000_000_000),
        Entry(path="sub/l", kind="link", target="../a.py", mtime=1_000_000_000),
    ]
    assert found[0].open().read() == b"one"


@pytest.mark.parametrize("names", [("a/x", "b/y"), ("a/x", "y"), ("x",)])
def test_without_a_single_top_folder_nothing_is_stripped(names: tuple[str, ...]) -> None:
    assert tuple(entry.path for entry in entries("a.tar.gz", tar(*map(member, names)))) == names


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([member("/etc/passwd")], "not relative"),
        ([member("p/../../x")], "leads out"),
        ([member("p\\..\\x")], "not relative"),
        ([member("C:x")], "not relative"),
        ([member("p/a\nb")], "control character"),
        ([member("p/l", tarfile.SYMTYPE, "../../x")], "leads out"),
        ([member("p/l", tarfile.SYMTYPE, "../other"), member("p/x")], "leads out"),
        ([member("p/l", tarfile.SYMTYPE, "/etc")], "leads out"),
        ([member("p/l", tarfile.SYMTYPE, ".."), member("p/l/x")], "twice"),
        ([member("p/l", tarfile.LNKTYPE, "/etc/passwd")], "not relative"),
        ([member("p/l", tarfile.LNKTYPE, "p/later"), member("p/later")], "no file before"),
        ([member("p/d", tarfile.CHRTYPE)], "device"),
        ([member("p/d", tarfile.FIFOTYPE)], "device"),
        ([member("p/a"), member("p/a")], "twice"),
        ([member("p/README"), member("p/readme")], "one name"),
        ([member("p/é"), member("p/e\u0301")], "one name"),
        ([member("p/Lib/a"), member("p/lib/b")], "one name"),
        ([member("p/a"), member("p/a/b")], "twice"),
    ],
)
def test_what_is_not_safe_is_refused(members: list[Member], says: str) -> None:
    assert says in refusal("p.tar.gz", tar(*members))


def test_a_link_out_of_a_zip_is_refused() -> None:
    assert "leads out" in refusal("p.zip", zipped([("p/l", b"../../etc", 0o120777)]))


def test_sizes_are_bounded() -> None:
    zeros = tar(member("p/zeros", data=bytes(1_000_000)))
    assert "more than 1000 bytes" in refusal("p.tar.gz", zeros, Bounds(total=1000))
    assert "more than" in refusal("p.tar.gz", zeros, Bounds(small=1000))
    assert "more than 1 entries" in refusal("p.tar.gz", tar(member("a"), member("b")), Bounds(entries=1))
    assert "more than" in refusal("p.zip", zipped([("p/zeros", bytes(1_000_000), 0)]), Bounds(small=1000))
    assert len(list(entries("p.tar.gz", zeros))) == 1


def test_a_header_does_not_fill_the_memory() -> None:
    assert "headers" in refusal("p.tar.gz", tar(member("p/" + "x" * 100_000)))


@pytest.mark.parametrize("cut", [10, 60, 5])
def test_a_cut_archive_is_damaged(cut: int) -> None:
    whole = tar(member("p/a", data=os.urandom(300))).getvalue()
    assert "damaged" in refusal("p.tar.gz", io.BytesIO(whole[:-cut]))


def test_what_is_no_archive_is_said() -> None:
    assert "damaged" in refusal("p.tar.gz", io.BytesIO(b"<html>"))
    assert "damaged" in refusal("p.zip", io.BytesIO(b""))
    assert "no archive that is known" in refusal("p.rpm", io.BytesIO(b""))


def test_strange_times_are_mended() -> None:
    info, _ = member("p/a")
    info.mtime = 10**15
    assert next(entries("p.tar.gz", tar((info, b"")))).mtime < 2**33
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("p/a", (1980, 0, 0, 0, 0, 0)), b"")
    assert next(entries("p.zip", packed)).mtime == OLDEST_EPOCH


parts = st.sampled_from(["a", "b", "B", "..", ".", "", "l", "é", "C:", "\\"])
paths = st.builds(
    "".join, st.tuples(st.sampled_from(["", "", "/", "t/"]), st.lists(parts, min_size=1, max_size=4).map("/".join))
)
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(member, paths, kinds, paths), max_size=5))
def test_no_archive_reaches_a_path_outside(members: list[Member]) -> None:
    try:
        found = list(entries("p.tar.gz", tar(*members)))
    except Unavailable:
        return
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "root"
        for entry in found:  # written the naive way: what came through must not need care
            at = root / entry.path
            at.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == "folder":
                at.mkdir(exist_ok=True)
            elif entry.kind == "link":
                at.symlink_to(entry.target)
            else:
                at.write_bytes(entry.open().read())
        for entry in found:
            at = root / entry.path
            assert Path(os.path.realpath(at)).is_relative_to(root)
