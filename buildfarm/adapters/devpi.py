"""Publishing to an index of a devpi-server, by its own API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import httpx

from buildfarm.adapters.legacy_upload import LegacyIndex
from buildfarm.adapters.peer import Login, Peer
from buildfarm.model.distribution import Named, Outgoing
from buildfarm.model.errors import FarmError, Refused

_JSON = "application/json"


class DevpiStage:
    """A ``ports.Outlet``: the index of a devpi-server, where the peer is ``…/USER/INDEX``.

    A password is sent once, for a token that counts some hours: devpi hashes each password slowly. Raises as ``Peer``
    does, and ``Refused`` where no such index is, or it is a mirror.
    """

    def __init__(self, peer: Peer, login: Login | None) -> None:
        self._peer = peer
        self._stage = peer.url.rstrip("/")
        with self._understood():
            api = _result(peer.get(f"{self._stage}/+api", _JSON))
            if "pypisubmit" not in api:
                raise Refused(f"{self._stage} is no index that takes uploads; name one: devpi:https://HOST/USER/INDEX")
        if login:
            peer.allow(self._headers(login))
        # As it was called, not as it calls itself: behind a proxy that may be another host, which gets no credentials.
        self._uploads = LegacyIndex(peer, f"{self._stage}/", "")

    def has(self, project: str) -> Mapping[str, str]:
        """The files of the project that are on the index itself, not on its bases, and their sha256."""
        with self._understood():
            versions = _result(self._peer.get(f"{self._stage}/{project}?ignore_bases", _JSON)).values()
            links = [link for version in versions for link in version.get("+links", ())]
            return {
                link["href"].partition("#")[0].rpartition("/")[2]: (link.get("hashes") or {}).get("sha256", "")
                for link in links
                if link["rel"] == "releasefile"
            }

    def put(self, file: Outgoing, content: IO[bytes]) -> None:
        """Upload it, as devpi's client does."""
        self._uploads.put(file, content)

    def push(self, release: Named, to: str) -> None:
        """Let devpi promote the release to another of its indexes, ``USER/INDEX``."""
        wanted = {"name": release.project, "version": release.version, "targetindex": to}
        self._peer.post(self._stage, json=wanted)

    def _headers(self, login: Login) -> Mapping[str, str]:
        if login.user == "__token__":
            return {"Authorization": f"Basic {login.basic}"}
        url = f"{self._stage.rsplit('/', 2)[0]}/+login"
        with self._understood():
            token = _result(self._peer.post(url, json={"user": login.user, "password": login.password}))["password"]
            return {"X-Devpi-Auth": Login(user=login.user, password=token).basic}

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{self._stage} does not answer as a devpi-server does: {error!r}; is the URL right?"
            raise FarmError(message) from error


def _result(response: httpx.Response | None) -> Any:
    """What an answer is about; nothing where there is none."""
    return {} if response is None else response.json()["result"]
