"""What the clients of a host are configured to: which indexes each would ask, by which rule, and what is wrong."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pip._internal.models.index import PyPI

from buildfarm.adapters import pip_config
from buildfarm.model.errors import FarmError

PUBLIC = PyPI.simple_url.rstrip("/")


class Rule(StrEnum):
    """Which of several indexes a client takes a name from."""

    BEST = "the highest version wins, wherever it is"
    FIRST = "the first of them that has the name wins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Danger:
    """How somebody else's files could come under one of your names, and what to do."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A client as it is configured: where that is said, the URLs that it asks for any name in their order, the rule
    among them, and the dangers.
    """

    client: str
    files: tuple[str, ...]
    indexes: tuple[str, ...]
    rule: Rule = Rule.FIRST
    dangers: tuple[Danger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine: its root folder, the user's home and the folder of a project, both with the root before them, and
    variables.
    """

    root: Path
    home: Path
    project: Path
    prefix: Path | None
    environ: Mapping[str, str]

    def near(self, name: str) -> Path | None:
        """The file of that name in the project's folder, or the next one above it."""
        folders = (self.project, *(each for each in self.project.parents if each.is_relative_to(self.root)))
        return next((each / name for each in folders if (each / name).is_file()), None)


def read_all(host: Host) -> tuple[Configured, ...]:
    """Every client that is configured on the host; pip and uv always, for they have defaults."""
    found = (_read(host) for _read in (_pip, _uv, _pipenv, _poetry, _pdm))
    return tuple(_with_insecure(each) for each in found if each is not None)


def _with_insecure(found: Configured) -> Configured:
    plain = [url for url in found.indexes if _plain(url)]
    dangers = tuple(
        Danger(
            message=f"{url} is reached without TLS: whoever is on the way can put in other bytes",
            remedy="https, with a certificate of your own CA",
        )
        for url in plain
    )
    return replace(found, dangers=(*found.dangers, *dangers))


