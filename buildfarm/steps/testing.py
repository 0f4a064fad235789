"""The tests that a source brings, and how they are run, as far as its files tell."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from buildfarm.steps.entry import Entry
from buildfarm.steps.toml import parse_toml

_FOLDERS = ("tests", "test", "testing", "Tests")
_GROUPS = ("test", "tests", "testing", "dev")  # best first
_SPACES = re.compile(r"(?<=\S)[^\S\n]{2,}")  # the time that configparser takes grows with the square of their number
_NO_TEST = re.compile(r"^(tox|nox|pre-commit|ruff|black|mypy|flake8.*|isort|pylint|sphinx.*|build|twine|coverage)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTests:
    """``folder``: their top folder; ``pytest``: whether they take it; ``requires``: PEP 508; ``where`` that is said."""

    folder: str
    pytest: bool
    requires: tuple[str, ...]
    where: str


def own_tests(files: Iterable[Entry], texts: Mapping[str, str]) -> OwnTests | None:
    """The tests of a source; None where no folder at its top holds any. ``texts``: its top files by name."""
    held = {entry.path.partition("/")[0] for entry in files if re.search(r"/(test_\w+|\w+_tests?)\.py$", entry.path)}
    folder = next((name for name in _FOLDERS if name in held), "")
    if not folder:
        return None
    for where, requires in _said(texts):
        kept = [each for each in requires if not _NO_TEST.match(canonicalize_name(each.name))]
        if any(canonicalize_name(each.name) == "pytest" for each in kept):
            written = tuple(dict.fromkeys(str(each) for each in kept if not each.url))
            return OwnTests(folder=folder, pytest=True, requires=written, where=where)
    for name, text in texts.items():
        if name.endswith((".toml", ".cfg", ".ini", ".txt", ".py")) and re.search(r"\bpytest\b", text):
            return OwnTests(folder=folder, pytest=True, requires=("pytest",), where=name)
    if any(re.fullmatch(rf"{folder}/(.+/)?conftest\.py", entry.path) for entry in files):
        return OwnTests(folder=folder, pytest=True, requires=("pytest",), where=f"{folder}/ has a conftest.py")
    return OwnTests(folder=folder, pytest=False, requires=(), where=f"nothing names pytest; {folder}/ is there")


def _said(texts: Mapping[str, str]) -> Iterator[tuple[str, list[Requirement]]]:
    """Every list of test requirements, with where it stands: groups (PEP 735), extras (PEP 621), setup.cfg, tox.ini."""
    project = _toml(texts.get("pyproject.toml", ""))
    setup, tox = _ini(texts.get("setup.cfg", "")), _ini(texts.get("tox.ini", ""))
    for group in _GROUPS:
        yield f"pyproject.toml, dependency-groups.{group}", _requirements(_at(project, "dependency-groups", group))
        extras = _at(project, "project", "optional-dependencies", group)
        yield f"pyproject.toml, optional-dependencies.{group}", _requirements(extras)
        lines = setup.get("options.extras_require", group, fallback="").splitlines()
        yield f"setup.cfg, extras_require {group}", _requirements(lines)
    yield "tox.ini, deps", _requirements(tox.get("testenv", "deps", fallback="").splitlines())


def _at(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _requirements(lines: Any) -> list[Requirement]:
    found = []
    for line in lines if isinstance(lines, list) else []:
        try:
            found.append(Requirement(line))
        except (InvalidRequirement, TypeError, RecursionError):  # an include-group table, an option of pip
            continue
    return found


def _toml(text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError:
        return {}


def _ini(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    with suppress(configparser.Error):
        parser.read_string(_SPACES.sub(" ", text))
    return parser
