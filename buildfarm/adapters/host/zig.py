"""Zig's cache: warmed once per machine, then copied into slots, each of which one job has to itself.

Zig compiles its runtime (crt files, compiler-rt, libc++) when it first links, and libc++ takes a minute. What a job
leaves in its slot stays there for later jobs, and never comes back into the base that slots are filled from.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host.tools import Tools, locked
from buildfarm.model.errors import FarmError
from buildfarm.model.target import Target
from buildfarm.ports import Progress, Report

_FULL = 2 << 30  # bytes; a slot that has grown beyond is emptied
_PROBE = "int answer(void) { return 42; }\nint main(void) { return answer(); }\n"
_COMMANDS = (  # what differs here differs in the runtime that zig builds for it
    "{cc} -O2 -fPIC -c probe.{ext} -o probe.o",
    "{cc} -shared probe.o -o probe.so",
    "{cc} probe.{ext} -o probe",
    "{cc} -O2 probe.{ext} -o probe",
)


def target_name(target: Target) -> str:
    """Zig's name for a target, with the floor: ``x86_64-linux-gnu.2.17``. Raises ``FarmError`` where it is no glibc."""
    if target.floor is None or not target.platform.startswith("manylinux_"):
        raise FarmError(f"zig on this machine builds manylinux wheels; {target} is none")
    major, minor = target.floor
    arch = target.platform.split("_", 3)[3]
    return f"{arch}-linux-gnu.{major}.{minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigCache:
    """The base cache and the slots for one version of zig and one target, below ``root``."""

    root: Path
    tools: Tools
    target: str
    report: Report

    @contextmanager
    def slot(self, language: str) -> Iterator[Path]:
        """A cache folder for one job, held until the context ends, in which the runtime for ``c`` or ``c++`` is ready.

        Warms the base first where it is not yet, or waits for whoever does. Raises ``FarmError`` when zig fails at it.
        """
        self.warm(language)
        with _free_slot(self.root / "slots") as slot:
            if _is_spoilt(slot):
                shutil.rmtree(slot)
            _fill(slot, self._base)
            yield slot

    def warm(self, language: str) -> None:
        """Compile the runtime for ``c``, or for ``c++`` and C, into the base: once per machine."""
        if (self.root / f"complete-{language}").exists():
            return
        self._base.mkdir(parents=True, exist_ok=True)
        with locked(self.root / "base.lock", lambda: self._say("waiting for another process to warm zig's cache …")):
            self._warm("c", "cc", "a few seconds")
            if language == "c++":
                self._warm("c++", "c++", "about a minute: libc++")

    @property
    def _base(self) -> Path:
        return self.root / "base"

    def _warm(self, language: str, compiler: str, effort: str) -> None:
        complete = self.root / f"complete-{language}"
        if complete.exists():
            return
        began = time.monotonic()
        self._say(f"warming zig's cache for {language} (once, {effort}) …")
        with tempfile.TemporaryDirectory(prefix="probe.", dir=self.root) as folder:
            source = Path(folder, "probe.c" if language == "c" else "probe.cc")
            source.write_text(_PROBE)
            for command in _COMMANDS:
                words = command.format(cc=f"zig-{compiler}", ext=source.suffix[1:]).split()
                self._run([str(self.tools.compilers / words[0]), *words[1:]], folder)
        complete.touch()
        self._say(f"zig's cache is warm for {language} after {time.monotonic() - began:.0f} s")

    def _run(self, argv: list[str], folder: str) -> None:
        env = {"PATH": os.defpath, "BUILDFARM_ZIG_TARGET": self.target, "HOME": folder, **environment(self._base)}
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FarmError(f"zig does not work on this machine: {' '.join(argv)}\n{done.stderr.strip()}")

    def _say(self, message: str) -> None:
        self.report(Progress(job="", step="tool-chain", message=message))


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
    aside = slot / "tmp" / "filling"
    for kind in base.iterdir():
        there = slot / kind.name
        there.mkdir(exist_ok=True)
        lacking = {entry.name for entry in kind.iterdir()} - {entry.name for entry in there.iterdir()}
        for entry in (kind / name for name in sorted(lacking)):
            if entry.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
                shutil.copytree(entry, aside)
            else:
                shutil.copy2(entry, aside)
            aside.rename(there / entry.name)  # whole or not at all, whenever we are killed


def _is_spoilt(slot: Path) -> bool:
    """Too big, or not what zig makes: a job may have put links there that lead our copies elsewhere."""
    kinds = list(slot.iterdir())
    if any(kind.is_symlink() or not kind.is_dir() for kind in kinds):
        return True
    return sum(file.stat().st_size for file in slot.glob("o/*/*") if not file.is_symlink()) > _FULL
