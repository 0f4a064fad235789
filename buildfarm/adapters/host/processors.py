"""Which processors a session runs on."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Processors:
    """Processors, if not said otherwise those of this process, shared out among its sessions: each gets those that
    fewest others have.
    """

    def __init__(self, there: Iterable[int] = ()) -> None:
        self._taken = dict.fromkeys(sorted(there or os.sched_getaffinity(0)), 0)
        self._lock = threading.Lock()

    @contextmanager
    def take(self, count: float) -> Iterator[tuple[int, ...]]:
        """So many processors, sorted: rounded up, because there are no halves, and no more than there are."""
        with self._lock:
            mine = tuple(sorted(sorted(self._taken, key=self._taken.__getitem__)[: math.ceil(count)]))
            self._add(mine, 1)
        try:
            yield mine
        finally:
            with self._lock:
                self._add(mine, -1)

    def _add(self, processors: tuple[int, ...], number: int) -> None:
        for processor in processors:
            self._taken[processor] += number
