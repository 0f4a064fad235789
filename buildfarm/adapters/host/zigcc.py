"""Zig as cc, c++, ar, ranlib and ld: what other compilers' options mean to it, and the program that passes them on.

A program of its own, started for every file that is compiled: standard library only, Python 3.9, few imports. It is
``zigcc.py TOOL ARGUMENT…``, or has the tool's name. BUILDFARM_ZIG is the path of zig, BUILDFARM_ZIG_TARGET zig's name
for the target, BUILDFARM_SESSION_ROOT a folder that debug data shall call /buildfarm, BUILDFARM_SYSTEM what /usr is
elsewhere: the folder with include and lib of system packages.
"""
# pathlib would double the time of a start; a program of its own reads its environment and prints.
# ruff: noqa: PTH113, PTH119, PTH123, SIM905, T201, TID251

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing and collections take a quarter of the time of a start
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

RULES = "2"
"""Raised whenever a rule changes what is built: it enters the keys of build jobs."""

TOOLS = {"zig-cc": "cc", "zig-c++": "c++", "zig-ar": "ar", "zig-ranlib": "ranlib", "zig-ld": "ld.lld"}

_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".m", ".mm", ".s", ".S", ".sx")
_FOR_CODE = ("-O", "-g", "-m", "-flto", "-fomit-frame-pointer", "-funwind-tables", "-fno-pic", "-fno-PIC")
_NO_LINK = frozenset(("-c", "-S", "-E", "-M", "-MM", "-fsyntax-only"))
_WITH_VALUE = frozenset(  # options whose value is the next argument, whatever that looks like
    """-o -D -U -I -L -l -x -T -u -z -e -h -MF -MT -MQ -include -imacros -isystem -iquote -idirafter -isysroot -target
    -rpath -soname --param -Xlinker -Xclang -Xpreprocessor -Xassembler""".split()
)

# What zig refuses, or warns of, which configure scripts take for a refusal; without effect on what a wheel does.
_DROPPED = frozenset(
    """-flto=auto -static-libgcc -static-libstdc++ -fvar-tracking-assignments
    -fno-var-tracking-assignments""".split()
)
_DROPPED_BEGINNINGS = ("-mtune=", "-specs=", "-fuse-ld=", "-fmax-errors=")
_LD_DROPPED = frozenset(
    """-Bsymbolic-functions --warn-common --push-state --pop-state --relax --no-relax --demangle --no-demangle --stats
    --no-keep-memory --reduce-memory-overheads --threads --no-threads -t --trace --verbose --cref --add-needed
    --no-add-needed --copy-dt-needed-entries --no-copy-dt-needed-entries --no-warn-mismatch --no-warn-search-mismatch
    --no-ld-generated-unwind-info --gdb-index --no-rosegment --no-export-dynamic -X --icf --pack-dyn-relocs
    --package-metadata --orphan-handling --plugin-opt -plugin-opt""".split()
)
_LD_DROPPED_PAIRS = frozenset(("-Map", "-rpath-link", "--rpath-link", "-m"))
_LD_MEANING = frozenset(
    """--warn-unresolved-symbols --unresolved-symbols --export-dynamic-symbol --default-symver""".split()
)
_LD_MEANING_PAIRS = frozenset(("--exclude-libs", "--dynamic-list", "--defsym", "--retain-symbols-file"))
_LD_PAIRS = frozenset(
    """-rpath --rpath -R -soname --soname --version-script --hash-style -e --entry -u --wrap -dynamic-linker
    --dynamic-linker -T""".split()
)
_LD_ONE_DASH = """gc-sections as-needed no-as-needed no-undefined export-dynamic version-script whole-archive
    no-whole-archive build-id exclude-libs dynamic-list""".split()  # which GNU ld takes for two
_LD_RENAMED = {"--undefined": "-u", "-h": "-soname", **{f"-{name}": f"--{name}" for name in _LD_ONE_DASH}}
_Z_DROPPED = frozenset(
    "separate-code noseparate-code combreloc nocombreloc text pack-relative-relocs ibt shstk nodump".split()
)
_Z_MEANING = frozenset(("muldefs", "execstack", "initfirst", "interpose"))
_ARM_FEATURES = {"simd": "neon", "fp": "fp_armv8", "fp16": "fullfp16"}


