"""A runner for every lane of this machine: sessions open where their environment is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from buildfarm.model.errors import FarmError
from buildfarm.model.session import SessionSpec, Sink, Stop
from buildfarm.ports import Runner, Session


class LaneRunner:
    """A ``Runner`` made of others, by the lane of the environment (``linux-x86_64-container``)."""

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        self._runners = runners

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``. Raises ``FarmError`` where this machine does not serve the lane."""
        runner = self._runners.get(spec.environment.lane)
        if runner is None:
            raise FarmError(
                f"this machine serves {', '.join(sorted(self._runners))}, and no {spec.environment.lane}; "
                "is the container engine that was here still running?"
            )
        with runner.open(spec, sink, stop) as session:
            yield session

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """See ``ports.Runner``."""
        return tuple(attempt for runner in dict.fromkeys(self._runners.values()) for attempt in runner.sweep(live))
