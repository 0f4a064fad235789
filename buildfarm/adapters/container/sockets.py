"""Container engines asked without their SDK, which is slow to load: over a socket of this machine, or plain TCP."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

_PLACES = ("/var/run/docker.sock", "{run}/docker.sock", "/run/podman/podman.sock", "{run}/podman/podman.sock")
_SECONDS = 2.0  # an engine that takes longer to say that it is there would hold up everything
_UNIX = "unix://"
_TCP = re.compile(r"tcp://[^/:]+:\d+/?")


def answering(environ: Mapping[str, str]) -> Iterator[str]:
    """URLs of the local engines that answer us, best first: ``unix:///var/run/docker.sock``."""
    run = environ.get("XDG_RUNTIME_DIR", "/run")
    places = dict.fromkeys(each.format(run=run) for each in _PLACES)
    return (url for url in (f"{_UNIX}{path}" for path in places) if _answers(url))


def plain(environ: Mapping[str, str]) -> bool:
    """Whether the engine that DOCKER_HOST names can be asked here: one that takes neither TLS nor ssh."""
    url = environ["DOCKER_HOST"]
    safe = environ.get("DOCKER_TLS_VERIFY") or environ.get("DOCKER_CERT_PATH")
    return url.startswith(_UNIX) or (not safe and _TCP.fullmatch(url) is not None)


def ask(url: str, path: str, seconds: float) -> Any:
    """The JSON that an engine answers to ``GET path``; ``OSError`` says why there is none."""
    body = _get(url, path, seconds)
    try:
        return json.loads(body)
    except ValueError as error:
        raise OSError(f"it speaks no JSON: {error}") from error


def _answers(url: str) -> bool:
    try:
        _get(url, "/_ping", _SECONDS)
    except OSError:
        return False
    return True


def _get(url: str, path: str, seconds: float) -> bytes:
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "localhost", parts.port, timeout=seconds)) as connection:
        if url.startswith(_UNIX):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(seconds)
            connection.sock.connect(url.removeprefix(_UNIX))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except HTTPException as error:
            raise OSError(f"it speaks no HTTP: {error}") from error
    if answer.status != HTTPStatus.OK:
        raise OSError(f"it answered {answer.status}: {body.decode('utf-8', 'replace').strip()}")
    return body
