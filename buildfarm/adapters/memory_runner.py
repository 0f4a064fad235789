"""Sessions in memory: files in a dictionary, programs as functions. For tests, and to try an attempt out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from buildfarm.adapters.surroundings import parts_inside
from buildfarm.model.errors import StepFailed, Unavailable
from buildfarm.model.outcome import Step
from buildfarm.model.session import (
    Archive,
    Command,
    Completed,
    Content,
    Ended,
    Endpoint,
    Fallen,
    Layout,
    SessionSpec,
    Sink,
    Stop,
)
from buildfarm.model.system import SeenPackage
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Session, Store
from buildfarm.steps.archive import unpacked

ROOT = "/buildfarm"

Programs = Callable[[Command, MutableMapping[str, bytes]], tuple[int, bytes]]
"""Runs a command on the session's files, by absolute path: answers its exit code and its output."""

LAYOUT = Layout.at(ROOT, python="python", tools={name: (name,) for name in ("uv", "auditwheel", "wheel")})


class MemoryRunner:
    """A ``Runner`` without a process (``ports.Runner``). Of the limits only the log's is kept.

    A service of it is a name with a port; a program ends one by writing its log to ``/buildfarm/services/NAME``.
    """

    def __init__(self, store: Store, programs: Programs) -> None:
        self._store = store
        self._programs = programs

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``."""
        yield MemorySession(self._store, self._programs, spec, sink, stop)

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        """Nothing: what is in memory dies with its owner."""
        return ()


class MemorySession:
    """A ``Session`` on a dictionary of files (``ports.Session``); links of archives are left out."""

    def __init__(self, store: Store, programs: Programs, spec: SessionSpec, sink: Sink, stop: Stop) -> None:
        self.files: dict[str, bytes] = {}
        self._store = store
        self._programs = programs
        self._served = spec.services
        self._log = spec.limits.log
        self._sink = sink
        self._stop = stop
        self._ran: list[Completed] = []

    @property
    def layout(self) -> Layout:
        """Its paths."""
        return LAYOUT

    @property
    def isolation(self) -> str:
        """What it is."""
        return "memory (no process)"

    @property
    def packages(self) -> tuple[SeenPackage, ...]:
        """None: what runs here is a function."""
        return ()

    @property
    def services(self) -> Mapping[str, Endpoint]:
        """See ``ports.Session``."""
        return {name: Endpoint(host="127.0.0.1", port=1024 + n) for n, name in enumerate(sorted(self._served))}

    def fallen(self) -> tuple[Fallen, ...]:
        """See ``ports.Session``."""
        logs = {name: self.files.get(f"{ROOT}/services/{name}") for name in sorted(self._served)}
        return tuple(
            Fallen(service=name, message=f"the service {name} ended", tail=tuple(log.decode().splitlines()))
            for name, log in logs.items()
            if log is not None
        )

    def service_logs(self) -> Mapping[str, tuple[str, ...]]:
        """See ``ports.Session``. One that has not ended said nothing."""
        return dict.fromkeys(sorted(self._served), ()) | {each.service: each.tail for each in self.fallen()}

    def put(self, at: str, content: Content) -> None:
        """See ``ports.Session``."""
        path = self._inside(at)
        match content:
            case bytes():
                self.files[str(path)] = content
            case Artifact():
                self.files[str(path)] = self._bytes(content)
            case Archive():
                try:
                    self._unpack(path, content)
                except Unavailable as error:
                    raise StepFailed(Step.PREPARE, error.reason) from error

    @property
    def ran(self) -> tuple[Completed, ...]:
        """See ``ports.Session``."""
        return tuple(self._ran)

    def run(self, command: Command) -> Completed:
        """See ``ports.Session``."""
        done = self._call(command)
        self._ran.append(done)
        return done

    def _call(self, command: Command) -> Completed:
        if self._stop():
            return Completed(command=command, ended=Ended.STOPPED, exit_code=-9, seconds=0.0)
        code, output = self._programs(command, self.files)
        fitting = output[: self._log]
        self._log -= len(fitting)
        if fitting:
            self._sink(fitting)
        ended = Ended.EXITED if fitting == output else Ended.LOG
        tail = tuple(fitting.decode(errors="replace").splitlines()[-60:])
        return Completed(command=command, ended=ended, exit_code=code, seconds=0.0, tail=tail)

    def interact(self, command: Command) -> int:
        """See ``ports.Session``. What it says goes nowhere: a function has no streams."""
        return self._programs(command, self.files)[0]

    def take(self, pattern: str) -> tuple[Artifact, ...]:
        """See ``ports.Session``."""
        globs = self._inside(pattern).parts
        found = ((PurePosixPath(path), content) for path, content in self.files.items())
        return tuple(
            sorted(
                self._store.put(path.name, io.BytesIO(content))
                for path, content in found
                if len(path.parts) == len(globs) and all(map(_matches, path.parts, globs))
            )
        )

    def _unpack(self, below: PurePosixPath, content: Archive) -> None:
        found: dict[str, bytes] = {}  # nothing of an archive that is refused at its end
        for entry in unpacked(content, self._store.open):
            if entry.kind == "file":
                with entry.open() as file:
                    found[str(below / entry.path)] = file.read()
        self.files |= found

    def _bytes(self, artifact: Artifact) -> bytes:
        with self._store.open(artifact.sha256) as file:
            return file.read()

    def _inside(self, path: str) -> PurePosixPath:
        return PurePosixPath(ROOT, *parts_inside(ROOT, path))


def _matches(name: str, glob: str) -> bool:
    """As in a shell: ``*`` matches no name that begins with a dot."""
    return fnmatchcase(name, glob) and (glob.startswith(".") or not name.startswith("."))
