"""Where to upload to and as whom: ``.pypirc`` and ``.netrc``, as twine reads them."""

from __future__ import annotations

import configparser
import netrc
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from buildfarm.adapters.peer import Login
from buildfarm.adapters.pip_config import bare
from buildfarm.model.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A section of ``.pypirc``. ``login`` is None where it names no user."""

    name: str
    url: str
    login: Login | None


def read_pypirc(file: Path) -> tuple[Repository, ...]:
    """The sections that name a repository; none where there is no such file. Raises ``RecipeError`` if unreadable."""
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"{file} cannot be read: {error}") from error
    return tuple(
        Repository(name=name, url=url, login=_login(parser, name))
        for name in parser.sections()
        if (url := parser.get(name, "repository", fallback=""))
    )


def login_for(url: str, repositories: tuple[Repository, ...], home: Path) -> Login | None:
    """Who uploads to the URL: who is in it, whom its section of ``.pypirc`` names, or ``.netrc`` for its host."""
    parts = urlsplit(url)
    if parts.username:
        return Login(user=unquote(parts.username), password=unquote(parts.password or ""))
    for each in repositories:
        if each.login and bare(each.url).rstrip("/") == bare(url).rstrip("/"):
            return each.login
    try:
        found = netrc.netrc(str(home / ".netrc")).authenticators(parts.hostname or "")
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError) as error:
        raise RecipeError(f"{home / '.netrc'} cannot be read: {error}") from error
    return Login(user=found[0], password=found[2] or "") if found else None


def _login(parser: configparser.RawConfigParser, name: str) -> Login | None:
    user = parser.get(name, "username", fallback="")
    return Login(user=user, password=parser.get(name, "password", fallback="")) if user else None
