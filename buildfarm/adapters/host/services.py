"""Servers beside a session of this machine: processes of its tree, which see the machine's programs."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildfarm.adapters.host import bubblewrap, process
from buildfarm.adapters.host.cgroup import Group, Held
from buildfarm.adapters.host.loopback import ENTER
from buildfarm.adapters.host.sweep import MARK, SERVERS
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError, StepFailed, Stopped
from buildfarm.model.image import Image
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Limits
from buildfarm.model.services import refusals, variables
from buildfarm.model.session import Ended, Endpoint, Fallen, SessionSpec, Sink, Stop
from buildfarm.steps.services import ASK, Serving, ended, named, said, servings, too_late, unready

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ELSEWHERE = ("usr/lib/*/bin", "usr/lib/*/*/bin")
_MOMENT = 0.3  # seconds: whoever lost a connection may hear of it before we know that the server ended
_TAIL_LINES = 40


def offered(images: Mapping[str, Image], system: Path = Path("/")) -> Mapping[str, str]:
    """The images of services all of whose programs this machine has, and the one that joins tests to their network, by
    name, each with a digest of how it serves and of those programs; ``system`` is its root folder.

    Where a program is and how large stands for its version: to ask all of them would hold up every command.
    """
    folders = [system / each.lstrip("/") for each in _PATH.split(":")]
    folders += [folder for each in _ELSEWHERE for folder in system.glob(each)]

    def here(program: str) -> tuple[str, int] | None:
        found = next((path for folder in folders if (path := folder / program).is_file()), None)
        return (str(found.resolve().relative_to(system.resolve())), found.stat().st_size) if found else None

    if not here(ENTER):
        return {}
    serving = {name: image.server for name, image in images.items() if image.server and image.server.programs}
    programs = {name: [here(each) for each in server.programs] for name, server in sorted(serving.items())}
    return {name: digest([serving[name], found]) for name, found in programs.items() if all(found)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where servers run: the session's name and folder, its processors and control group; the userland, and
    bubblewrap with the argv that enters the session's network, or None where there is no sandbox.
    """

    name: str
    folder: Path
    processors: tuple[int, ...]
    group: Group
    userland: Path
    bwrap: str | None
    enter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Servers that were started together."""

    servers: tuple[Server, ...] = ()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Where each answers, by the service's name."""
        return {each.serving.name: each.serving.endpoint for each in self.servers}

    def fallen(self) -> tuple[Fallen, ...]:
        """Those that run no more, with the ends of their logs."""
        deadline = time.monotonic() + _MOMENT
        return tuple(found for each in self.servers if (found := each.fallen(deadline - time.monotonic())))

    def logs(self) -> Mapping[str, tuple[str, ...]]:
        """What each said last, by the service's name."""
        return {each.serving.name: each.tail for each in self.servers}


@contextmanager
def beside(ground: Ground, spec: SessionSpec, images: Mapping[str, Image], sink: Sink, stop: Stop) -> Iterator[Servers]:
    """The session's services, whose users can log in; all that was started has ended when the context has.

    Raises ``StepFailed`` (code ``service``, at test) when one ends, is not ready in its time, or is declared wrongly:
    then its log goes to ``sink``; ``Stopped`` when told to.
    """
    for reason in refusals(spec.services, variables(images)):
        raise StepFailed(Step.TEST, reason)
    servers = tuple(Server(each, ground, spec.limits) for each in servings(spec.services, images))
    try:
        for each in servers:
            each.start()
        for each in servers:
            if failed := each.unready(stop):
                sink(said((failed,)))
                raise StepFailed(Step.TEST, unready(failed))
        yield Servers(servers=servers)
    finally:
        for each in servers:
            each.stop()
        for each in servers:
            each.join()


