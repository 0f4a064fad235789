"""How to install from an index of this server: commands to copy, for the address at which it was asked."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """One command line for each installer."""

    pip: str
    uv: str


def base_of(scheme: str, host: str) -> str:
    """Where a server is that was asked under this name, as a URL without a slash at its end.

    A name that is none becomes ``HOST``, for the reader to replace.
    """
    return f"{'https' if scheme == 'https' else 'http'}://{host if _HOST.fullmatch(host) else 'HOST'}"


def install(base: str, index: str, what: str) -> Install:
    """Install ``what`` (a requirement) from the index of the server at ``base``."""
    scheme, _, host = base.partition("://")
    open_ = scheme == "http" and not _LOOPBACK.fullmatch(host)  # installers refuse plain HTTP, unless they are told
    pip, uv = (f" --trusted-host {host}", f" --allow-insecure-host {host}") if open_ else ("", "")
    url = f"{base}/{index}/simple/"
    return Install(
        pip=f"pip install{pip} --index-url {url} {what}", uv=f"uv pip install{uv} --default-index {url} {what}"
    )
