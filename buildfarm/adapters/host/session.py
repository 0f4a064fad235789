"""An open session on this machine."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from buildfarm.adapters.host import bubblewrap, process, terminal
from buildfarm.adapters.host.cgroup import Group, Held
from buildfarm.adapters.host.disk import Disk
from buildfarm.adapters.host.folder import Folder, Parts
from buildfarm.adapters.host.provision import Provision
from buildfarm.adapters.host.services import Servers
from buildfarm.adapters.host.sweep import MARK, end_processes
from buildfarm.adapters.surroundings import FOLDERS, parts_inside, variables
from buildfarm.model.errors import FarmError, StepFailed, Unavailable
from buildfarm.model.outcome import Step
from buildfarm.model.session import (
    Archive,
    Command,
    Completed,
    Content,
    Ended,
    Endpoint,
    Excess,
    Fallen,
    Layout,
    SessionSpec,
    Sink,
    Stop,
)
from buildfarm.model.system import SeenPackage
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store
from buildfarm.steps.archive import unpacked
from buildfarm.steps.taken import unnameable


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session is: name, folder and tools, the sandbox around its commands or None, its processors and control
    group, what it was given, and the servers beside it.
    """

    name: str
    folder: Path
    userland: Path
    sandbox: bubblewrap.Sandbox | None
    processors: tuple[int, ...]
    group: Group
    given: Provision
    servers: Servers


