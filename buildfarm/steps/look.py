"""What the file list of a source tells before any of its code runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import Any

from buildfarm.model.errors import Unavailable
from buildfarm.model.facts import LEGACY_BACKEND
from buildfarm.model.outcome import Reason
from buildfarm.model.session import OLDEST_EPOCH
from buildfarm.steps.entry import Entry
from buildfarm.steps.languages import CXX, LANGUAGES
from buildfarm.steps.toml import parse_toml

SPEAKING = ("PKG-INFO", "pyproject.toml", "setup.py")  # files of the top folder that are read
LEGACY_REQUIRES = ("setuptools>=40.8.0",)  # PEP 517: what a source without a [build-system] table asks for

_ASIDE = frozenset({"test", "tests", "doc", "docs", "example", "examples"})
_SAYS_CXX = re.compile(rb"""\blanguage\s*=\s*['"]?c\+\+""", re.IGNORECASE)
_TEXT = 1 << 20  # bytes of a file that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """``native``: it holds code to compile; ``cxx``: in C++; ``requires``: of its build (PEP 518); ``backend``: PEP
    517.

    ``version`` and ``requires_python`` are empty where they are not said. ``epoch`` is the newest time of a file, in
    seconds, not before 1980.
    """

    native: bool
    cxx: bool
    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...]
    requires_python: str
    version: str
    epoch: int


def look(name: str, found: Iterable[Entry]) -> Look:
    """Read a source's entries; raises ``Unavailable`` (code ``source``) when its pyproject.toml makes no sense."""
    native = cxx = False
    epoch = OLDEST_EPOCH
    texts: dict[str, bytes] = {}
    for entry in found:
        if entry.kind != "file":
            continue
        epoch = max(epoch, entry.mtime)
        path = PurePosixPath(entry.path)
        suffix = path.suffix.lower()
        if entry.path in SPEAKING:
            texts[entry.path] = _text(entry)
        if not _ASIDE.isdisjoint(part.lower() for part in path.parts[:-1]):
            continue
        native = native or suffix in LANGUAGES or path.name == "Cargo.toml"
        cxx = cxx or suffix in CXX or (suffix == ".pyx" and _SAYS_CXX.search(_text(entry)) is not None)
    project = _table(name, texts.get("pyproject.toml", b""))
    info = HeaderParser().parsestr(texts.get("PKG-INFO", b"").decode("utf-8", "replace"))
    static = project.get("project", {})
    return Look(
        native=native,
        cxx=cxx or _SAYS_CXX.search(texts.get("setup.py", b"")) is not None,
        requires=_requires(name, project),
        backend=_backend(name, project),
        backend_path=_strings(name, project, "backend-path"),
        requires_python=info["Requires-Python"] or str(static.get("requires-python", "")),
        version=info["Version"] or str(static.get("version", "")),
        epoch=epoch,
    )


def _text(entry: Entry) -> bytes:
    with entry.open() as file:
        return file.read(_TEXT)


def _table(name: str, text: bytes) -> dict[str, Any]:
    try:
        return parse_toml(text.decode())
    except ValueError as error:
        raise _senseless(name, f"is no TOML: {error}") from error


def _requires(name: str, project: dict[str, Any]) -> tuple[str, ...]:
    if "build-system" not in project:
        return LEGACY_REQUIRES
    if not isinstance(project["build-system"], dict) or "requires" not in project["build-system"]:
        raise _senseless(name, "has a [build-system] without requires, which PEP 518 does not allow")
    return _strings(name, project, "requires")


def _backend(name: str, project: dict[str, Any]) -> str:
    backend = project.get("build-system", {}).get("build-backend", LEGACY_BACKEND)
    if not isinstance(backend, str):
        raise _senseless(name, "has a build-system.build-backend that is no string")
    return backend


def _strings(name: str, project: dict[str, Any], key: str) -> tuple[str, ...]:
    found = project.get("build-system", {}).get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _senseless(name, f"has a build-system.{key} that is no list of strings")
    return tuple(found)


def _senseless(name: str, why: str) -> Unavailable:
    return Unavailable(
        Reason(
            code="source",
            message=f"the pyproject.toml of {name} {why}",
            advice="correct it in the source, or with a patch in the recipe",
        )
    )
