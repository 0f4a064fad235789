"""`buildfarm proxy`: from settings to a server that runs, and the mark that it leaves while it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from buildfarm.app.settings import Settings
from buildfarm.model.errors import Refused
from buildfarm.model.index import awaited

if TYPE_CHECKING:
    from buildfarm.app.server.running import IndexServer, Place

Report = Callable[[str], None]


@contextmanager
def open_proxy(
    settings: Settings,
    environ: Mapping[str, str],
    place: Place,
    index: str,
    urls: tuple[str, ...],
    report: Report,
    heard: Report | None = None,
) -> Iterator[IndexServer]:
    """The server, listening; while it is open, ``proxies`` has it.

    Raises ``Refused`` (404) for an index that is not there, else as ``IndexServer`` does.
    """
    from buildfarm.adapters.elsewhere import Elsewhere
    from buildfarm.adapters.http_client import open_client
    from buildfarm.adapters.owners import LocalOwners
    from buildfarm.app.fetching import pip_config
    from buildfarm.app.server.proxy import Proxy
    from buildfarm.app.server.running import IndexServer

    config = pip_config(settings, environ)
    client = open_client(replace(config, find_links=(*config.find_links, *urls)))
    with (
        client,
        IndexServer(
            settings,
            environ,
            place,
            report=report,
            heard=heard,
            front=lambda serving, app: Proxy(app, serving, index, Elsewhere(urls, client), heard),
        ) as server,
        LocalOwners(settings.home).hold(f"{_mark(index)}-{os.getpid()}-{server.port}"),
    ):
        known = server.ledger.events.indexes()
        if index not in known or awaited(index):
            those = ", ".join(sorted(each for each in known if not awaited(each))) or "none"
            raise Refused(f"there is no index {index!r} to be a proxy of; those that are: {those}", 404)
        yield server


def proxies(index: str, live: frozenset[str]) -> tuple[str, ...]:
    """Of the names of live owners, what they say of proxies of the index that run on this machine now."""
    marks = (each.rsplit("-", 2) for each in sorted(live))
    return tuple(f"process {mark[1]}, port {mark[2]}" for mark in marks if mark[0] == _mark(index))


def _mark(index: str) -> str:
    return f"proxy-{index.replace('/', '+')}"
