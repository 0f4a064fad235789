"""Archives that somebody made to do harm: each is refused with the entry and what is wrong with it."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterable

import pytest

from buildfarm.model.errors import Unavailable
from buildfarm.steps.archive import entries
from buildfarm.steps.entry import BOUNDS, Bounds


def refusal(name: str, content: bytes, bounds: Bounds = BOUNDS) -> str:
    with pytest.raises(Unavailable) as caught:
        list(entries(name, io.BytesIO(content), bounds))
    assert caught.value.reason.code == "archive"
    return caught.value.reason.message


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(kind: bytes, records: bytes) -> bytes:
    return header("pax", kind, len(records)) + records.ljust(-(-len(records) // 512) * 512, b"\0")


def tgz(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks) + bytes(1024), mtime=0)


def zipped(names: Iterable[str | zipfile.ZipInfo], method: int = zipfile.ZIP_STORED) -> bytearray:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in names:
            archive.writestr(name, b"content")
    return bytearray(packed.getvalue())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("p/aux.c", "Windows"),
        ("p/COM1/x", "Windows"),
        ("p/dot.", "Windows"),
        ("p/space /x", "Windows"),
        ("p/" + "x" * 256, "more than 255 bytes"),
        ("p" + "/d" * 64, "too deep"),
        ("p/\x9b31m", "control character"),
        ("p/\u202etxt.exe", "control character"),
        ("p/a\u2028tests: []", "control character"),
        ("c:/windows", "not relative and portable"),
        ("\\\\server\\share", "not relative and portable"),
    ],
)
def test_a_name_that_means_harm_is_refused(name: str, says: str) -> None:
    info = tarfile.TarInfo(name)
    in_tar = refusal("p.tar.gz", tgz(info.tobuf(tarfile.PAX_FORMAT, "utf-8")))
    in_zip = refusal("p.zip", bytes(zipped([name])))
    assert says in in_tar
    assert says in in_zip
    assert repr(name[:200]) in in_tar


def test_depth_beyond_all_measure_is_refused() -> None:
    info = tarfile.TarInfo("d/" * 100_000 + "x")
    assert "headers" in refusal("p.tar.gz", tgz(info.tobuf(tarfile.PAX_FORMAT)))


def test_a_name_with_nul_is_not_cut_there() -> None:
    content = zipped(["p/a.py_.sh"])
    assert "control character" in refusal("p.zip", bytes(content.replace(b"a.py_", b"a.py\0")))


def test_a_set_user_id_bit_is_left_out() -> None:
    info = tarfile.TarInfo("p/x")
    info.mode = 0o6755
    (found,) = entries("p.tar.gz", io.BytesIO(tgz(info.tobuf())))
    assert found.executable
    assert not hasattr(found, "mode")


def test_a_sparse_file_is_refused() -> None:
    records = b"22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n25 GNU.sparse.size=99999\n22 GNU.sparse.map=0,1\n"
    content = tgz(pax(tarfile.XHDTYPE, records), header("p/s", size=1), b"x".ljust(512, b"\0"))
    assert "sparse file 'p/s'" in refusal("p.tar.gz", content)


def test_a_hard_link_to_a_link_is_refused() -> None:
    link, hard = tarfile.TarInfo("p/l"), tarfile.TarInfo("p/h")
    link.type, link.linkname = tarfile.SYMTYPE, "x"
    hard.type, hard.linkname = tarfile.LNKTYPE, "p/l"
    assert "'p/h' to 'p/l', which is no file" in refusal("p.tar.gz", tgz(link.tobuf(), hard.tobuf()))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_100_megabytes_is_refused(kind: bytes) -> None:
    packed = gzip.compress(header("pax", kind, 100 << 20) + b"9 a=bcde\n" * 1000, mtime=0)
    assert "headers" in refusal("p.tar.gz", packed)


def test_many_global_headers_are_refused() -> None:
    records = b"".join(b"%d k%04d=\n" % (9, number) for number in range(1000))
    assert "global headers" in refusal("p.tar.gz", tgz(pax(tarfile.XGLTYPE, records), header("p/x")))


def test_a_header_with_a_wrong_checksum_does_not_end_the_archive_quietly() -> None:
    broken = bytearray(header("p/evil"))
    broken[0] ^= 1
    assert "what follows 'p/a' is no header" in refusal("p.tar.gz", tgz(header("p/a"), bytes(broken), header("p/c")))


def test_gzip_with_garbage_behind_it_is_refused_and_in_parts_is_read() -> None:
    whole = header("p/a") + header("p/b") + bytes(1024)
    assert "damaged" in refusal("p.tar.gz", gzip.compress(whole) + b"garbage")
    parts = gzip.compress(whole[:700]) + gzip.compress(whole[700:])
    assert [each.path for each in entries("p.tar.gz", io.BytesIO(parts))] == ["a", "b"]


def test_folders_that_no_entry_names_are_counted() -> None:
    deep = "/".join("abcdefghijklmnopqrstuvwxyz" * 2)
    blocks = [tarfile.TarInfo(f"p/{number}/{deep}").tobuf(tarfile.GNU_FORMAT) for number in range(20)]
    assert "1000 entries and folders" in refusal("p.tar.gz", tgz(*blocks), Bounds(entries=1000))


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_a_bomb_is_refused_within_little_memory(suffix: str) -> None:
    packer = zlib.compressobj(9, wbits=31) if suffix == "gz" else bz2.BZ2Compressor()
    zeros = bytes(1 << 20)
    packed = packer.compress(header("p/zeros", size=10 << 30))
    packed += b"".join(packer.compress(zeros) for _ in range(4)) + packer.flush()
    tracemalloc.start()
    try:
        assert "'p/zeros' is too much" in refusal(f"p.tar.{suffix}", packed)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_entry_that_cannot_be_held_to_a_size_is_refused(method: int) -> None:
    assert "'p/x', which is compressed in another way" in refusal("p.zip", bytes(zipped(["p/x"], method)))


def test_a_zip_whose_headers_disagree_is_refused() -> None:
    content = zipped(["p/a", "p/b"])
    struct.pack_into("<L", content, 22, 1)  # the size in the first local header
    assert "'p/a', of which two headers say different things" in refusal("p.zip", bytes(content))
    renamed = zipped(["p/a"])
    renamed[renamed.index(b"p/a") + 2] = ord("e")
    assert "damaged" in refusal("p.zip", bytes(renamed))


def test_zip_entries_that_overlap_are_refused() -> None:
    content = zipped(["p/a", "p/b"])
    second = content.rindex(b"PK\1\2")
    struct.pack_into("<L", content, second + 42, 0)  # where the directory says that the second begins
    assert "'p/b', which overlaps" in refusal("p.zip", bytes(content))


def test_a_zip_of_a_million_entries_is_refused_by_its_end() -> None:
    content = zipped(["p/a"])
    struct.pack_into("<L", content, content.rindex(b"PK\5\6") + 12, 80 << 20)
    assert "more than 200000 entries" in refusal("p.zip", bytes(content))
    end = content.rindex(b"PK\5\6")
    assert "ZIP64" in refusal("p.zip", bytes(content[:end] + b"PK\6\7" + bytes(16) + content[end:]))
    struct.pack_into("<H", content, end + 10, 0xFFFF)
    assert "ZIP64" in refusal("p.zip", bytes(content))


def test_an_apple_double_beside_the_project_is_left_out() -> None:
    blocks = (header("._p-1.0"), header("p-1.0/setup.py"), header("p-1.0/x.py"))
    assert [each.path for each in entries("p.tar.gz", io.BytesIO(tgz(*blocks)))] == ["setup.py", "x.py"]
