"""The environments that this machine offers, one for each interpreter that can build; said without making anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host import apt, headers, tools
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.model.job import Environment
from buildfarm.model.outcome import Reason
from buildfarm.model.target import Target, manylinux

_ARCHES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An interpreter of this machine that nothing can be built for, and why."""

    interpreter: Interpreter
    reason: Reason


def host_environments(
    interpreters: tuple[Interpreter, ...], *, floor: tuple[int, int] = (2, 17), system: Path = Path("/")
) -> tuple[tuple[Environment, ...], tuple[Refused, ...]]:
    """One environment for each interpreter, and those that are refused.

    ``floor`` is the oldest glibc that wheels are for; ``system`` the root folder. Installs and fetches nothing, and
    starts no program.
    """
    release = _release(system)
    offered = managers(system)
    environments: list[Environment] = []
    refused: list[Refused] = []
    for interpreter in interpreters:
        found = _unserved(interpreter) or headers.look(interpreter, system)
        if isinstance(found, Reason):
            refused.append(Refused(interpreter=interpreter, reason=found))
            continue
        python = {"arch": interpreter.arch, "abi": interpreter.abi, "python": interpreter.version}
        libc = f"glibc {floor[0]}.{floor[1]}"
        built = {"os": "linux", "libc": libc, "headers": found.version, "tools": tools.pinned()}
        environments.append(
            Environment(
                name="host",
                lane=f"linux-{interpreter.arch}-host",
                target=Target(abi=interpreter.abi, platform=manylinux(floor, interpreter.arch)),
                definition={**built, **python},
                test_definition={"os": release, **python},
                compilers=("zig",),
                system=offered,
                release=release,
            )
        )
    return tuple(environments), tuple(refused)


def _unserved(interpreter: Interpreter) -> Reason | None:
    if interpreter.arch not in _ARCHES:
        message = f"{interpreter.executable} is for {interpreter.arch}; this machine can build for {', '.join(_ARCHES)}"
        return Reason(code="arch", message=message)
    if "musl" in interpreter.triple or "musl" in interpreter.soabi:
        message = f"{interpreter.executable} is for musl, and without a container only wheels for glibc can be built"
        return Reason(code="musl", message=message, advice="start a container engine, or install a CPython for glibc")
    return None


def managers(system: Path) -> tuple[str, ...]:
    """The package managers that can give packages without root: apt, where all of it is there."""
    return ("apt",) if all((system / "usr/bin" / program).exists() for program in apt.PROGRAMS) else ()


def _release(system: Path) -> str:
    """``debian 12``, by os-release(5)."""
    for place in ("etc/os-release", "usr/lib/os-release"):
        if (system / place).is_file():
            lines = (system / place).read_text(encoding="utf-8").splitlines()
            said = dict(line.split("=", 1) for line in lines if "=" in line)
            return f"{said.get('ID', 'linux')} {said.get('VERSION_ID', '')}".replace('"', "").strip()
    return "linux"
