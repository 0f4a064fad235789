from __future__ import annotations

import hashlib
import io
import struct
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from buildfarm.verify import wheelfile
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.binary import Format
from buildfarm.verify.distinfo import read_entry_points, read_fields, read_metadata, read_record
from buildfarm.verify.wheelfile import content_digest, read_wheel

Build = Callable[..., bytes]

NAME = "farm-1.0-py3-none-any.whl"
NATIVE = "farm-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"


def archive(*members: tuple[zipfile.ZipInfo | str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> IO[bytes]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there already
        for name, body in members:
            file.writestr(name, body)
    return io.BytesIO(content.getvalue())


def test_a_wheel_is_read(wheel: Build, elf: Build) -> None:
    module = elf(defined=["PyInit_field"], needed=["libc.so.6"])
    files = {
        "farm/__init__.py": b"# made in /build/session",
        "farm/field.so": module,
        "farm/libsoil.so": elf(soname="libsoil.so"),
        "farm-1.0.dist-info/licenses/LICENSE": b"MIT",
    }
    metadata = "Requires-Python: >=3.11\nRequires-Dist: barn>=1\nLicense-File: LICENSE\n"
    content = wheel(NATIVE, files, metadata=metadata)
    found = read_wheel(NATIVE, io.BytesIO(content), root="/build/session")
    assert (found.project, found.version, found.build) == ("farm", Version("1.0"), ())
    assert found.platforms == ("manylinux_2_17_x86_64",)
    assert found.metadata.requires_python == ">=3.11"
    assert found.metadata.requires_dist == ("barn>=1",)
    assert found.metadata.license_files == ("LICENSE",)
    assert found.metadata.raw == zipfile.ZipFile(io.BytesIO(content)).read("farm-1.0.dist-info/METADATA")
    assert (found.fields.purelib, found.fields.tags) == (False, ("cp311-cp311-manylinux_2_17_x86_64",))
    assert {row.path for row in found.record} == {member.path for member in found.members}
    assert {member.path: member.sha256 for member in found.members}["farm/field.so"] == hashlib.sha256(
        module
    ).hexdigest()
    assert [(binary.path, binary.extension) for binary in found.binaries] == [
        ("farm/field.so", True),
        ("farm/libsoil.so", False),
    ]
    assert found.licences == ("farm-1.0.dist-info/licenses/LICENSE",)
    assert found.traces == ("farm/__init__.py",)


def test_content_is_equal_for_wheels_that_differ_in_the_build_tag_alone(wheel: Build) -> None:
    def digest(name: str, body: bytes) -> str:
        return content_digest(read_wheel(name, io.BytesIO(wheel(name, {"farm.py": body}))))

    tagged = "farm-1.0-7-py3-none-any.whl"
    assert digest(NAME, b"a") == digest(tagged, b"a") != digest(NAME, b"b")


PE = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(18)


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("a.pyd", PE + struct.pack("<H", 0x2022), (Format.PE, False, True)),
        ("a.exe", PE + struct.pack("<H", 0x0022), (Format.PE, True, False)),
        ("a.so", b"\xcf\xfa\xed\xfe" + bytes(28), (Format.MACH_O, False, True)),
        ("a.dylib", b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(28), (Format.MACH_O, False, False)),
        ("a.so", b"\x7fELF broken", (Format.ELF, False, True)),
    ],
)
def test_compiled_code_is_recognised(wheel: Build, path: str, content: bytes, kind: tuple[Format, bool, bool]) -> None:
    (binary,) = read_wheel(NAME, io.BytesIO(wheel(NAME, {path: content}))).binaries
    assert (binary.format, binary.program, binary.extension) == kind


