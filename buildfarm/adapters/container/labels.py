"""What is written on everything that we make on an engine: whose it is, and what for."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host.sweep import started

FARM = "buildfarm.farm"
KIND = "buildfarm.kind"
OWNER = "buildfarm.owner"
ATTEMPT = "buildfarm.attempt"
HOST = "buildfarm.host"
PID = "buildfarm.pid"
STARTED = "buildfarm.started"
SESSION = "buildfarm.session"
DEFINITION = "buildfarm.definition"
LAYER = "buildfarm.layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Of one thing. ``kind``: session, service, layer or making; ``farm`` is the identity of the home; ``session``
    names the session.

    ``pid`` and ``started`` name the process of the machine ``host`` that made it. What is empty is not written.
    """

    farm: str
    kind: str
    owner: str = ""
    attempt: str = ""
    session: str = ""
    definition: str = ""
    layer: str = ""
    host: str = ""
    pid: str = ""
    started: str = ""

    @property
    def written(self) -> dict[str, str]:
        """As the engine takes them."""
        return {f"buildfarm.{name}": value for name in self.__slots__ if (value := getattr(self, name))}

    @property
    def filters(self) -> dict[str, list[str]]:
        """Selects, in lists of the engine, what carries all of these."""
        return {"label": [f"{name}={value}" for name, value in self.written.items()]}

    @classmethod
    def read(cls, written: Mapping[str, str]) -> Labels:
        """Those that the engine tells; others than ours are left out."""
        found = {name: written.get(f"buildfarm.{name}", "") for name in cls.__slots__}
        return cls(**found)


def ours(
    farm: str,
    kind: str,
    *,
    owner: str = "",
    attempt: str = "",
    session: str = "",
    definition: str = "",
    layer: str = "",
) -> Labels:
    """Labels of what this process makes."""
    pid = os.getpid()
    return Labels(
        farm=farm,
        kind=kind,
        owner=owner,
        attempt=attempt,
        session=session,
        definition=definition,
        layer=layer,
        host=host(),
        pid=str(pid),
        started=since(pid),
    )


def host() -> str:
    """The name of this machine among those that share an engine."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip() or socket.gethostname()
    except OSError:
        return socket.gethostname()


def since(pid: int) -> str:
    """When a process of this machine started, of all its boots; empty when it has ended."""
    ticks = started(pid)
    return "" if ticks is None else f"{_boot()}.{ticks}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
