"""The machine that is looked at, as the settings of the call see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from buildfarm.adapters.host.environments import managers
from buildfarm.app.doctor.report import APT
from buildfarm.app.machine import Machine, look
from buildfarm.app.settings import Settings

_TIMEOUT = 3.0  # seconds in which a program must answer


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A machine; ``environ`` are the environment variables of the call, ``system`` is its root folder.

    Nothing here changes anything of it.
    """

    settings: Settings
    environ: Mapping[str, str]
    system: Path = Path("/")

    @cached_property
    def machine(self) -> Machine:
        """Its interpreters; their answers are kept in the home if there is one."""
        if self.settings.home.is_dir():
            return look(self.settings, self.environ, self.settings.answers)
        with tempfile.TemporaryDirectory() as folder:
            return look(self.settings, self.environ, Path(folder, "interpreters.json"))

    @property
    def path(self) -> str:
        """Where its programs are."""
        return self.environ.get("PATH", os.defpath)

    def program(self, name: str) -> str | None:
        """The path of a program."""
        return shutil.which(name, path=self.path)

    @property
    def has_apt(self) -> bool:
        """Whether packages of the system can be had from apt."""
        return "apt" in managers(self.system)

    def package(self, name: str) -> str:
        """The command that installs a package of the system; empty where we do not know it."""
        return f"{APT}{name}" if self.has_apt else ""


def said(*argv: str) -> str:
    """The last line that a program says, or why it says nothing."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return ((done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def read(path: Path) -> str:
    """The text of a small file of the system; empty where it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
