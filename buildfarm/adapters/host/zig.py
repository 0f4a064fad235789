"""Zig's cache: warmed once per machine, then copied into slots, each of which one job has to itself.

Zig compiles its runtime (crt files, compiler-rt, libc++) when it first links, and libc++ takes a minute. What a job
leaves in its slot stays there for later jobs, and never comes back into a base that slots are filled from.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host import process
from buildfarm.adapters.host.folder import Folder
from buildfarm.adapters.host.tools import Tools
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import FarmError
from buildfarm.model.target import Target
from buildfarm.ports import Progress, Report

_FULL = 2 << 30  # bytes; a slot that has grown beyond is emptied
PROBE = "int answer(void) { return 42; }\nint main(void) { return answer(); }\n"
COMMANDS = (  # what differs here differs in the runtime that zig builds for it
    "-O2 -fPIC -c probe{extension} -o probe.o",
    "-shared probe.o -o probe.so",
    "probe{extension} -o probe",
    "-O2 probe{extension} -o probe",
)
# The libc++ that every link of ours asks for. As a driver zig compiles it on one processor; asked like this, on all.
LIBCXX = "build-lib -dynamic -lc++ -fPIC -fstrip -O ReleaseFast -mcpu baseline -j4 probe{extension}"
LANGUAGES = {
    "c": ("zig-cc", ".c", "a few seconds"),
    "c++": ("zig-c++", ".cc", "a minute or more: libc++"),
}

COMPILERS = {
    "CC": "zig-cc",
    "CXX": "zig-c++",
    "AR": "zig-ar",
    "RANLIB": "zig-ranlib",
    "LD": "zig-ld",
    "LDSHARED": "zig-cc -shared",
    "LDCXXSHARED": "zig-c++ -shared",
}
"""The variables by which build systems take zig for the compiler."""


def target_name(target: Target) -> str:
    """Zig's name for a target, with the floor of glibc: ``x86_64-linux-gnu.2.17``, ``x86_64-linux-musl``.

    Raises ``FarmError`` where it is neither.
    """
    if target.floor is None:
        raise FarmError(f"zig on this machine builds wheels for Linux; {target} is none")
    if target.platform.startswith("musllinux_"):
        return f"{target.arch}-linux-musl"
    major, minor = target.floor
    return f"{target.arch}-linux-gnu.{major}.{minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigCache:
    """The bases and the slots for one version of zig and one target, below ``root``. A base that is there is whole."""

    root: Path
    tools: Tools
    target: str
    report: Report

    @contextmanager
    def slot(self, language: str) -> Iterator[Path]:
        """A cache folder for one job, held until the context ends, in which the runtime for ``c`` or ``c++`` is ready.

        Warms a base first where there is none, or waits for whoever does. Raises ``FarmError`` when zig fails at it.
        """
        base = self._base(language)
        with _free_slot(self.root / "slots") as slot:
            if _is_spoilt(slot):
                Folder(slot).remove()
            _fill(slot, base)
            yield slot

    def warm(self, language: str) -> None:
        """Make the base now, so that no job has to wait for it later."""
        self._base(language)

    def _base(self, language: str) -> Path:
        """The cache with the runtime for ``c``, or for ``c++`` and C: made aside and renamed."""
        base = _base_at(self.root, language)
        if base.is_dir():
            return base
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f"{base.name}.lock", lambda: self._say(f"waiting for zig's cache for {language} …")):
            if not base.is_dir():
                aside = self.root / f"warming-{language}"
                shutil.rmtree(aside, ignore_errors=True)
                if language == "c++":
                    shutil.copytree(self._base("c"), aside)
                self._warm(aside, language)
                aside.rename(base)
        return base

    def _warm(self, cache: Path, language: str) -> None:
        compiler, extension, effort = LANGUAGES[language]
        began = time.monotonic()
        self._say(f"warming zig's cache for {language} (once, {effort}) …")
        with tempfile.TemporaryDirectory(prefix="probe.", dir=self.root) as folder:
            Path(folder, f"probe{extension}").write_text(PROBE)
            words = [[str(self.tools.compilers / compiler), *line.split()] for line in COMMANDS]
            if language == "c++":
                words.insert(0, [self.tools.python, "-I", "-m", "ziglang", *LIBCXX.split(), "-target", self.target])
            for command in words:
                argv = [word.format(extension=extension) for word in command]
                env = {"PATH": os.defpath, "HOME": folder, "BUILDFARM_ZIG_TARGET": self.target, **environment(cache)}
                done = process.call(tuple(argv), env, folder)
                if done.exit_code:
                    said = "\n".join(done.tail)
                    raise FarmError(f"zig does not work on this machine: {' '.join(argv)}\n{said}")
        self._say(f"zig's cache is warm for {language} after {time.monotonic() - began:.0f} s")

    def _say(self, message: str) -> None:
        self.report(Progress(job="", step="tool-chain", message=message))


def is_warm(root: Path, language: str) -> bool:
    """Whether the caches below ``root`` have their base for the language."""
    return _base_at(root, language).is_dir()


def _base_at(root: Path, language: str) -> Path:
    return root / f"base-{language}"


def environment(cache: Path) -> dict[str, str]:
    """The variables that make zig use the folder as its only cache."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}


@contextmanager
def _free_slot(slots: Path) -> Iterator[Path]:
    """The first folder whose lock nobody holds. The lock is beside it, where a job cannot write."""
    slots.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        file = os.open(slots / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            number += 1
            continue
        try:
            (slots / str(number)).mkdir(exist_ok=True)
            yield slots / str(number)
        finally:
            os.close(file)
        return


def _fill(slot: Path, base: Path) -> None:
    """Copy the entries that the slot lacks; zig names them by their content, so that one that is there is right."""
    (slot / "tmp").mkdir(parents=True, exist_ok=True)
    aside = slot.with_name(f"{slot.name}.filling")  # where no job can put a link
    for kind in base.iterdir():
        there = slot / kind.name
        there.mkdir(exist_ok=True)
        lacking = {entry.name for entry in kind.iterdir()} - {entry.name for entry in there.iterdir()}
        for entry in (kind / name for name in sorted(lacking)):
            if aside.is_dir():
                shutil.rmtree(aside)
            if entry.is_dir():
                shutil.copytree(entry, aside)
            else:
                shutil.copy2(entry, aside)
            aside.rename(there / entry.name)  # whole or not at all, whenever we are killed


def _is_spoilt(slot: Path) -> bool:
    """Too big, or not what zig makes: a job may have put links there for our copies to follow, or shut a folder."""
    kinds = list(slot.iterdir())
    if any(
        kind.is_symlink() or not kind.is_dir() or not os.access(kind, os.R_OK | os.W_OK | os.X_OK) for kind in kinds
    ):
        return True
    return sum(file.stat().st_size for file in slot.glob("o/*/*") if not file.is_symlink()) > _FULL