class HostSession:
    """A ``Session`` of processes of this machine (``ports.Session``)."""

    def __init__(self, place: Place, spec: SessionSpec, store: Store, sink: Sink, stop: Stop) -> None:
        self._place = place
        self._folder = Folder(place.folder)
        self._spec = spec
        self._store = store
        self._sink = sink
        self._stop = stop
        self._deadline = time.monotonic() + spec.limits.wall
        self._written = 0
        self._cpu = 0.0
        self._disk = Disk(place.folder, spec.limits.disk)
        self._ran: list[Completed] = []
        given = place.given
        root = bubblewrap.ROOT if place.sandbox else str(place.folder)
        self._layout = Layout.at(root, python=given.python, tools=given.tools)
        tools = bubblewrap.BIN if place.sandbox else str(place.userland / "bin")
        self._env = variables(root, (*given.path, tools), spec.epoch, given.env)
        if place.sandbox is None:
            self._env["BUILDFARM_SESSION_ROOT"] = root  # to the compiler: what debug data shall not name
        for name in FOLDERS:
            self._folder.make((name,))

    @property
    def layout(self) -> Layout:
        """Its paths, below ``/buildfarm`` in a sandbox."""
        return self._layout

    @property
    def isolation(self) -> str:
        """What keeps its commands from the rest of the machine."""
        around = "bubblewrap (no network)" if self._place.sandbox else "none (network open)"
        return f"{around}, {self._place.group.words}"

    @property
    def packages(self) -> tuple[SeenPackage, ...]:
        """See ``ports.Session``."""
        return self._place.given.packages

    @property
    def ran(self) -> tuple[Completed, ...]:
        """See ``ports.Session``."""
        return tuple(self._ran)

    @property
    def services(self) -> Mapping[str, Endpoint]:
        """See ``ports.Session``."""
        return self._place.servers.endpoints

    def fallen(self) -> tuple[Fallen, ...]:
        """See ``ports.Session``."""
        return self._place.servers.fallen()

    def service_logs(self) -> Mapping[str, tuple[str, ...]]:
        """See ``ports.Session``."""
        return self._place.servers.logs()

    def put(self, at: str, content: Content) -> None:
        """See ``ports.Session``. Files are dated as their archive says, all others at the session's epoch."""
        parts = self._parts(at)
        match content:
            case bytes():
                self._folder.write(parts, io.BytesIO(content), mtime=self._spec.epoch)
            case Artifact():
                with self._store.open(content.sha256) as file:
                    self._folder.write(parts, file, mtime=self._spec.epoch)
            case Archive():
                try:
                    self._unpack(parts, content)
                except Unavailable as error:
                    raise StepFailed(Step.PREPARE, error.reason) from error

    def run(self, command: Command) -> Completed:
        """See ``ports.Session``. A working directory that does not exist is exit code 126."""
        began = time.monotonic()
        try:
            ending = self._run(command)
        except FarmError as error:
            end_processes(self._place.name)  # whoever should have done so has failed
            raise FarmError(f"could not {command.what}: {error}") from error
        self._written += ending.written
        self._cpu += ending.cpu
        done = Completed(
            command=command,
            ended=ending.ended,
            exit_code=ending.exit_code,
            seconds=time.monotonic() - began,
            tail=ending.tail,
            memory=ending.memory,
            cpu=ending.cpu,
            excess=self._excess(ending),
        )
        self._ran.append(done)
        return done

    def interact(self, command: Command) -> int:
        """See ``ports.Session``."""
        mark = {MARK: self._place.name}
        env, sandbox, enter = self._variables(command, mark), self._place.sandbox, self._place.group.enter
        try:
            if sandbox is None:
                return terminal.converse(enter(command.argv), env, command.cwd)
            return terminal.converse(enter(sandbox.wrap_on_terminal(command.argv, command.cwd, env)), mark, "/")
        finally:
            end_processes(self._place.name)

    def take(self, pattern: str) -> tuple[Artifact, ...]:
        """See ``ports.Session``."""
        matching = self._folder.matching(self._parts(pattern))
        return tuple(sorted(self._store.put(self._text(name), content) for name, content in matching))

    def _text(self, name: str) -> str:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise unnameable(self._spec.purpose, os.fsencode(name)) from None
        return name

    def _run(self, command: Command) -> process.Ending:
        mark = {MARK: self._place.name}
        env = self._variables(command, mark)
        sandbox, processors = self._place.sandbox, self._place.processors
        if sandbox is None:
            order = process.Order(argv=command.argv, env=env, cwd=command.cwd, mark=mark, processors=processors)
            return process.run(order, self._bounds(), self._sink, self._stop)
        wrapped = sandbox.wrap(command.argv, command.cwd, env)
        order = process.Order(
            argv=wrapped, env=mark, cwd="/", mark=mark, processors=processors, report_at=bubblewrap.REPORT_AT
        )
        return bubblewrap.read(process.run(order, self._bounds(), self._sink, self._stop))

    def _excess(self, ending: process.Ending) -> Excess | None:
        if ending.ended is Ended.CPU and ending.excess:  # of which the command had only what others had left
            return replace(ending.excess, used=self._cpu, limit=self._spec.limits.cpu)
        return ending.excess

    def _bounds(self) -> process.Bounds:
        """What the session has left of its limits."""
        limits = self._spec.limits
        cpu = limits.cpu - self._cpu if limits.cpu else math.inf
        return process.Bounds(
            deadline=self._deadline,
            silence=limits.silence,
            log=limits.log - self._written,
            memory=limits.memory,
            pids=limits.pids,
            cpu=cpu,
            disk=self._disk,
            held=Held(group=self._place.group, cpu=cpu),
        )

    def _variables(self, command: Command, mark: Mapping[str, str]) -> dict[str, str]:
        return {**self._env, "PWD": command.cwd, **command.env, **mark}

    def _unpack(self, parts: Parts, content: Archive) -> None:
        dated: list[tuple[Parts, float]] = []
        for entry in unpacked(content, self._store.open):
            at = (*parts, *PurePosixPath(entry.path).parts)
            match entry.kind:
                case "folder":
                    self._folder.make(at)
                    dated.append((at, entry.mtime))
                case "link":
                    self._folder.link(at, entry.target)
                case _:
                    with entry.open() as file:
                        self._folder.write(at, file, mtime=entry.mtime, mode=0o755 if entry.executable else 0o644)
        for at, mtime in reversed(dated):
            self._folder.date(at, mtime)

    def _parts(self, path: str) -> Parts:
        return parts_inside(self._layout.root, path)
