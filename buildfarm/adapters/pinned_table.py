"""Requirements for Pythons that uv refuses, answered from a small table of wheels by hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from buildfarm.adapters.resolver import plain_requirement
from buildfarm.adapters.sources import Place
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.job import Environment, Lock, LockedWheel
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Resolver

PYTHON = (2, 7)
"""Whose environments the table is for."""

_ROW = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.!+-]+)\s+--hash=sha256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One wheel: its project (normalised, PEP 503), version, and sha256."""

    project: str
    version: str
    sha256: str


class PinnedTable:
    """``ports.Resolver`` for CPython 2.7 by the file ``table``; environments of all other Pythons are ``others``'s."""

    def __init__(self, table: Path, *, places: Iterable[Place], others: Resolver) -> None:
        self._table = table
        self._places = tuple(places)
        self._others = others

    def lock(self, requirements: Iterable[str], environment: Environment, index: str) -> Lock:
        """The wheels of the table that answer the requirements, and none that those require in turn.

        Raises ``Unavailable`` (code ``requirements``) for what the table does not have, ``FarmError`` for a table that
        cannot be read.
        """
        if environment.target.python != PYTHON:
            return self._others.lock(requirements, environment, index)
        rows = self._rows()
        wanted = [found for text in requirements if _applies(found := plain_requirement(text))]
        lacking = [text for each in wanted if (text := _lacking(each, rows))]
        if lacking:
            raise self._unlocked(", ".join(dict.fromkeys(lacking)))
        names = sorted({canonicalize_name(each.name) for each in wanted})
        return Lock(wheels=tuple(self._locked(rows[name], environment) for name in names))

    def fetch(self, wheel: LockedWheel) -> Artifact:
        """See ``ports.Resolver``."""
        return self._others.fetch(wheel)

    def _rows(self) -> Mapping[str, _Row]:
        try:
            text = self._table.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FarmError(f"{self._table}, the table of wheels for CPython 2.7, cannot be read: {error}") from error
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
        rows = [_row(line, f"{self._table}:{number}") for number, line in lines if line and not line.startswith("#")]
        return {row.project: row for row in rows}

    def _locked(self, row: _Row, environment: Environment) -> LockedWheel:
        """The wheel where a place has it; the hash says which one is meant, so that any place will do."""
        for offer in chain.from_iterable(place.offers(row.project) for place in self._places):
            if offer.sha256 in ("", row.sha256) and _fits(offer, row, environment):
                artifact = Artifact(name=offer.filename, size=offer.size, sha256=row.sha256)
                return LockedWheel(project=row.project, version=row.version, artifact=artifact, origin=offer.origin)
        raise self._unlocked(f"{row.project} {row.version}: no index has it with that sha256")

    def _unlocked(self, what: str) -> Unavailable:
        table = f"{self._table.parent.name}/{self._table.name}"
        message = f"for CPython 2.7 only what {table} names can be had, and not {what}"
        advice = f"add it there with its sha256 ({self._table}), or change the requirement"
        return Unavailable(Reason(code="requirements", message=message, advice=advice))


def _row(line: str, where: str) -> _Row:
    match = _ROW.fullmatch(line)
    if match is None:
        raise FarmError(f"{where}: {line!r} is no row of the table; write NAME==VERSION --hash=sha256:HEX")
    return _Row(project=canonicalize_name(match["name"]), version=match["version"], sha256=match["sha256"])


def _applies(requirement: Requirement) -> bool:
    dotted = "{}.{}".format(*PYTHON)
    python = {"python_version": dotted, "python_full_version": f"{dotted}.18", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(python)


def _lacking(requirement: Requirement, rows: Mapping[str, _Row]) -> str:
    """What the table does not have, in words; empty where it answers the requirement."""
    row = rows.get(canonicalize_name(requirement.name))
    if row is None:
        return requirement.name
    if requirement.specifier.contains(row.version, prereleases=True):
        return ""
    return f"{requirement.name}{requirement.specifier} (it names {row.version})"


def _fits(offer: Offer, row: _Row, environment: Environment) -> bool:
    try:
        _, version, _, tags = parse_wheel_filename(offer.filename)
    except InvalidWheelFilename:  # an sdist
        return False
    return str(version) == row.version and environment.target.covered_by(tags)
