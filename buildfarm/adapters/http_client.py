"""The HTTP client of this machine, as its pip is configured."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from urllib.parse import unquote, urlsplit

import httpx

from buildfarm.adapters.pip_config import PipConfig


def open_client(config: PipConfig) -> httpx.Client:
    """A client with the certificates, trusted hosts and credentials of pip's configuration; whoever asks closes it."""
    return httpx.Client(
        verify=ssl.create_default_context(cafile=config.cert) if config.cert else True,
        auth=Credentials((config.index_url, *config.extra_index_urls, *config.find_links)),
        mounts={f"https://{host}": httpx.HTTPTransport(verify=False) for host in config.trusted_hosts},
        follow_redirects=True,
        timeout=httpx.Timeout(30.0, connect=10.0),
    )


class Credentials(httpx.Auth):
    """Basic authentication for the hosts whose URLs came with a user and password, and for nobody else."""

    def __init__(self, urls: tuple[str, ...]) -> None:
        self._known = {
            (parts.hostname, parts.port): httpx.BasicAuth(unquote(parts.username), unquote(parts.password or ""))
            for parts in map(urlsplit, urls)
            if parts.username
        }

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header where it is due."""
        if known := self._known.get((request.url.host, request.url.port)):
            yield from known.auth_flow(request)
        else:
            yield request
