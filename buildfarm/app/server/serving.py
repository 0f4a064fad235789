"""What a server works with, and how its routes get at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.app.server.access import Access, Reader
from buildfarm.app.settings import Settings
from buildfarm.app.wiring import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A home that is served.

    ``site`` opens its farm when it is first asked for, which may take seconds; ``report`` hears a line for a person.
    """

    settings: Settings
    ledger: Ledger
    access: Access
    site: Callable[[], Site]
    report: Callable[[str], None] = lambda _: None


def _here(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _reader(request: Request) -> Reader:
    return _here(request).access.reader(request.headers.get("authorization", ""))


Here = Annotated[Serving, Depends(_here)]
"""The parameter of a route that wants the home."""

Asking = Annotated[Reader, Depends(_reader)]
"""The parameter of a route that wants to know what whoever asks may read."""
