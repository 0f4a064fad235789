"""Opens sessions in containers of one engine, and sweeps up after those whose owner died."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.hardening import GRACE, hardened
from buildfarm.adapters.container.inside import program
from buildfarm.adapters.container.labels import Labels, ours
from buildfarm.adapters.container.provision import Provide, Provision
from buildfarm.adapters.container.running import Inside
from buildfarm.adapters.container.services import Beside, Running, Services
from buildfarm.adapters.container.session import VOLUME, ContainerSession, Place
from buildfarm.adapters.container.sweep import close, sweep
from buildfarm.adapters.host.processors import Processors
from buildfarm.model.errors import FarmError
from buildfarm.model.recipe import Limits
from buildfarm.model.session import SessionSpec, Sink, Stop
from buildfarm.ports import Session, Store

_WARDEN = program("dumpable", "warden")


class ContainerRunner:
    """A ``Runner`` of containers (``ports.Runner``). ``farm`` names the home, whose sessions are swept here.

    Nothing assumes that the engine sees our files. Without ``services`` none can be had.
    """

    def __init__(
        self, *, engine: Engine, store: Store, provide: Provide, farm: str, services: Services | None = None
    ) -> None:
        self._engine = engine
        self._store = store
        self._provide = provide
        self._farm = farm
        self._services = services
        self._processors = Processors(range(engine.processors))

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``. When the engine is lost meanwhile, what it still has is left to a sweep."""
        labels = ours(self._farm, "session", owner=spec.owner, attempt=spec.attempt, session=secrets.token_hex(8))
        with self._provide(spec, stop) as given, self._processors.take(spec.limits.cpus) as processors:
            try:
                inside = self._start(spec.limits, given, labels)
                place = Place(
                    name=labels.session,
                    inside=inside,
                    given=given,
                    processors=processors,
                    beside=self._serve(
                        spec,
                        Beside(container=inside.container, labels=labels, limits=spec.limits, sink=sink, stop=stop),
                    ),
                )
                with contextlib.closing(ContainerSession(place, spec, self._store, sink, stop)) as session:
                    yield session
            except BaseException:
                with contextlib.suppress(FarmError):  # what went wrong first is what is told
                    close(self._engine, labels.session)
                raise
            close(self._engine, labels.session)

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """See ``ports.Runner``."""
        return sweep(self._engine, self._farm, live)

    def _start(self, limits: Limits, given: Provision, labels: Labels) -> Inside:
        with told("open a session"):
            client = self._engine.client
            volume = client.volumes.create(labels=labels.written)
            container = client.containers.create(
                given.image,
                entrypoint=[given.interpreter, "-I", "-S", "-c", _WARDEN, str(limits.wall + GRACE)],
                working_dir="/",
                hostname="buildfarm",
                volumes={volume.name: {"bind": VOLUME, "mode": "rw"}},
                labels=labels.written,
                **hardened(self._engine, limits),
            )
            container.start()
        return Inside(engine=self._engine, container=str(container.id), interpreter=given.interpreter)

    def _serve(self, spec: SessionSpec, beside: Beside) -> Running:
        if not spec.services:
            return Running()
        if self._services is None:
            raise FarmError(f"no services can be had here, and the session asks for {', '.join(spec.services)}")
        return self._services.start(spec.services, beside)
