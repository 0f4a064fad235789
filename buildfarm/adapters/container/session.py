"""An open session in a container."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from buildfarm.adapters.container import command as commands
from buildfarm.adapters.container import terminal
from buildfarm.adapters.container.fetch import Nameless, TooMuch, fetched
from buildfarm.adapters.container.order import RECORDS, Bounds, Ending, Order, stopped
from buildfarm.adapters.container.parcel import Parcel
from buildfarm.adapters.container.provision import ROOT, Provision
from buildfarm.adapters.container.running import Inside
from buildfarm.adapters.container.services import Running
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
from buildfarm.steps.taken import too_much, unnameable

VOLUME = str(PurePosixPath(ROOT).parent)
"""Where the session's volume is mounted. Its root belongs to root, whatever is put into it."""

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session is: its name, its container, what it was given, which of the engine's processors it runs on, and
    the servers beside it.
    """

    name: str
    inside: Inside
    given: Provision
    processors: tuple[int, ...]
    beside: Running


class ContainerSession:
    """A ``Session`` of processes in a container (``ports.Session``)."""

    def __init__(self, place: Place, spec: SessionSpec, store: Store, sink: Sink, stop: Stop) -> None:
        self._place = place
        self._spec = spec
        self._store = store
        self._sink = sink
        self._stop = stop
        self._deadline = time.monotonic() + spec.limits.wall
        self._written = self._ooms = 0
        self._cpu = 0.0
        self._ran: list[Completed] = []
        given = place.given
        self._caches = {source: f"{ROOT}/{target}" for source, target in given.caches.items()}
        self._layout = Layout.at(ROOT, python=given.python, tools=given.tools)
        self._env = variables(ROOT, (*given.path, _SYSTEM), spec.epoch, given.env)
        self._parcel: Parcel | None = Parcel(spec.epoch)
        for name in (RECORDS, *(f"{ROOT}/{name}" for name in FOLDERS)):
            self._parcel.folder(PurePosixPath(name).relative_to(VOLUME))

    @property
    def layout(self) -> Layout:
        """Its paths, the same in every container."""
        return self._layout

    @property
    def isolation(self) -> str:
        """What keeps its commands from the rest of the machine."""
        return f"container (no network), {self._place.inside.engine.limiting}, disk polled"

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
        return self._place.beside.endpoints

    def fallen(self) -> tuple[Fallen, ...]:
        """See ``ports.Session``."""
        return self._place.beside.fallen()

    def service_logs(self) -> Mapping[str, tuple[str, ...]]:
        """See ``ports.Session``."""
        return self._place.beside.logs()

    def put(self, at: str, content: Content) -> None:
        """See ``ports.Session``. It is there from the next command on, or take; they raise ``FarmError`` when a command
        has left a link or a file where a folder should be.

        Files are dated as their archive says, all others at the session's epoch.
        """
        path = PurePosixPath(ROOT, *self._parts(at)).relative_to(VOLUME)
        parcel = self._parcel = self._parcel or Parcel(self._spec.epoch)
        match content:
            case bytes():
                parcel.text(path, content)
            case Artifact():
                with self._store.open(content.sha256) as file:
                    parcel.file(path, file, content.size)
            case Archive():
                try:
                    parcel.folder(path)
                    parcel.archive(path, content, self._store.open)
                except Unavailable as error:
                    raise StepFailed(Step.PREPARE, error.reason) from error

    def run(self, command: Command) -> Completed:
        """See ``ports.Session``. A working directory that does not exist is exit code 126."""
        began = time.monotonic()
        try:
            ending = self._run(command)
        except FarmError as error:
            raise FarmError(f"could not {command.what}: {error}") from error
        self._written += ending.written
        self._cpu += ending.cpu
        self._ooms = max(self._ooms, ending.ooms)
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
        self._send()
        order = {"do": "converse", "argv": command.argv, "env": self._variables(command), "cwd": command.cwd}
        return terminal.converse(self._place.inside, order)

    def take(self, pattern: str) -> tuple[Artifact, ...]:
        """See ``ports.Session``. More than the disk limit is the package's failure."""
        parts, most = self._parts(pattern), self._spec.limits.disk
        self._send()
        try:
            return fetched(self._place.inside, ROOT, parts, most, self._store)
        except TooMuch as error:
            raise too_much(self._spec.purpose, pattern, error.size, most) from None
        except Nameless as error:
            raise unnameable(self._spec.purpose, error.name) from None

    def close(self) -> None:
        """What was put and never sent is thrown away."""
        if self._parcel:
            self._parcel.close()

    def _run(self, command: Command) -> Ending:
        if self._stop():
            return stopped(self._ooms)
        self._send()
        order = Order(
            argv=command.argv,
            env=self._variables(command),
            cwd=command.cwd,
            volume=VOLUME,
            name=secrets.token_hex(8),
            secret=secrets.token_hex(16),
            caches=self._caches,
            processors=self._place.processors,
        )
        self._caches = {}
        limits = self._spec.limits
        bounds = Bounds(
            limits=limits,
            deadline=self._deadline,
            log=limits.log - self._written,
            cpu=limits.cpu - self._cpu if limits.cpu else math.inf,
            ooms=self._ooms,
        )
        return commands.run(self._place.inside, order, bounds, self._sink, self._stop)

    def _excess(self, ending: Ending) -> Excess | None:
        if ending.ended is Ended.CPU and ending.excess:  # of which the command had only what others had left
            return replace(ending.excess, used=self._cpu, limit=self._spec.limits.cpu)
        return ending.excess

    def _variables(self, command: Command) -> dict[str, str]:
        return {**self._env, "PWD": command.cwd, **command.env, "BUILDFARM_SESSION": self._place.name}

    def _send(self) -> None:
        """What was put since the last time."""
        if parcel := self._parcel:
            self._parcel = None
            parcel.send(self._place.inside.engine, self._place.inside.container, VOLUME)

    def _parts(self, path: str) -> tuple[str, ...]:
        return parts_inside(ROOT, path)
