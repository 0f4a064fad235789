"""The CPythons of this machine: found by name, asked once, remembered until their file changes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from buildfarm.model.errors import FarmError

OLDEST = (3, 9)
_NAMES = ("python3", *(f"python3.{minor}{kind}" for minor in range(9, 16) for kind in ("", "t")))
PLACES = ("~/.pyenv/versions", "~/.local/share/uv/python", "/opt/python")  # the last is that of the PyPA's images
"""Folders that hold one folder for each installation, looked into after PATH."""

_SHARED = ("/usr", "/usr/local")  # prefixes that hold more than Python

_Answer = dict[str, Any]  # the JSON object that the probe prints

_PROBE = """
import json, os, sys, sysconfig
get = sysconfig.get_config_var
include = get("INCLUDEPY")
free = "t" if get("Py_GIL_DISABLED") else ""
print(json.dumps({
    "executable": os.path.realpath(sys.executable),
    "implementation": sys.implementation.name,
    "debug": hasattr(sys, "gettotalrefcount"),
    "abi": "cp%d%d%s" % (sys.version_info[0], sys.version_info[1], free),
    "version": "%d.%d.%d" % sys.version_info[:3] + {"final": ""}.get(sys.version_info[3], "-" + sys.version_info[3]),
    "triple": get("HOST_GNU_TYPE") or getattr(sys.implementation, "_multiarch", ""),
    "soabi": get("SOABI") or "",
    "platform": sysconfig.get_platform(),
    "prefix": sys.base_prefix,
    "include": include if include and os.path.isdir(include) else sysconfig.get_path("include"),
    "stdlib": sysconfig.get_path("stdlib"),
    "library": os.path.join(get("LIBDIR"), get("INSTSONAME")) if get("Py_ENABLE_SHARED") else "",
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One CPython. ``abi`` as in build identifiers (``cp313t``); ``triple`` is its GNU host type; paths are absolute.

    ``library`` is its shared libpython, or empty.
    """

    executable: str
    abi: str
    version: str
    triple: str
    soabi: str
    platform: str
    prefix: str
    include: str
    stdlib: str
    library: str = ""

    @property
    def arch(self) -> str:
        """The machine that it is for, ``x86_64``: a 32-bit interpreter of a 64-bit system says so here."""
        return self.triple.partition("-")[0]

    @property
    def release(self) -> tuple[tuple[int, ...], bool]:
        """Orders patch releases; a final one comes after its own candidates."""
        number, _, stage = self.version.partition("-")
        return tuple(int(part) for part in number.split(".")), not stage

    @property
    def files(self) -> tuple[str, ...]:
        """The folders and files that it needs to run and that extension modules need to compile, where they exist."""
        if self.prefix not in _SHARED:
            return (self.prefix,)
        wanted = (self.executable, self.stdlib, self.include, self.library)
        return tuple(path for path in wanted if path and Path(path).exists())


def discover(path: str, home: Path, cache: Path) -> tuple[Interpreter, ...]:
    """The CPythons 3.9 and later of a machine, one per ABI: the first on ``path`` wins, then the newest patch release.

    ``path`` is a PATH; ``home`` the user's home, below which pyenv and uv keep theirs; ``cache`` the JSON file that
    holds earlier answers. Debug builds, pyenv's shims and virtual environments are left out: the last so that the
    answer is the same whether or not one is active.
    """
    known = _Answers(cache)
    chosen: dict[str, Interpreter] = {}
    for executable in _on_path(path):
        if interpreter := known.ask(executable):
            chosen.setdefault(interpreter.abi, interpreter)
    elsewhere = [found for executable in _elsewhere(home) if (found := known.ask(executable))]
    for interpreter in sorted(elsewhere, key=lambda each: each.release, reverse=True):
        chosen.setdefault(interpreter.abi, interpreter)
    known.save()
    return tuple(sorted(chosen.values(), key=lambda each: (each.release[0][:2], each.abi)))


def probe(executable: str) -> Interpreter:
    """Ask one interpreter (of a virtual environment: its base) what it is.

    Raises ``FarmError`` where it is no CPython 3.9 or later, or does not answer.
    """
    found = _served(_run_probe(Path(executable).resolve()))
    if found is None:
        raise FarmError(f"{executable} is no working CPython 3.9 or later; name another interpreter")
    return found


def _on_path(path: str) -> Iterator[Path]:
    for folder in map(Path, path.split(os.pathsep)):
        if folder.is_absolute():
            yield from _candidates(folder)


def _elsewhere(home: Path) -> Iterator[Path]:
    for place in PLACES:
        for folder in sorted(Path(place.replace("~", str(home), 1)).glob("*/bin")):
            yield from _candidates(folder)


def _candidates(folder: Path) -> Iterator[Path]:
    """Real paths of what is called like an interpreter. Shims are scripts; a virtual environment has ``pyvenv.cfg``."""
    if (folder.parent / "pyvenv.cfg").exists():
        return
    for name in _NAMES:
        executable = folder / name
        if os.access(executable, os.X_OK) and executable.is_file() and not _is_script(executable):
            yield executable.resolve()


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


class _Answers:
    """What interpreters answered, by real path, size and modification time. One that did not answer is asked again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = False
        self._answers: dict[str, _Answer] = {}
        try:
            kept = json.loads(file.read_bytes())
        except (OSError, ValueError):
            return
        if isinstance(kept, dict) and kept.get("probe") == _PROBE:  # another probe asks other things
            self._answers = kept["answers"]

    def ask(self, executable: Path) -> Interpreter | None:
        status = executable.stat()
        key = f"{executable}:{status.st_size}:{status.st_mtime_ns}"
        if key not in self._answers:
            answer = _run_probe(executable)
            if answer is None:
                return None
            self._answers[key] = answer
            self._changed = True
        return _served(self._answers[key])

    def save(self) -> None:
        if not self._changed:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        aside.write_text(json.dumps({"probe": _PROBE, "answers": self._answers}))
        aside.replace(self._file)


def _run_probe(executable: Path) -> _Answer | None:
    """None for what does not answer, or not within ten seconds."""
    try:
        argv = [str(executable), "-IS", "-c", _PROBE]
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=True, env={})
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer if isinstance(answer, dict) else None


def _served(answer: _Answer | None) -> Interpreter | None:
    """None for another implementation, a debug build (its ABI is its own), and what is too old."""
    if answer is None or answer["implementation"] != "cpython" or answer["debug"]:
        return None
    interpreter = Interpreter(**{field.name: answer[field.name] for field in fields(Interpreter)})
    return interpreter if interpreter.release[0][:2] >= OLDEST else None