@pytest.mark.parametrize("content", [b"MZ", b"MZ" + bytes(100), b"\xca\xfe\xba\xbe\0\0\0\x34java", b"import os"])
def test_other_files_are_no_compiled_code(wheel: Build, content: bytes) -> None:
    assert read_wheel(NAME, io.BytesIO(wheel(NAME, {"farm/data": content}))).binaries == ()


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("farm/link")
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (io.BytesIO(b"no zip"), "it is no sound zip file: File is not a zip file"),
        (archive(), "it has 0 dist-info folders at its top, not one: none"),
        (archive(("/etc/passwd", b"")), "it has a member '/etc/passwd', which is no plain relative path"),
        (archive(("farm/../../x", b"")), "it has a member 'farm/../../x', which is no plain relative path"),
        (archive(("farm\\x", b"")), r"it has a member 'farm\\\\x', which is no plain relative path"),
        (archive(("C:/x", b"")), "it has a member 'C:/x', which is no plain relative path"),
        (io.BytesIO(archive(("?", b"")).read().replace(b"?", b"\0")), "it has a member '', which is no plain relative"),
        (archive(("a\nb", b"")), r"it has a member 'a\\nb', which is no plain relative path"),
        (archive(("farm/x", b"1"), ("farm/x", b"2")), "it has the member 'farm/x' twice"),
        (archive((link(), b"x")), "its member 'farm/link' is a link or a special file"),
        (archive(("farm/x", b"x"), compression=zipfile.ZIP_LZMA), "its member 'farm/x' is neither stored nor deflated"),
        (archive(("a-1.dist-info/WHEEL", b""), ("b-1.dist-info/WHEEL", b"")), "it has 2 dist-info folders"),
        (archive(("farm-1.0.dist-info/WHEEL", b"")), "it has no farm-1.0.dist-info/METADATA"),
    ],
)
def test_what_cannot_be_installed_is_not_a_wheel(content: IO[bytes], sentence: str) -> None:
    with pytest.raises(NotAWheel, match=sentence):
        read_wheel(NAME, content)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"METADATA": "Metadata-Version: 2.4\nName: farm\n"}, "its METADATA lacks Name or Version"),
        ({"METADATA": "Name: farm\nName: barn\nVersion: 1.0\n"}, "its METADATA lacks Name or Version, or has it twice"),
        ({"WHEEL": "Wheel-Version: 2.0\n"}, "its WHEEL says Wheel-Version '2.0', and installers know 1.x"),
        ({"RECORD": "farm.py,sha256=x\n"}, "its RECORD has a row that is not path, hash and size"),
        ({"without": ["RECORD"]}, "it has no farm-1.0.dist-info/RECORD"),
    ],
)
def test_what_an_installer_cannot_read_is_not_a_wheel(wheel: Build, texts: dict[str, str], sentence: str) -> None:
    with pytest.raises(NotAWheel, match=sentence):
        read_wheel(NAME, io.BytesIO(wheel(NAME, **texts)))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("farm-1.0.whl", "its name is no wheel's name"),
        (f"farm-{'9' * 5000}-py3-none-any.whl", "its name is longer than 255 bytes"),
    ],
)
def test_a_name_that_is_no_wheels_name_is_refused(wheel: Build, name: str, sentence: str) -> None:
    with pytest.raises(NotAWheel, match=sentence):
        read_wheel(name, io.BytesIO(wheel(NAME)))


def test_a_bomb_is_refused_before_it_is_unpacked(wheel: Build) -> None:
    content = wheel(NAME, {"farm/zeros": bytes(1_000_000)})
    with pytest.raises(NotAWheel, match=r"it unpacks to 1,000,\d+ bytes, more than 999,999"):
        read_wheel(NAME, io.BytesIO(content), limit=999_999)


def test_a_directory_that_is_too_large_is_refused_before_it_is_read() -> None:
    size = 256 * 200_000 + 1
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    with pytest.raises(NotAWheel, match="its directory has 51,200,001 bytes, more than 51,200,000"):
        read_wheel(NAME, io.BytesIO(bytes(size) + end))


def test_a_bomb_that_lies_about_its_size_is_no_sound_zip(wheel: Build) -> None:
    content = wheel(NAME, {"farm/zeros": bytes(1_000_000)})
    lying = content.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10))
    assert lying != content
    with pytest.raises(NotAWheel, match="it is no sound zip file: Bad CRC-32"):
        read_wheel(NAME, io.BytesIO(lying), limit=10_000)


