"""What keeps a build apart from the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from buildfarm.adapters.host import bubblewrap, cgroup
from buildfarm.app.doctor.patient import Patient, read, said
from buildfarm.app.doctor.report import FIX, Check, State

_HELD = {"memory": "memory", "pids": "processes", "cpu": "parts of a CPU", "": "processor time, disk"}
_OPEN = "builds run, but reach the network and your files"
_SHUT = f"{_OPEN}; tests of uploads run in containers alone"
_NAMESPACES = {  # settings of the kernel -> what forbids user namespaces, and what allows them
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "user.max_user_namespaces": ("0", "15000"),
}


def look(patient: Patient) -> Iterator[Check]:
    """The sandbox and the limits of sessions on this machine itself."""
    yield _sandbox(patient)
    yield _limits()


def _limits() -> Check:
    """Which of them the kernel holds; a session that it refuses one polls that, and says so."""
    held = {name for parent in cgroup.find(Path("/proc")) for name in parent.controllers}
    kernel = [word for name, word in _HELD.items() if name in held]
    polled = [word for name, word in _HELD.items() if name not in held]
    parts = [f"{how}: {', '.join(words)}" for how, words in (("by cgroup", kernel), ("polled", polled)) if words]
    return Check(name="limits", state=State.OK, message="; ".join(parts))


def _sandbox(patient: Patient) -> Check:
    settings = patient.settings
    if settings.isolation == "none":
        message = f"switched off ({settings.origins['isolation']}): {_OPEN}"
        return Check(name="bubblewrap", state=State.WARNING, message=message)
    if working := bubblewrap.find(patient.path):
        version = said(working, "--version").removeprefix("bubblewrap ")
        return Check(name="bubblewrap", state=State.OK, message=f"{version} {working}; user namespaces are allowed")
    state = State.WARNING if settings.isolation == "auto" else State.BROKEN
    for setting, (forbids, allows) in _NAMESPACES.items():
        if read(Path("/proc/sys", *setting.split("."))) == forbids:
            message = f"the kernel forbids user namespaces ({setting} = {forbids}): {_SHUT}"
            fix = f"sysctl -w {setting}={allows}"
            return Check(name="bubblewrap", state=state, message=message, fix=fix, root=True)
    binary = bubblewrap.installed(patient.path)
    if binary is None:
        fix = FIX if in_venv() else patient.package("bubblewrap")
        return Check(
            name="bubblewrap", state=state, message=f"not installed: {_SHUT}", fix=fix, root=bool(fix) and fix != FIX
        )
    why = said(binary, "--unshare-all", "--ro-bind", "/", "/", "true")
    return Check(name="bubblewrap", state=state, message=f"{binary} does not work here ({why}): {_SHUT}")


def in_venv() -> bool:
    """Whether we run in a virtual environment, which may be added to."""
    return sys.prefix != sys.base_prefix
