"""What a server does beside answering: it writes pages that lag behind the events, and has uploads tested."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from buildfarm.app.server.serving import Serving
from buildfarm.app.uploads import settle_uploads
from buildfarm.farm.lay_out import DOCS
from buildfarm.farm.render import ROOTS, catch_up
from buildfarm.model.errors import FarmError

_EVERY = 1.0
"""Seconds between two looks: pages that list all projects are written no more often, and may lag by that."""


class Following:
    """Follows the ledger from ``start`` to ``stop``: whoever appends an event, in this process or another.

    ``jobs`` tests of uploads run at once; with 0 somebody else runs them.
    """

    def __init__(self, serving: Serving, jobs: int) -> None:
        self._serving = serving
        self._over = threading.Event()
        tasks = [self._catch_up, *([lambda: self._settle(jobs)] if jobs else [])]
        self._threads = [threading.Thread(target=self._repeat, args=(each,), daemon=True) for each in tasks]

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End: tests that run are handed back to the queue."""
        self._over.set()
        for each in self._threads:
            each.join()

    def _repeat(self, task: Callable[[], None]) -> None:
        said = ""
        while not self._over.is_set():
            trouble = ""
            try:
                task()
            except FarmError as error:  # an operator can mend it, while the pages are served on
                trouble = f"error: {error}"
            except Exception:  # noqa: BLE001 - likewise, by developers
                trouble = f"a fault of buildfarm itself, please report it: {traceback.format_exc()}"
            if trouble and trouble != said:
                self._serving.report(trouble)
            said = trouble
            self._over.wait(_EVERY)

    def _catch_up(self) -> None:
        ledger = self._serving.ledger
        if ledger.replication.standing().serial > min(map(ledger.rendering.position, (ROOTS, DOCS))):
            catch_up(self._serving.site().farm)

    def _settle(self, jobs: int) -> None:
        if not any(request.uploads for request in self._serving.ledger.requests.open_requests()):
            return
        with suppress(KeyboardInterrupt):  # it was told to stop
            settle_uploads(self._serving.site(), jobs, self._over)