def _plain(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not re.fullmatch(r"localhost|127\.[0-9.]+|::1", parts.hostname or "")


def _pip(host: Host) -> Configured:
    etc = host.root / "etc"
    config = pip_config.read(host.environ, host.home, host.prefix, etc)
    files = [str(path) for path in pip_config.files(host.environ, host.home, host.prefix, etc) if path.is_file()]
    said = [*files, *(name for name in sorted(host.environ) if re.fullmatch("PIP_.*INDEX.*|PIP_TRUSTED_HOST", name))]
    dangers = []
    if config.extra_index_urls and not config.no_index:
        places = _naming("extra-index-url", files) or "PIP_EXTRA_INDEX_URL"
        dangers.append(
            Danger(
                message=f"extra-index-url in {places}: pip takes the highest version of any name from any of "
                f"{len(config.indexes)} indexes, so whoever can put files onto one of them can have any name",
                remedy="one index-url alone, an index that inherits from the others: buildfarm client-config pip",
            )
        )
    if config.trusted_hosts:
        dangers.append(
            Danger(
                message=f"trusted-host: nobody proves to be {', '.join(config.trusted_hosts)}",
                remedy="a certificate of your own CA, and `cert =`",
            )
        )
    return Configured(client="pip", files=tuple(said), indexes=config.indexes, rule=Rule.BEST, dangers=tuple(dangers))


def _naming(key: str, files: list[str]) -> str:
    """The files that set a key of pip."""
    found = []
    for path in files:
        parser = configparser.RawConfigParser()
        parser.read(path, encoding="utf-8")
        keys = {option.replace("_", "-") for section in parser.sections() for option in parser.options(section)}
        found += [path] if key in keys else []
    return ", ".join(found)


def _uv(host: Host) -> Configured:
    environ = host.environ
    own = host.near("uv.toml")
    project = host.near("pyproject.toml") if own is None else None
    user = Path(environ.get("XDG_CONFIG_HOME") or host.home / ".config") / "uv" / "uv.toml"
    named = environ.get("UV_CONFIG_FILE", "")
    places = [Path(named)] if named else [own, project, user, host.root / "etc" / "uv" / "uv.toml"]
    tables: list[tuple[Path, dict[str, Any]]] = []
    for path in places if environ.get("UV_NO_CONFIG", "") in ("", "0", "false") else []:
        if path is not None and path.is_file():
            document = _toml(path)
            table = document.get("tool", {}).get("uv", {}) if path == project else document
            tables += [(path, table)] if table else []
    entries = [entry for _, table in tables for entry in table.get("index", ()) if isinstance(entry, dict)]
    first = _first(tables)
    default = (
        environ.get("UV_DEFAULT_INDEX")
        or environ.get("UV_INDEX_URL")
        or next(
            (str(entry["url"]) for entry in entries if entry.get("default") and "url" in entry),
            first("index-url") or "",
        )
    )
    extra = [word.rpartition("=")[2] for word in environ.get("UV_INDEX", "").split()]
    extra += [
        str(each["url"]) for each in entries if "url" in each and not each.get("default") and not each.get("explicit")
    ]
    extra += environ.get("UV_EXTRA_INDEX_URL", "").split() or first("extra-index-url") or []
    strategy = environ.get("UV_INDEX_STRATEGY") or first("index-strategy") or "first-index"
    said = [str(path) for path, _ in tables]
    said += [name for name in sorted(environ) if re.fullmatch("UV_.*INDEX.*|UV_CONFIG_FILE|UV_INSECURE_HOST", name)]
    return Configured(
        client="uv",
        files=tuple(said),
        indexes=tuple(url.rstrip("/") for url in (*extra, default or PUBLIC)),
        rule=Rule.BEST if strategy == "unsafe-best-match" else Rule.FIRST,
        dangers=tuple(
            _uv_dangers(strategy, extra, default, environ.get("UV_INSECURE_HOST") or first("allow-insecure-host"))
        ),
    )


def _first(tables: list[tuple[Path, dict[str, Any]]]) -> Callable[[str], Any]:
    """What the first of the tables says of a key."""
    return lambda key: next((table[key] for _, table in tables if key in table), None)


def _uv_dangers(strategy: str, extra: list[str], default: str, insecure: object) -> Iterator[Danger]:
    if strategy != "first-index" and extra:
        yield Danger(
            message=f"index-strategy {strategy}: any of {len(extra) + 1} indexes can give a version of any name",
            remedy="leave index-strategy out, and have one index that inherits from the others",
        )
    if extra and not default:
        yield Danger(
            message="no index is the default: a name that yours lack, mistyped or not published yet, comes from the "
            "public index, where anybody can have it",
            remedy="`default = true` for yours: buildfarm client-config uv",
        )
    if insecure:
        yield Danger(
            message=f"allow-insecure-host: nobody proves to be {insecure}", remedy="SSL_CERT_FILE with your own CA"
        )


def _pipenv(host: Host) -> Configured | None:
    path = host.near("Pipfile")
    if path is None:
        return None
    document = _toml(path)
    sources = [each for each in document.get("source", ()) if "url" in each]
    dangers = []
    if len(sources) > 1:
        dangers.append(
            Danger(
                message=f"{len(sources)} sources in {path}: what a package of the second one depends on is looked for "
                "in the first, where somebody else may have its name",
                remedy="one [[source]], an index that inherits from the others: buildfarm client-config pipenv",
            )
        )
    dangers += [
        Danger(message=f"verify_ssl = false for {each['url']}", remedy="PIP_CERT with your own CA")
        for each in sources
        if each.get("verify_ssl") is False
    ]
    urls = tuple(str(each["url"]).rstrip("/") for each in sources) or (PUBLIC,)
    return Configured(client="pipenv", files=(str(path),), indexes=urls, dangers=tuple(dangers))


def _poetry(host: Host) -> Configured | None:
    path = host.near("pyproject.toml")
    tool = _toml(path).get("tool", {}).get("poetry") if path else None
    if path is None or tool is None:
        return None
    by: dict[str, list[str]] = {}
    for each in tool.get("source", ()):
        url = PUBLIC if str(each.get("name", "")).lower() == "pypi" else str(each.get("url", ""))
        by.setdefault(str(each.get("priority", "primary")), []).append(url.rstrip("/"))
    primary = [*by.get("default", ()), *by.get("primary", ())]
    supplemental = [*by.get("supplemental", ()), *by.get("secondary", ())]
    dangers = []
    if len(primary) > 1:
        dangers.append(
            Danger(
                message=f"{len(primary)} primary sources in {path}: all are searched, so whoever can put files onto "
                "one can have any name",
                remedy="one primary source: buildfarm client-config poetry",
            )
        )
    if supplemental:
        dangers.append(
            Danger(
                message=f"a supplemental source in {path}: what the primary one lacks comes from {supplemental[0]}",
                remedy='`priority = "explicit"`, and `poetry add --source` for what is to come from there',
            )
        )
    urls = (*(primary or [PUBLIC]), *supplemental)
    rule = Rule.BEST if len(primary) > 1 else Rule.FIRST
    return Configured(client="poetry", files=(str(path),), indexes=urls, rule=rule, dangers=tuple(dangers))


def _pdm(host: Host) -> Configured | None:
    path = host.near("pyproject.toml")
    tool = _toml(path).get("tool", {}).get("pdm") if path else None
    if path is None or tool is None:
        return None
    sources = [each for each in tool.get("source", ()) if "url" in each]
    asked = [each for each in sources if each.get("exclude_packages") != ["*"]]
    urls = [str(each["url"]).rstrip("/") for each in asked]
    if not any(each.get("name") == "pypi" for each in sources):
        urls = [host.environ.get("PDM_PYPI_URL", PUBLIC).rstrip("/"), *urls]
    ordered = tool.get("resolution", {}).get("respect-source-order", False)
    dangers = []
    if len(urls) > 1:
        among = "in their order" if ordered else "and the highest version wins"
        dangers.append(
            Danger(
                message=f"{path}: any name is looked for in {len(urls)} indexes, {among}: {', '.join(urls)}",
                remedy="one source, called pypi: buildfarm client-config pdm",
            )
        )
    rule = Rule.FIRST if ordered else Rule.BEST
    return Configured(client="pdm", files=(str(path),), indexes=tuple(urls), rule=rule, dangers=tuple(dangers))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise FarmError(f"{path} cannot be read: {error}") from error
