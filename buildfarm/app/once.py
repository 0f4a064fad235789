"""What is made when it is first asked for, and never twice, whichever threads ask."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from buildfarm.model.session import SessionSpec, Sink, Stop
from buildfarm.ports import Runner, Session

T = TypeVar("T")


class Once(Generic[T]):
    """Gives what ``make`` gave the first time. Where that raised, the next call tries again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The value."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
        return self._made[0]


class LateRunner:
    """A ``Runner`` that is made for its first session; or for a sweep, unless ``idle`` says that nothing was left."""

    def __init__(self, runner: Callable[[], Runner], idle: Callable[[], bool] = lambda: False) -> None:
        self._runner = runner
        self._idle = idle

    @contextmanager
    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> Iterator[Session]:
        """See ``ports.Runner``."""
        with self._runner().open(spec, sink, stop) as session:
            yield session

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """See ``ports.Runner``."""
        return () if self._idle() else self._runner().sweep(live)
