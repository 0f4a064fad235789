"""A place to run commands, as values: what is asked for, its paths, a command, and how the command ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from buildfarm.model.job import Environment
from buildfarm.model.recipe import Limits, Service
from buildfarm.model.system import SystemPackage
from buildfarm.model.wheel import Artifact


class Purpose(StrEnum):
    """What a session is for: a build sees the tool-chain, a test sees no compiler."""

    BUILD = "build"
    TEST = "test"


OLDEST_EPOCH = 315532800
"""1980-01-01: a zip file knows no earlier time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpec:
    """What to open: for which attempt of which owner, in which environment, under which limits.

    ``epoch`` is SOURCE_DATE_EPOCH in seconds; ``cxx`` asks for a C++ tool-chain that is ready; ``packages`` are the
    system packages that a build sees on a host, their files in the store; ``system`` the names of those that an image
    has installed, by its own manager, anew when ``generation`` is raised. ``compiler`` is zig or system. ``services``
    are the servers that tests need.
    """

    attempt: str
    owner: str
    purpose: Purpose
    environment: Environment
    limits: Limits = Limits()
    epoch: int = OLDEST_EPOCH
    cxx: bool = False
    packages: tuple[SystemPackage, ...] = ()
    system: tuple[str, ...] = ()
    generation: int = 1
    compiler: str = "zig"
    services: Mapping[str, Service] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service of the session answers."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A service that runs no more: how it ended, and the last lines of its log."""

    service: str
    message: str
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths inside a session, and the programs there; the only source of paths in commands.

    ``source`` holds the unpacked source, ``wheelhouse`` the locked wheels, ``dist`` what the hook built, ``repaired``
    what the repair tool wrote, ``venv`` the build or test environment, ``scripts`` our own scripts, ``work``
    everything else. ``python`` is the interpreter that makes the venv; ``tools`` maps uv, auditwheel, wheel … to argv
    prefixes.
    """

    root: str
    source: str
    wheelhouse: str
    dist: str
    repaired: str
    venv: str
    scripts: str
    work: str
    python: str
    venv_python: str
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def at(cls, root: str, *, python: str, tools: Mapping[str, tuple[str, ...]]) -> Layout:
        """The layout of every session: the same names below its root."""
        return cls(
            root=root,
            source=f"{root}/source",
            wheelhouse=f"{root}/wheelhouse",
            dist=f"{root}/dist",
            repaired=f"{root}/repaired",
            venv=f"{root}/venv",
            scripts=f"{root}/scripts",
            work=f"{root}/work",
            python=python,
            venv_python=f"{root}/venv/bin/python",
            tools=tools,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: argv, working directory, variables over the session's own, and a name for people.

    ``what`` completes the sentence "could not …": "build the wheel".
    """

    argv: tuple[str, ...]
    cwd: str
    what: str
    env: Mapping[str, str] = field(default_factory=dict)


class Ended(StrEnum):
    """How a command came to its end. Only ``EXITED`` has an exit code that means anything."""

    EXITED = "exited"
    WALL = "wall time limit"
    SILENCE = "silence limit"
    LOG = "log size limit"
    CPU = "processor time limit"
    MEMORY = "memory limit"
    DISK = "disk limit"
    PIDS = "process limit"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """How much was used of what is bounded, and the limit: both in bytes, processes or seconds; and how we know."""

    used: float
    limit: float
    measured: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A command that has ended: how, its exit code (negative: the signal that killed it), and its last lines.

    ``memory`` (bytes) is the most that all its processes were seen to use at once, ``cpu`` the seconds of processor
    time of all of them; ``excess`` tells more of a limit that was broken.
    """

    command: Command
    ended: Ended
    exit_code: int
    seconds: float
    tail: tuple[str, ...] = ()
    memory: int = 0
    cpu: float = 0.0
    excess: Excess | None = None

    @property
    def ok(self) -> bool:
        """Success is an exit code 0 that was read, and nothing else."""
        return self.ended is Ended.EXITED and self.exit_code == 0


ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
"""What the name of an archive ends with, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive to be unpacked into a session, its single top folder stripped; ``only`` selects paths below that.

    ``patches`` are applied before, in order.
    """

    artifact: Artifact
    only: tuple[str, ...] = ()
    patches: tuple[Artifact, ...] = ()


Content = bytes | Artifact | Archive

Stop = Callable[[], bool]
"""Asked several times a second while a command runs: True ends it."""

Sink = Callable[[bytes], None]
"""Takes live output, as it comes."""
