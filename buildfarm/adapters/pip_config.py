"""The machine's own pip configuration, as values: whoever could `pip install` here can build here."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from pip._internal.models.index import PyPI

from buildfarm.model.errors import FarmError

_SECTIONS = ("global", "download", "install")  # a later one wins, as in pip itself


@dataclass(frozen=True, slots=True, kw_only=True)
class PipConfig:
    """Where distributions come from. URLs may hold credentials: ``repr`` leaves them out, ``redacted`` prints the rest.

    ``find_links`` are absolute paths or URLs; ``cert`` is the path of a CA bundle, or empty.
    """

    index_url: str = field(default="", repr=False)
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    no_index: bool = False
    cert: str = ""
    trusted_hosts: tuple[str, ...] = ()

    @property
    def indexes(self) -> tuple[str, ...]:
        """The index URLs in the order of asking; none under ``no_index``."""
        return () if self.no_index else (self.index_url, *self.extra_index_urls)


def read(environ: Mapping[str, str], home: Path, prefix: Path | None = None, etc: Path = Path("/etc")) -> PipConfig:
    """What pip would use for ``install``: files of the system, the user, the virtual environment ``prefix``,
    ``PIP_CONFIG_FILE``, then ``PIP_…`` variables; the later wins.

    Where nothing names an index it is pip's own default. Raises ``FarmError`` for a file that pip cannot read.
    """
    settings = _settings(environ, home, prefix, etc)
    return PipConfig(
        index_url=settings.get("index-url", PyPI.simple_url).rstrip("/"),
        extra_index_urls=tuple(url.rstrip("/") for url in settings.get("extra-index-url", "").split()),
        find_links=tuple(_link(link, home) for link in settings.get("find-links", "").split()),
        no_index=settings.get("no-index", "").lower() in ("y", "yes", "t", "true", "on", "1"),
        cert=settings.get("cert", ""),
        trusted_hosts=tuple(settings.get("trusted-host", "").split()),
    )


def bare(url: str) -> str:
    """The URL without user and password, as it is asked, kept and recorded; ``Credentials`` adds them on the way."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _settings(environ: Mapping[str, str], home: Path, prefix: Path | None, etc: Path) -> dict[str, str]:
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in files(environ, home, prefix, etc):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            raise FarmError(f"{path}: pip's configuration cannot be read: {error}") from error
        for name in _SECTIONS:
            if parser.has_section(name):
                sections[name].update({_key(key): value for key, value in parser.items(name)})
    variables = {_key(name[4:]): value for name, value in environ.items() if name.startswith("PIP_")}
    layers = [*sections.values(), variables]
    return {key: value for layer in layers for key, value in layer.items() if value}


def files(
    environ: Mapping[str, str], home: Path, prefix: Path | None = None, etc: Path = Path("/etc")
) -> Iterator[Path]:
    """The files that pip would read, there or not; a later one wins."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    for folder in environ.get("XDG_CONFIG_DIRS", str(etc / "xdg")).split(os.pathsep):
        yield Path(folder) / "pip" / "pip.conf"
    yield etc / "pip.conf"
    if not (named and Path(named).exists()):
        yield home / ".pip" / "pip.conf"
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    if prefix:
        yield prefix / "pip.conf"
    if named:
        yield Path(named)


def _key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _link(link: str, home: Path) -> str:
    if link.startswith("file:"):
        return url2pathname(urlsplit(link).path)
    return str(home / link[2:]) if link.startswith("~/") else link