@pytest.mark.parametrize(
    ("name", "limit"), [("METADATA", 1 << 20), ("WHEEL", 1 << 20), ("RECORD", 16 << 20), ("entry_points.txt", 1 << 20)]
)
def test_a_text_that_is_too_long_is_refused(name: str, limit: int) -> None:
    content = archive((f"farm-1.0.dist-info/{name}", b"a\n" * (limit // 2) + b"\n"))
    with pytest.raises(NotAWheel, match=f"its {name} has {limit + 1:,} bytes, more than {limit:,}"):
        read_wheel(NAME, content)


def test_an_elf_file_that_is_too_large_is_refused(wheel: Build, elf: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    module = elf()
    monkeypatch.setattr(wheelfile, "_LARGEST_ELF", len(module) - 1)
    with pytest.raises(NotAWheel, match=rf"its ELF file farm/field\.so has {len(module):,} bytes, more than"):
        read_wheel(NATIVE, io.BytesIO(wheel(NATIVE, {"farm/field.so": module})))


def test_members_are_read_in_pieces(wheel: Build) -> None:
    size = 24 << 20
    large = b"\0" * (size - 20) + b"/build/session" + bytes(6)
    content = io.BytesIO(wheel(NAME, {"farm/large.bin": large}))
    tracemalloc.start()
    try:
        found = read_wheel(NAME, content, root="/build/session")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size // 2
    assert found.members[0].sha256 == hashlib.sha256(large).hexdigest()
    assert found.traces == ("farm/large.bin",)


def test_a_trace_is_found_where_two_pieces_meet(wheel: Build) -> None:
    for before in range((1 << 20) - 14, (1 << 20) + 1, 7):
        content = wheel(NAME, {"farm/large.bin": bytes(before) + b"/build/session"})
        assert read_wheel(NAME, io.BytesIO(content), root="/build/session").traces == ("farm/large.bin",)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("".join(f"X-{number}: 1\n" for number in range(80_000)), "its METADATA has 80,003 fields, more than anybody"),
        ("Content-Type: message/rfc822\n\n" * 30_000, "its METADATA says that it is a mail of several parts"),
        ("Content-Type: multipart/x; " + ";a=b" * 200_000 + "\n", "its METADATA says that it is a mail of several"),
        (f"Requires-Python: {'>1,' * 300_000}>1\n", "Requires-Python in its METADATA is longer than 1,000 characters"),
    ],
)
def test_metadata_that_would_take_minutes_is_refused_at_once(wheel: Build, more: str, sentence: str) -> None:
    content = io.BytesIO(wheel(NAME, METADATA=f"Metadata-Version: 2.4\nName: farm\nVersion: 1.0\n{more}"))
    began = time.process_time()
    with pytest.raises(NotAWheel, match=sentence):
        read_wheel(NAME, content)
    assert time.process_time() - began < 3


def test_a_record_of_more_rows_than_a_wheel_has_files_is_refused(wheel: Build) -> None:
    with pytest.raises(NotAWheel, match="its RECORD has more than 200,000 rows"):
        read_wheel(NAME, io.BytesIO(wheel(NAME, RECORD="a,,\n" * 200_001)))


def test_an_error_of_the_disk_is_not_blamed_on_the_wheel(wheel: Build) -> None:
    class Disk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() < 100:  # zipfile takes an error at the end of the file for a file that is no zip
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        read_wheel(NAME, Disk(wheel(NAME)))


@settings(max_examples=200)
@given(st.data())
def test_any_bytes_are_a_wheel_or_not(wheel: Build, elf: Build, data: st.DataObject) -> None:
    content = bytearray(wheel(NATIVE, {"farm/field.so": elf(defined=["PyInit_field"]), "farm/__init__.py": b""}))
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        content[place] = byte
    end = data.draw(st.one_of(st.just(len(content)), places))
    try:
        found = read_wheel(NATIVE, io.BytesIO(bytes(content[:end])))
    except NotAWheel:
        return
    assert found.project == "farm"


LINES = """Name: farm
Version: 1.0
Wheel-Version: 1.0
Project-URL: a
Content-Type: multipart/mixed; boundary=x
--x
--x--
Content-Transfer-Encoding: base64
Content-Transfer-Encoding: x-uuencode
begin 666 a
end
"
 folded
Summary: =?utf-8?q?=FF?=
[a]
a,sha256=b,1

""".splitlines()


@given(st.binary(max_size=200) | st.lists(st.sampled_from(LINES) | st.text(max_size=9)).map("\n".join).map(str.encode))
def test_any_text_is_read_or_refused(raw: bytes) -> None:
    for read in (read_metadata, read_fields, read_record, lambda text: list(read_entry_points(text))):
        with suppress(NotAWheel):
            read(raw)
