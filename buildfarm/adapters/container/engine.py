"""The container engine: which one there is, and its errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import docker
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from buildfarm.adapters.container.sockets import answering
from buildfarm.model.errors import FarmError

FAULTS = (DockerException, RequestException, HTTPError, OSError)
"""Whatever the client raises when the engine refuses, or cannot be reached."""

_LIMITS = {"memory": "MemoryLimit", "processes": "PidsLimit", "processors": "CpuCfsQuota"}
_SECONDS = 300  # to answer one call: a commit of a large image takes its time


class Engine:
    """One engine that answers: Docker, or Podman by its Docker API. Threads may share it."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        said = client.version()
        parts = {str(each["Name"]): str(each["Version"]) for each in said.get("Components") or ()}
        self.version = str(said["Version"])
        self.words = f"podman {self.version}" if "Podman Engine" in parts else f"docker {self.version}"
        self.architecture = str(said["Arch"])

    @property
    def url(self) -> str:
        """Where it answers, for messages."""
        return str(self.client.api.base_url).replace("http+docker://localhost", "its local socket")

    @property
    def processors(self) -> int:
        """How many processors its machine has."""
        return int(self._info["NCPU"])

    @property
    def limiting(self) -> str:
        """Which limits it holds containers to, for people."""
        lacking = [name for name, key in _LIMITS.items() if not self._info.get(key)]
        return f"no limits on {' and '.join(lacking)}" if lacking else "limits by cgroup"

    @cached_property
    def _info(self) -> Mapping[str, Any]:
        with told("tell about itself"):
            found: Mapping[str, Any] = self.client.info()
            return found


def find(environ: Mapping[str, str]) -> Engine | None:
    """The engine that DOCKER_HOST names (with DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), else the first local one that
    answers us; None where there is none.

    Raises ``FarmError`` when the one that is named does not answer.
    """
    if environ.get("DOCKER_HOST"):
        return _connect(environ)
    for url in answering(environ):
        with contextlib.suppress(FarmError):
            return connect(url)
    return None


def connect(url: str) -> Engine:
    """The engine at ``unix:///…``, ``tcp://…`` or ``ssh://…``; ``FarmError`` when it does not answer."""
    return _connect({"DOCKER_HOST": url})


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Every fault of the engine or of the way to it becomes a ``FarmError``: the engine could not ``what``."""
    try:
        yield
    except FAULTS as error:
        raise FarmError(f"the container engine could not {what}: {explained(error)}") from error


def explained(error: Exception) -> str:
    """What the engine said, or why it could not be asked; one line."""
    if isinstance(error, APIError):
        return " ".join(str(error.explanation or error).split())
    return " ".join(str(error).split()) or type(error).__name__


def _connect(environ: Mapping[str, str]) -> Engine:
    url = environ["DOCKER_HOST"]
    try:
        settings = kwargs_from_env(environment=dict(environ))
        client = docker.DockerClient(
            **settings, version="auto", timeout=_SECONDS, use_ssh_client=url.startswith("ssh://")
        )
        return Engine(client)
    except FAULTS as error:
        raise FarmError(
            f"no container engine answers at {url}: {explained(error)}; start it, or say another one by DOCKER_HOST"
        ) from error
