from __future__ import annotations

import ast
import os
import py_compile
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.adapters.host import zigcc

TARGET = "x86_64-linux-gnu.2.17"
COMPILE = f"cc -target {TARGET} -fno-sanitize=undefined -D__STDC_NO_THREADS__=1"
ODD = ("-O2", "-g", "x.o", "-Wl,-z", "-Xlinker", "-z", "-I", "-o", "-Wl,", "-Wl,-Map", "-L/x")
LINK = f"cc -target {TARGET} -O2"


def translated(line: str, tool: str = "zig-cc", target: str = TARGET, root: str = "") -> str:
    return shlex.join(zigcc.translate(tool, shlex.split(line), target, root)[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("-O3 -fPIC -Wall -g", "-O3 -fPIC -Wall -g"),
        ("-I/usr/include", "-idirafter /usr/include"),
        ("-I /usr/include/libxml2", "-idirafter /usr/include/libxml2"),
        ("-isystem /usr/include", "-idirafter /usr/include"),
        ("-I/usr/includes -I/opt/usr/include", "-I/usr/includes -I/opt/usr/include"),
        ("-march=native", ""),
        ("-march=x86-64", "-mcpu=x86_64"),
        ("-march=x86-64-v2", "-mcpu=x86_64_v2"),
        ("-march=skylake-avx512", "-mcpu=skylake_avx512"),
        ("-march=armv8-a+crc+simd", "-mcpu=generic+crc+neon"),
        ("-march=armv8.2-a+fp16", "-mcpu=generic+v8_2a+fullfp16"),
        ("-mtune=generic -msse4.2", "-msse4.2"),
        ("-flto=auto", ""),
        ("-flto", "-flto"),
        ("-specs=/usr/share/x.specs -fmax-errors=3 -fuse-ld=gold -static-libgcc -static-libstdc++", ""),
        ("-Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=2", "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"),
        ("-Wp,-MD,x.d", "-Wp,-MD,x.d"),
        ("-D -march=native", "-D -march=native"),
        ("-include -I/usr/include", "-include -I/usr/include"),
        ("'-DNAME=\"a b\"'", "'-DNAME=\"a b\"'"),
    ],
)
def test_compiler_options(given: str, expected: str) -> None:
    assert translated(f"-c x.c {given} -o x.o") == " ".join(f"{COMPILE} -c x.c {expected} -o x.o".split())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("-Wl,-z,relro,-z,now", "-z relro -z now"),
        ("-z noexecstack", "-z noexecstack"),
        ("-Wl,-z,separate-code -Wl,-z,text", ""),
        ("-Wl,-O1,--sort-common,--as-needed -Wl,-O3", "--sort-common --as-needed"),
        ("-Wl,-gc-sections -Wl,-melf_x86_64", "--gc-sections"),
        ("-Wl,-Bsymbolic-functions -Wl,--warn-common -Wl,--icf=all -Wl,--push-state,--pop-state", ""),
        ("-Wl,-Map,x.map,-Map=y.map", ""),
        ("-Wl,-rpath-link,/x -Wl,-m,elf_x86_64 -Wl,-melf_x86_64", ""),
        ("-Wl,--undefined=f -Wl,--undefined,g", "-u f -u g"),
        ("-Wl,-h,x.so", "-soname x.so"),
        ("-Wl,-soname,x.so,--version-script=x.map", "-soname x.so --version-script=x.map"),
        ("-Wl,--version-script,x.map -Wl,--hash-style=gnu", "--version-script x.map --hash-style=gnu"),
        ("-Wl,-rpath -Wl,/x", "-rpath /x"),
        ("-Xlinker -rpath -Xlinker a,b", "-rpath a,b"),
        ("-Wl,-R/x -Wl,-R,/y", "-rpath /x -R /y"),
        ("-Wl,--gc-sections,--wrap,malloc", "--gc-sections --wrap malloc"),
    ],
)
def test_linker_options(given: str, expected: str) -> None:
    options = "".join(f" -Xlinker {word}" for word in expected.split())
    assert translated(f"-shared x.o {given} -o x.so") == f"{LINK} -shared x.o{options} -o x.so -s"


def test_files_in_a_list_for_the_linker_keep_their_place() -> None:
    given = "-shared x.o -Wl,--whole-archive,liby.a,-lz,--no-whole-archive"
    expected = "-shared x.o -Xlinker --whole-archive liby.a -lz -Xlinker --no-whole-archive"
    assert translated(given) == f"{LINK} {expected} -s"


@pytest.mark.parametrize(
    ("given", "notes"),
    [
        ("-Wl,--exclude-libs,ALL", ("-Wl,--exclude-libs,ALL",)),
        ("-Wl,--exclude-libs=ALL -Wl,--exclude-libs=ALL", ("-Wl,--exclude-libs=ALL",)),
        ("-Wl,--dynamic-list=x -Wl,--defsym,a=b", ("-Wl,--dynamic-list=x", "-Wl,--defsym,a=b")),
        ("-Wl,-z,muldefs", ("-Wl,-z,muldefs",)),
        ("-Wl,--unresolved-symbols=ignore-all", ("-Wl,--unresolved-symbols=ignore-all",)),
        ("--target=aarch64-linux-gnu", ("--target=aarch64-linux-gnu",)),
        ("-target aarch64-linux-gnu", ("-target aarch64-linux-gnu",)),
        ("-Wl,-Bsymbolic-functions", ()),
    ],
)
def test_what_changes_the_result_is_noted(given: str, notes: tuple[str, ...]) -> None:
    arguments, said = zigcc.translate("zig-cc", ["-shared", "x.o", *shlex.split(given)], TARGET)
    assert said == notes
    assert shlex.join(arguments) == f"{LINK} -shared x.o -s"


