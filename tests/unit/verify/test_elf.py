from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.verify.elf import Elf, ElfKind, NotAnElf, read_elf

Build = Callable[..., bytes]


def test_all_that_is_written_is_read(elf: Build) -> None:
    content = elf(
        needed=["libc.so.6", "libz.so.1"],
        versions={"libc.so.6": ["GLIBC_2.17", "GLIBC_2.2.5"], "libm.so.6": ["GLIBC_2.29"]},
        soname="libfarm.so.1",
        rpath="$ORIGIN/../farm.libs:/opt/lib",
        runpath="$ORIGIN",
        undefined=["PyLong_FromLong", "_Py_Dealloc", "malloc"],
        defined=["PyInit_field", "initbarn", "Py_Own", "other"],
        executable_stack=True,
        text_relocations=True,
        writable_code=True,
        weak=["PyUnstable_Try"],
    )
    assert read_elf(content) == Elf(
        kind=ElfKind.SHARED,
        machine="x86_64",
        bits=64,
        byte_order="little",
        needed=("libc.so.6", "libz.so.1"),
        soname="libfarm.so.1",
        rpath=("$ORIGIN/../farm.libs", "/opt/lib"),
        runpath=("$ORIGIN",),
        versions=(("libc.so.6", "GLIBC_2.17"), ("libc.so.6", "GLIBC_2.2.5"), ("libm.so.6", "GLIBC_2.29")),
        executable_stack=True,
        text_relocations=True,
        writable_code=True,
        wants=("PyLong_FromLong", "_Py_Dealloc"),
        gives=("PyInit_field", "Py_Own"),
        modules=("barn", "field"),
    )


def extension_modules() -> list[Path]:
    folders = {sysconfig.get_path("platlib"), sysconfig.get_path("platstdlib")}
    found = (path for folder in sorted(folders) for path in sorted(Path(folder).rglob("*.so")))
    return [path for path in found if path.stat().st_size < 2_000_000][:20]


@pytest.mark.skipif(sys.platform != "linux", reason="extension modules are no ELF files here")
@pytest.mark.parametrize("path", extension_modules(), ids=lambda path: path.name)
def test_a_second_reader_finds_the_same(path: Path) -> None:
    found = read_elf(path.read_bytes())
    assert found is not None
    with path.open("rb") as stream:
        file = ELFFile(stream)
        dynamic: Any = next(segment for segment in file.iter_segments() if isinstance(segment, DynamicSegment))
        section: Any = file.get_section_by_name(".gnu.version_r")
        symbols: Any = file.get_section_by_name(".dynsym")
        undefined = {symbol.name for symbol in symbols.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}
        weak = {symbol.name for symbol in symbols.iter_symbols() if symbol["st_info"]["bind"] == "STB_WEAK"}
        defined = {symbol.name for symbol in symbols.iter_symbols()} - undefined
        assert found.needed == tuple(tag.needed for tag in dynamic.iter_tags("DT_NEEDED"))
        assert found.soname == "".join(tag.soname for tag in dynamic.iter_tags("DT_SONAME"))
        assert found.rpath == tuple(part for tag in dynamic.iter_tags("DT_RPATH") for part in tag.rpath.split(":"))
        assert set(found.versions) == {
            (library.name, version.name)
            for library, versions in (section.iter_versions() if section else ())
            for version in versions
        }
        assert set(found.wants) == {name for name in undefined - weak if name.startswith(("Py", "_Py"))}
        assert set(found.gives) == {name for name in defined if name.startswith(("Py", "_Py"))}
        assert found.text_relocations == any(dynamic.iter_tags("DT_TEXTREL"))
        loads = [segment["p_flags"] & 3 for segment in file.iter_segments() if segment["p_type"] == "PT_LOAD"]
        assert found.writable_code == (3 in loads)
        assert {f"PyInit_{name}" for name in found.modules} >= {name for name in defined if name.startswith("PyInit_")}


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"#!/bin/sh\n", b"\x7fEL"])
def test_other_files_are_none(content: bytes) -> None:
    assert read_elf(content) is None


@pytest.mark.parametrize(
    ("machine", "name"),
    [(183, "aarch64"), (243, "riscv64"), (8, "machine 8, 64 bits, little-endian")],
)
def test_machines_are_named_as_in_platform_tags(elf: Build, machine: int, name: str) -> None:
    found = read_elf(elf(machine=machine))
    assert found is not None
    assert found.machine == name


@settings(max_examples=200)
@given(st.data())
def test_hostile_bytes_are_a_finding_and_nothing_else(elf: Build, data: st.DataObject) -> None:
    content = bytearray(
        elf(
            needed=["libc.so.6"],
            versions={"libc.so.6": ["GLIBC_2.17"]},
            undefined=["PyLong_FromLong"],
            defined=["PyInit_field"],
        )
    )
    places = st.integers(4, len(content) - 9)
    edits = st.binary(min_size=1, max_size=1) | st.binary(min_size=8, max_size=8)
    for place, edit in data.draw(st.lists(st.tuples(places, edits), max_size=6)):
        content[place : place + len(edit)] = edit
    end = data.draw(st.one_of(st.just(len(content)), st.integers(4, len(content))))
    with suppress(NotAnElf):
        read_elf(bytes(content[:end]))


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"needed": ["A" * 5000]}, "a name in it has no end"),
        ({"versions": {"libc.so.6": ["V"] * 10_001}}, "it has more than 10,000 symbol versions"),
        ({"versions": {f"lib{number}.so": [] for number in range(10_001)}}, "more than 10,000 libraries with symbol"),
        ({"undefined": [f"Py{number}" for number in range(10_001)]}, "it has more than 10,000 symbols of Python's API"),
        ({"needed": ["a"] * 10_001}, "its dynamic table has no end"),
    ],
)
def test_what_no_real_file_has_is_not_read_to_its_end(elf: Build, asked: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(NotAnElf, match=problem):
        read_elf(elf(**asked))


@pytest.mark.host
@pytest.mark.slow
def test_what_a_compiler_makes_for_a_machine_of_32_bits(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    warm = pytestconfig.cache.mkdir("zig")  # the C library of such a machine takes more than a minute, once
    source = tmp_path / "field.c"
    source.write_text(
        "#include <stdlib.h>\nextern void *PyModule_Create2(void *, int);\n"
        "void *PyInit_field(void) { return PyModule_Create2(malloc(1), 1013); }\n"
    )
    subprocess.run(
        [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            "x86-linux-gnu.2.17",
            "-shared",
            "-o",
            "field.so",
            "-Wl,-rpath,/opt",
            "field.c",
        ],
        cwd=tmp_path,
        env={"ZIG_LOCAL_CACHE_DIR": str(tmp_path / "local"), "ZIG_GLOBAL_CACHE_DIR": str(warm)},
        check=True,
    )
    found = read_elf((tmp_path / "field.so").read_bytes())
    assert found is not None
    assert (found.machine, found.bits, found.kind) == ("i686", 32, ElfKind.SHARED)
    assert found.needed == ("libc.so.6",)
    assert found.rpath + found.runpath == ("/opt",)
    assert found.wants == ("PyModule_Create2",)
    assert found.modules == ("field",)
    assert {library for library, _ in found.versions} == {"libc.so.6"}