class Server:
    """One server, run by a thread of ours under a supervisor of its own."""

    def __init__(self, serving: Serving, ground: Ground, limits: Limits) -> None:
        folder = ground.folder / "services" / serving.name
        own = {path: folder / str(number) for number, path in enumerate((*serving.server.scratch, "/tmp"))}  # noqa: S108
        for each in own.values():
            each.mkdir(parents=True)
        self._sandbox, scratch = None, str(folder / "0")
        if ground.bwrap:
            seen = bubblewrap.seen_by_server(ground.userland, own, limits.memory)
            self._sandbox = bubblewrap.Sandbox(ground.bwrap, ground.userland, seen, ground.enter)
            scratch = serving.server.scratch[0]
        else:  # its network is everybody's
            serving = replace(serving, endpoint=replace(serving.endpoint, port=_free_port(serving.endpoint)))
        self.serving = serving
        self._ground = ground
        self._limits = limits
        self._env = {"PATH": _PATH, "HOME": scratch, "LANG": "C.UTF-8", "TZ": "UTC", **serving.variables(scratch)}
        self._answers, self._asked = folder / "0" / ".ready", f"{scratch}/.ready"
        self._log = process.Output(_unheard, limits.log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"service {serving.name}", daemon=True)
        self._end = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def unready(self, stop: Stop) -> Fallen | None:
        """Wait until its user can log in: None; or else what went wrong."""
        asking = ("/bin/sh", "-c", ASK, self.serving.server.ready, self._asked)
        ending = self._run(asking, self.serving.server.seconds, _unheard, lambda: stop() or not self._thread.is_alive())
        if ending.ended is Ended.EXITED and ending.exit_code == 0:
            return None
        if stop():
            raise Stopped(f"start {named(self.serving)}")
        answer = self._answers.read_text(encoding="utf-8", errors="replace") if self._answers.is_file() else ""
        return self.fallen() or self._told(too_late(self.serving, answer))

    def fallen(self, moment: float = _MOMENT) -> Fallen | None:
        """How it ended; None while it runs, and for a moment more (seconds)."""
        self._thread.join(max(0.0, moment))
        return None if self._thread.is_alive() else self._told(self._end)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that it said."""
        return self._log.tail()[-_TAIL_LINES:]

    def stop(self) -> None:
        """Tell it to end at once."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until it has."""
        if self._thread.ident:
            self._thread.join()

    def _serve(self) -> None:
        start = ("/bin/sh", "-e", "-c", self.serving.server.start)
        try:
            ending = self._run(start, self._limits.wall, self._hear, self._stopping.is_set)
        except FarmError as error:
            self._end = f"{named(self.serving)} was lost: {error}"
        else:
            self._end = _worded(self.serving, ending)

    def _run(self, argv: tuple[str, ...], seconds: float, sink: Sink, stop: Stop) -> process.Ending:
        mark, limits = {MARK: self._ground.name + SERVERS}, self._limits
        bounds = process.Bounds(
            deadline=time.monotonic() + seconds,
            silence=math.inf,
            log=limits.log,
            memory=limits.memory,
            pids=limits.pids,
            held=Held(group=self._ground.group, cpu=math.inf),
        )
        if self._sandbox is None:
            folder = str(self._answers.parent)
            order = process.Order(
                argv=argv, env={**self._env, **mark}, cwd=folder, mark=mark, processors=self._ground.processors
            )
            return process.run(order, bounds, sink, stop)
        order = process.Order(
            argv=self._sandbox.wrap(argv, "/", self._env),
            env=mark,
            cwd="/",
            mark=mark,
            processors=self._ground.processors,
            report_at=bubblewrap.REPORT_AT,
        )
        return bubblewrap.read(process.run(order, bounds, sink, stop))

    def _hear(self, chunk: bytes) -> None:
        self._log.take(chunk)

    def _told(self, message: str) -> Fallen:
        return Fallen(service=self.serving.name, message=message, tail=self.tail)


def _worded(serving: Serving, ending: process.Ending) -> str:
    if ending.ended is Ended.EXITED:
        return ended(serving, ending.exit_code)
    return f"{named(serving)} was ended: {ending.ended}"


def _free_port(wanted: Endpoint) -> int:
    """The port that is wanted where it is free, else any that is."""
    for port in (wanted.port, 0):
        with socket.socket() as asking, contextlib.suppress(OSError):
            asking.bind((wanted.host, port))
            return int(asking.getsockname()[1])
    raise FarmError(f"no port of {wanted.host} is free")


def _unheard(_chunk: bytes) -> None:
    """What is kept of it says enough."""
