"""Opens sessions on this machine, and sweeps up after those whose owner died."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from buildfarm.adapters.host import cgroup
from buildfarm.adapters.host.bubblewrap import Sandbox, seen_by_commands
from buildfarm.adapters.host.loopback import kept
from buildfarm.adapters.host.processors import Processors
from buildfarm.adapters.host.provision import Provide
from buildfarm.adapters.host.services import Ground, beside
from buildfarm.adapters.host.session import HostSession, Place
from buildfarm.adapters.host.sweep import MARK, SERVERS, Record, close, started, sweep
from buildfarm.adapters.host.userland import userland
from buildfarm.model.image import Image
from buildfarm.model.session import SessionSpec, Sink, Stop
from buildfarm.ports import Session, Store


class HostRunner:
    """A ``Runner`` of processes in folders below ``home/sessions`` (``ports.Runner``).

    ``bwrap`` is a bubblewrap that works here (``bubblewrap.find``); with None there is no isolation: sessions say so.
    Sessions have their control groups below ``parents`` (``cgroup.find``); what those cannot hold is polled. Services
    are servers of ``images`` whose programs this machine has.
    """

    def __init__(
        self,
        home: Path,
        store: Store,
        provide: Provide,
        bwrap: str | None,
        parents: tuple[cgroup.Parent, ...] = (),
        images: Mapping[str, Image] | None = None,
    ) -> None:
        home = home.resolve()
        self._sessions = home / "sessions"
        self._tools = home / "tools"
        self._store = store
        self._provide = provide
        self._bwrap = bwrap
        self._parents = parents
        self._images = images or {}
        self._processors = Processors()

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``."""
        with (
            self._provide(spec) as given,
            self._processors.take(spec.limits.cpus) as processors,
            ExitStack() as ending,
        ):
            tools = userland(self._tools)
            self._sessions.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = secrets.token_hex(8)
            pid = os.getpid()
            Record(
                name=name,
                owner=spec.owner,
                attempt=spec.attempt,
                pid=pid,
                started=started(pid) or 0,
                groups=tuple(str(parent.folder) for parent in self._parents),
            ).write(self._sessions)
            folder = self._sessions / name
            ending.callback(close, self._sessions, name)
            folder.mkdir()
            group = cgroup.make(self._parents, name, spec.limits)
            sandbox: Sandbox | None = None
            enter: tuple[str, ...] = ()
            if self._bwrap:
                if spec.services:
                    enter = ending.enter_context(kept(self._bwrap, {MARK: name + SERVERS}))
                seen = seen_by_commands(folder, tools, given, spec.limits.memory)
                sandbox = Sandbox(self._bwrap, tools, seen, enter)
            ground = Ground(
                name=name,
                folder=folder,
                processors=processors,
                group=group,
                userland=tools,
                bwrap=self._bwrap,
                enter=enter,
            )
            place = Place(
                name=name,
                folder=folder,
                userland=tools,
                sandbox=sandbox,
                processors=processors,
                group=group,
                given=given,
                servers=ending.enter_context(beside(ground, spec, self._images, sink, stop)),
            )
            yield HostSession(place, spec, self._store, sink, stop)

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """See ``ports.Runner``."""
        return sweep(self._sessions, live)