def test_a_link_of_objects_always_asks_for_the_same_runtime() -> None:
    given = "-shared x.o -g -Os -O3 -march=haswell -msse4.2 -flto -fomit-frame-pointer -m64"
    assert translated(given, "zig-c++") == f"c++ -target {TARGET} -O2 -shared x.o -m64 -s"


@pytest.mark.parametrize("source", ["x.c", "x.cpp", "x.S", "-x c -"])
def test_a_program_from_its_source_keeps_the_options_for_code(source: str) -> None:
    assert translated(f"{source} -O1 -g -o x") == f"{COMPILE} {source} -O1 -g -o x -s"


@pytest.mark.parametrize("option", ["-c", "-S", "-E", "-M", "-fsyntax-only"])
def test_nothing_is_stripped_that_is_not_linked(option: str) -> None:
    assert translated(f"{option} x.c") == f"{COMPILE} {option} x.c"


def test_an_object_made_of_objects_keeps_its_symbols() -> None:
    assert translated("-r x.o y.o -o z.o") == f"{LINK} -r x.o y.o -o z.o"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("x86_64-linux-gnu.2.27", True),
        ("x86_64-linux-gnu.2.28", False),
        ("aarch64-linux-gnu.2.5", True),
        ("x86_64-linux-musl", False),
        ("arm-linux-gnueabihf.2.17", True),
    ],
)
def test_threads_are_denied_where_glibc_has_none(target: str, expected: bool) -> None:
    assert ("-D__STDC_NO_THREADS__=1" in translated("-c x.c", target=target)) is expected


def test_debug_data_do_not_hold_the_folder_of_the_session() -> None:
    assert "-ffile-prefix-map=/some/session=/buildfarm" in translated("-c x.c", root="/some/session")


@pytest.mark.parametrize(("tool", "expected"), [("zig-ar", "ar"), ("zig-ranlib", "ranlib"), ("zig-ld", "ld.lld")])
def test_other_tools_take_their_arguments_as_they_are(tool: str, expected: str) -> None:
    assert translated("rcs -O2 lib.a", tool) == f"{expected} rcs -O2 lib.a"


def test_response_files(tmp_path: Path) -> None:
    (tmp_path / "inner").write_text("-Wl,-O1 'y y.o'")
    (tmp_path / "outer").write_text(f"x.o\n@{tmp_path}/inner -lz")
    assert translated(f"-shared @{tmp_path}/outer @absent") == f"{LINK} -shared x.o 'y y.o' -lz @absent -s"


@given(st.lists(st.sampled_from(ODD)))
def test_no_list_of_arguments_is_too_odd(arguments: list[str]) -> None:
    first, *rest = zigcc.translate("zig-cc", arguments, TARGET)[0]
    assert first == "cc"
    assert rest[:2] == ["-target", TARGET]


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """The program as it is started, with one that prints its arguments in the place of zig."""
    compiled = py_compile.compile(zigcc.__file__, str(tmp_path / "zigcc.pyc"), doraise=True)
    assert compiled
    return [sys.executable, "-IS", compiled]


def run(program: list[str], *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {"BUILDFARM_ZIG": "/bin/echo", **env}
    return subprocess.run([*program, *arguments], env=given, capture_output=True, text=True, check=False)


def test_the_program_becomes_zig(program: list[str]) -> None:
    done = run(program, "zig-cc", "-c", "x.c", BUILDFARM_ZIG_TARGET=TARGET, BUILDFARM_SESSION_ROOT="/s")
    assert done.stdout == f"{COMPILE} -ffile-prefix-map=/s=/buildfarm -c x.c\n"
    assert done.stderr == ""


def test_the_program_builds_for_its_machine_by_default(program: list[str]) -> None:
    assert f"-target {os.uname().machine}-linux-gnu.2.17 " in run(program, "zig-cc", "-c", "x.c").stdout


def test_the_program_says_what_it_leaves_out_in_no_word_that_configure_scripts_fear(program: list[str]) -> None:
    done = run(program, "zig-cc", "-shared", "x.o", "-Wl,--exclude-libs,ALL")
    assert done.stderr == "zig-cc: left out -Wl,--exclude-libs,ALL: zig has nothing like it\n"


def test_the_program_answers_for_zig(program: list[str]) -> None:
    for asked in ("-print-multiarch", "-dumpmachine"):
        assert run(program, "zig-cc", asked, BUILDFARM_ZIG_TARGET=TARGET).stdout == "x86_64-linux-gnu\n"
    assert run(program, "zig-strip").returncode == 2


def test_the_program_imports_nothing_that_takes_time() -> None:
    folder = str(Path(zigcc.__file__).parent)
    script = f"import os, sys; before = set(sys.modules); sys.path.insert(0, {folder!r}); import zigcc; "
    script += "print(*sorted(set(sys.modules) - before - {'zigcc'}))"
    done = subprocess.run([sys.executable, "-ISB", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__future__"]


def test_python_3_9_understands_the_program() -> None:
    ast.parse(Path(zigcc.__file__).read_text(), feature_version=(3, 9))