def translate(
    tool: str, argv: Sequence[str], target: str, root: str = "", system: str = ""
) -> tuple[list[str], tuple[str, ...]]:
    """The arguments for zig, its subcommand first, and what was left out although the result is another one without it.

    ``tool`` is one of ``TOOLS``; ``target`` zig's name for it, with the floor: ``x86_64-linux-gnu.2.17``; ``root`` a
    folder that debug data and ``__FILE__`` shall call ``/buildfarm``; ``system`` the folder that is to system packages
    what ``/usr`` is to installed ones. Raises ``OSError`` for a response file that cannot be read.
    """
    if tool not in ("zig-cc", "zig-c++"):
        return [TOOLS[tool], *argv], ()
    words = list(_words(iter(_expanded(argv))))
    linking = not any(word[0] in _NO_LINK for word in words)
    compiling = not linking or any(word[0] in ("-x", "-") or word[0].endswith(_SOURCES) for word in words)
    if compiling:
        ours = ["-fno-sanitize=undefined"]  # without -O, zig asks for calls that only its own programs can answer
        ours += ["-D__STDC_NO_THREADS__=1"] if _has_no_threads(target) else []
        ours += [f"-ffile-prefix-map={root}=/buildfarm"] if root else []
    else:
        ours = ["-O2"]
        words = [word for word in words if not _chooses_runtime(word[0])]
    notes: list[str] = []
    arguments = list(_arguments(words, notes))
    if linking and "-r" not in arguments:
        arguments.append("-s")  # else every C++ module carries 5 MB of libc++'s debug data
    if system:
        arguments += _of_packages(system, target, compiling=compiling, linking=linking)
    return [TOOLS[tool], "-target", target, *ours, *arguments], tuple(dict.fromkeys(notes))


def _of_packages(system: str, target: str, *, compiling: bool, linking: bool) -> Iterator[str]:
    """Where headers and libraries of system packages are, behind everything that was asked for and zig's own."""
    multiarch = target.partition("-")[0] + "-linux-gnu"
    if compiling:
        yield from ("-idirafter", system + "/include", "-idirafter", system + "/include/" + multiarch)
    if linking:
        yield from ("-L" + system + "/lib/" + multiarch, "-L" + system + "/lib")


def _words(arguments: Iterator[str]) -> Iterator[tuple[str, ...]]:
    """Options with the separate values that belong to them."""
    for argument in arguments:
        if argument in _WITH_VALUE:
            yield (argument, *(value for value in (next(arguments, None),) if value is not None))
        else:
            yield (argument,)


def _arguments(words: Iterable[tuple[str, ...]], notes: list[str]) -> Iterator[str]:
    """What zig is told for the words; those for the linker are read as one list wherever they follow each other."""
    tokens: list[str] = []
    for word in words:
        if word[0] == "-Xlinker":
            tokens += word[1:]
        elif word[0] == "-z":
            tokens += word
        elif word[0].startswith("-Wl,"):
            tokens += word[0][4:].split(",")
        else:
            yield from _linker(tokens, notes)
            tokens = []
            yield from _compiler(word, notes)
    yield from _linker(tokens, notes)


def _compiler(word: tuple[str, ...], notes: list[str]) -> Sequence[str]:
    option = word[0]
    if option in _DROPPED or option.startswith(_DROPPED_BEGINNINGS):
        return ()
    if option == "-target" or option.startswith("--target="):
        notes.append(" ".join(word))
        return ()
    if option.startswith("-march="):
        return _cpu(option[len("-march=") :])
    if option.startswith(("-Wp,-D", "-Wp,-U")):
        return option[4:].split(",")
    for include in ("-I", "-isystem"):
        path = word[1] if word[0] == include and len(word) > 1 else option[len(include) :]
        if option.startswith(include) and (path + "/").startswith("/usr/include/"):
            return ("-idirafter", path)  # the system's libc headers must not come before zig's
    return word


