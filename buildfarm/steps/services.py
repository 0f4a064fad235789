"""Servers beside a test: where each listens, with which variables it starts, and what it means when one fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count

from buildfarm.model.image import Image, Server
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Service
from buildfarm.model.session import Endpoint, Fallen

LOOPBACK = "127.0.0.1"

ASK = 'until said=$(sh -e -c "$0" 2>&1 </dev/null); do printf "%s\\n" "$said" >"$1"; sleep 0.1; done'
"""Script for ``sh -c``, after which come the script ``ready`` and a file for its last refusal; ends when it is ready.

No caller starts a process for every question, and a question that hangs takes the time of the server alone.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One server to start: the service's name, its image and how that serves, where, and the recipe's variables."""

    name: str
    image: str
    server: Server
    endpoint: Endpoint
    env: Mapping[str, str]

    def variables(self, scratch: str) -> dict[str, str]:
        """Those of both scripts: the image's, the recipe's over them, ``PORT``, and ``SCRATCH``, which is given."""
        return {**self.server.env, **self.env, "PORT": str(self.endpoint.port), "SCRATCH": scratch}


def servings(wanted: Mapping[str, Service], images: Mapping[str, Image]) -> tuple[Serving, ...]:
    """The servers that are wanted, by name; of two that would listen on one port the second gets the next one.

    Nothing may be wrong with them (``model.services.refusals``).
    """
    found: list[Serving] = []
    for name, service in sorted(wanted.items()):
        if server := images[service.image].server:
            taken = {each.endpoint.port for each in found}
            port = next(each for each in count(server.port) if each not in taken)
            endpoint = Endpoint(host=LOOPBACK, port=port)
            found.append(Serving(name=name, image=service.image, server=server, endpoint=endpoint, env=service.env))
    return tuple(found)


def fallen(those: Iterable[Fallen]) -> Reason | None:
    """Why what a test said is no verdict: a server ended; None where none did."""
    ended = tuple(those)
    if not ended:
        return None
    return Reason(
        code="service",
        message=f"while the tests ran, {'; '.join(each.message for each in ended)}",
        advice="what the tests said is no verdict; the last lines of the server's log may say why it ended",
        tail=tuple(line for each in ended for line in each.tail),
    )


def unready(fallen: Fallen) -> Reason:
    """Why no test was run: the server did not come up, or nobody could log in."""
    return Reason(
        code="service",
        message=fallen.message,
        advice="the last lines of its log say why; `env` of the service sets it up",
        tail=fallen.tail,
    )


def ended(serving: Serving, exit_code: int, *, out_of_memory: bool = False) -> str:
    """What is told of a server that runs no more; a negative exit code is the signal that killed it."""
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    return f"{named(serving)} {how}{', for it needed more than limits.memory' if out_of_memory else ''}"


def too_late(serving: Serving, asked: str) -> str:
    """What is told of a server that runs and lets nobody in; ``asked`` is what its script ``ready`` said last."""
    last = asked.strip().splitlines()[-1:]
    why = f": {last[0]}" if last else ""
    return f"{named(serving)} was not ready after {serving.server.seconds} s{why}"


def named(serving: Serving) -> str:
    """``the service db (mariadb)``."""
    return f"the service {serving.name} ({serving.image})"


def kept(those: Iterable[Fallen], logs: Mapping[str, tuple[str, ...]]) -> bytes:
    """What all servers said last, for the log of an attempt that failed; ``those`` are the ones that ended."""
    gone = tuple(those)
    living = logs.keys() - {each.service for each in gone}
    runs = (Fallen(service=name, message=f"the service {name} still runs", tail=logs[name]) for name in sorted(living))
    return said((*gone, *runs))


def said(those: Iterable[Fallen]) -> bytes:
    """The ends of the logs of servers, for the log of the attempt."""
    lines = (line for each in those for line in (f"== {each.message}; its log ends:", *each.tail))
    return "".join(f"{line}\n" for line in lines).encode()
