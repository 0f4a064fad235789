"""How far the pages of a server of ours follow the events, where it tells that."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

import httpx

from buildfarm.app.outside.server import Observation, Server
from buildfarm.model.errors import FarmError
from buildfarm.pages.addresses import SERIAL


def look(server: Server) -> Iterator[Observation]:
    """The serial of the tree, held against that of the events, or of a replica's primary; nothing without."""
    # The names of indexes have one segment, or two.
    roots = dict.fromkeys(urljoin(server.root, up) for up in ("../../", "../../../"))
    found = next(((root, serial) for root in roots if (serial := _serial(server, root)) is not None), None)
    if found is None:
        return
    root, serial = found
    whose, last = _last(server, root)
    behind = max(last - serial, 0)
    yield Observation(
        name="serial",
        ok=not behind,
        seen=f"pages follow the events up to {serial}" + (f", {behind} less than {whose}" if behind else ""),
        follows="what was published last is not seen here",
        remedy="look again in a minute; if it stays so, see that `buildfarm serve` runs there, or `buildfarm replica`",
    )


def _serial(server: Server, root: str) -> int | None:
    answer = server.get(urljoin(root, SERIAL))
    text = answer.text.strip()
    return int(text) if answer.status_code == 200 and text.isascii() and text.isdigit() and len(text) < 19 else None


def _last(server: Server, root: str) -> tuple[str, int]:
    """Who knows the last event, and its serial; 0 where nobody tells, as behind a server that knows only files."""
    answer = server.get(urljoin(root, "+api/v1/status"))
    if answer.status_code != 200:
        return "", 0
    try:
        status = answer.json()
        if not (primary := status["primary"]):
            return "its ledger", int(status["serial"])
        return "its primary", _serial(server, f"{primary.rstrip('/')}/") or 0
    except (ValueError, KeyError, TypeError, AttributeError, FarmError, httpx.InvalidURL):
        return "", 0
