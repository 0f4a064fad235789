"""What a host is to be configured to, and the files that come of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

USER = "__token__"
"""The user name that goes with a token."""

_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An index of a server: what clients call it, the URL of its pages, and that of uploads (empty: elsewhere's)."""

    name: str
    simple: str
    upload: str = ""

    @property
    def host(self) -> str:
        """Host and, where there is one, port."""
        return urlsplit(self.simple).netloc

    @property
    def scheme(self) -> str:
        """``https``, or ``http``."""
        return urlsplit(self.simple).scheme

    @property
    def plain(self) -> bool:
        """Whether it is reached without TLS, on another machine: whoever is on the way can put in other bytes."""
        return self.scheme == "http" and not _LOOPBACK.fullmatch(urlsplit(self.simple).hostname or "")

    @property
    def variable(self) -> str:
        """The name as a part of environment variables: ``COMPANY_DEV``."""
        return re.sub("[^A-Z0-9]", "_", self.name.upper())

    def with_token(self, variable: str) -> str:
        """The URL of its pages with the token of an environment variable in it, for who expands ``${…}``."""
        return f"{self.scheme}://{USER}:${{{variable}}}@{self.simple.partition('://')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One index, others beside it, the variable that a token for reading is in, a CA bundle, and whether certificates
    are to be believed unseen.
    """

    index: Source
    extra: tuple[Source, ...] = ()
    token_env: str = ""
    cert: str = ""
    trusted_host: bool = False

    @property
    def unchecked(self) -> tuple[Source, ...]:
        """The indexes of which nobody proves that they are who they say."""
        return tuple(each for each in (self.index, *self.extra) if each.plain or self.trusted_host)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A file: its name, where it goes (by whom it is for, then by system), and its text."""

    name: str
    text: str
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def source_at(server: str, index: str) -> Source:
    """The index of that name on a server of ours."""
    root = f"{server.rstrip('/')}/{index}"
    return Source(name=re.sub("[^a-z0-9]+", "-", index), simple=f"{root}/simple/", upload=f"{root}/")


def source_elsewhere(url: str) -> Source:
    """The index whose pages are at a URL."""
    return Source(name=re.sub("[^a-z0-9]+", "-", (urlsplit(url).hostname or "other").lower()), simple=url)


def comments(lines: Iterable[str]) -> str:
    """The lines as comments."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def placed(places: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    """Lines that say where a file goes."""
    for whose, of_system in places.items():
        yield f"  {whose}:"
        yield from (f"    {system:8} {path}" for system, path in of_system.items())


UNCHECKED = (
    "Nobody proves to this host that the server is the one it says: whoever is on the way can put in other bytes.",
    "Better is https with a certificate of your own CA, and --cert FILE.",
)
"""The warning beside whatever turns checks off."""