def _cpu(name: str) -> tuple[str, ...]:
    """``-march`` in zig's words; ``native`` would bind the wheel to the machine that builds it."""
    if name == "native":
        return ()
    if not name.startswith("armv"):
        return ("-mcpu=" + name.replace("-", "_"),)
    version, *features = name.split("+")
    named = [_ARM_FEATURES.get(feature, feature) for feature in features]
    level = version[len("armv") :].replace("-", "").replace(".", "_")  # armv8.2-a is the feature v8_2a
    return ("-mcpu=" + "+".join(["generic", *([f"v{level}"] if "_" in level else []), *named]),)


def _linker(tokens: list[str], notes: list[str]) -> Iterator[str]:
    """Linker options one by one behind ``-Xlinker``, which takes commas too; files and libraries as plain arguments."""
    rest = iter(tokens)
    for token in rest:
        name, equals, value = token.partition("=")
        name = _LD_RENAMED.get(name, name)
        if name in _LD_MEANING or name in _LD_MEANING_PAIRS:
            separate = name in _LD_MEANING_PAIRS and not equals
            notes.append("-Wl," + token + ("," + next(rest, "") if separate else ""))
        elif name in _LD_DROPPED_PAIRS and not equals:
            next(rest, "")
        elif name in _LD_DROPPED or name in _LD_DROPPED_PAIRS or token.startswith(("-melf", "-O")):
            continue
        elif name == "-z":
            yield from _keyword(next(rest, ""), notes)
        elif name.startswith("-R") and name != "-R":
            yield from ("-Xlinker", "-rpath", "-Xlinker", token[2:])
        elif name == "-u" and equals:
            yield from ("-Xlinker", "-u", "-Xlinker", value)
        elif token.startswith(("-l", "-L")) or not token.startswith("-"):
            yield token
        else:
            yield from ("-Xlinker", name + equals + value)
            if name in _LD_PAIRS and not equals:
                yield from ("-Xlinker", next(rest, ""))


def _keyword(keyword: str, notes: list[str]) -> tuple[str, ...]:
    """The value of ``-z``."""
    if keyword in _Z_MEANING:
        notes.append(f"-Wl,-z,{keyword}")
    return () if keyword in _Z_DROPPED or keyword in _Z_MEANING else ("-Xlinker", "-z", "-Xlinker", keyword)


def _chooses_runtime(option: str) -> bool:
    """Options for code: at a link of objects they only choose a variety of zig's runtime, and each takes a minute."""
    return option.startswith(_FOR_CODE) and option not in ("-m32", "-m64")


def _has_no_threads(target: str) -> bool:
    """Before glibc 2.28 there is no threads.h, and zig's headers for such a target do not say so."""
    libc, *floor = target.rpartition("-")[2].split(".")
    return libc.startswith("gnu") and [int(part) for part in floor] < [2, 28]


def _expanded(arguments: Iterable[str]) -> Iterator[str]:
    """Response files (``@file``) replaced by what they hold, as gcc does; one that does not exist stays as it is."""
    for argument in arguments:
        if argument.startswith("@") and os.path.isfile(argument[1:]):
            import shlex  # noqa: PLC0415 - slow to import, and rarely wanted

            with open(argument[1:], encoding="utf-8", errors="surrogateescape") as file:
                yield from _expanded(shlex.split(file.read()))
        else:
            yield argument


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become zig. ``argv`` as in ``sys.argv``; an exit code only where zig is not asked."""
    tool, arguments = os.path.basename(argv[0]), list(argv[1:])
    if tool not in TOOLS:
        tool, *arguments = arguments or [""]
    if tool not in TOOLS:
        print("zigcc: the first argument is one of", ", ".join(TOOLS), file=sys.stderr)
        return 2
    target = environ.get("BUILDFARM_ZIG_TARGET") or f"{os.uname().machine}-linux-gnu.2.17"
    if "-print-multiarch" in arguments or "-dumpmachine" in arguments:
        print(target.partition(".")[0])
        return 0
    translated, notes = translate(
        tool, arguments, target, environ.get("BUILDFARM_SESSION_ROOT", ""), environ.get("BUILDFARM_SYSTEM", "")
    )
    for note in notes:
        print(f"{tool}: left out {note}: zig has nothing like it", file=sys.stderr, flush=True)
    zig = environ["BUILDFARM_ZIG"]
    return os.execv(zig, [zig, *translated])  # noqa: S606 - the point of the program


if __name__ == "__main__":
    sys.exit(main(sys.argv, os.environ))
