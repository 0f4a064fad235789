"""The container engine: which one there is, and its errors in our words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from buildfarm.adapters.container import sockets
from buildfarm.model.errors import FarmError

if TYPE_CHECKING:
    import docker

_LIMITS = {"memory": "MemoryLimit", "processes": "PidsLimit", "processors": "CpuCfsQuota"}
_SECONDS = 300  # to answer one call: a commit of a large image takes its time


class Engine:
    """One engine that answers: Docker, or Podman by its Docker API. Threads may share it.

    ``environ`` names it (DOCKER_HOST, and what goes with that); ``FarmError`` when it does not answer. What it has is
    asked over its socket; its SDK, ``client``, is loaded for whoever makes something on it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.url = environ["DOCKER_HOST"]
        self._environ = {name: value for name, value in environ.items() if name.startswith("DOCKER_")}
        with _there(self.url):
            said = self._get("/version")
        parts = {str(each["Name"]): str(each["Version"]) for each in said.get("Components") or ()}
        self.version = str(said["Version"])
        self.words = f"podman {self.version}" if "Podman Engine" in parts else f"docker {self.version}"
        self.architecture = str(said["Arch"])

    @cached_property
    def client(self) -> docker.DockerClient:
        """Its SDK. What is asked by it raises ``faults.FAULTS``, which ``told`` puts into words."""
        from buildfarm.adapters.container.sdk import Client

        with _there(self.url):
            return Client(self._environ, _SECONDS)

    @property
    def processors(self) -> int:
        """How many processors its machine has."""
        return int(self._info["NCPU"])

    @property
    def limiting(self) -> str:
        """Which limits it holds containers to, for people."""
        lacking = [name for name, key in _LIMITS.items() if not self._info.get(key)]
        return f"no limits on {' and '.join(lacking)}" if lacking else "limits by cgroup"

    def ask(self, path: str, filters: Mapping[str, list[str]] | None = None, **parameters: str) -> Any:
        """What it answers to ``GET path``, of JSON. Raises ``FarmError``."""
        parameters |= {"filters": json.dumps(filters)} if filters else {}
        with told(f"answer {path}"):
            return self._get(f"{path}?{urlencode(parameters)}")

    def _get(self, path: str) -> Any:
        if sockets.plain(self._environ):
            return sockets.ask(self.url, path, _SECONDS)
        api = self.client.api  # it knows the way there
        answer = api.get(f"{api.base_url}{path}", timeout=_SECONDS)
        answer.raise_for_status()
        return answer.json()

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.ask("/info")
        return found


def find(environ: Mapping[str, str]) -> Engine | None:
    """The engine that DOCKER_HOST names (with DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), else the first local one that
    answers us; None where there is none.

    Raises ``FarmError`` when the one that is named does not answer.
    """
    if environ.get("DOCKER_HOST"):
        return Engine(environ)
    for url in sockets.answering(environ):
        with contextlib.suppress(FarmError):
            return connect(url)
    return None


def connect(url: str) -> Engine:
    """The engine at ``unix:///…``, ``tcp://…`` or ``ssh://…``; ``FarmError`` when it does not answer."""
    return Engine({"DOCKER_HOST": url})


def told(what: str) -> AbstractContextManager[None]:
    """Every fault of the engine or of the way to it becomes a ``FarmError``: the engine could not ``what``."""
    return _worded(lambda fault: f"the container engine could not {what}: {fault}")


def _there(url: str) -> AbstractContextManager[None]:
    return _worded(
        lambda fault: f"no container engine answers at {url}: {fault}; start it, or say another one by DOCKER_HOST",
        ValueError,  # the URL is none
    )


@contextlib.contextmanager
def _worded(words: Callable[[str], str], *others: type[Exception]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        from buildfarm.adapters.container.faults import FAULTS, explained

        if not isinstance(error, (*FAULTS, *others)):
            raise
        raise FarmError(words(explained(error))) from error
