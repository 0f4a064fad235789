"""Versions × targets: of what there is a file for what, and what was tested there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from buildfarm.model.events import UNTESTED
from buildfarm.model.wheel import Verdict
from buildfarm.pages.project import File

_DIGITS = re.compile(r"(\d+)")
SOURCE = ("source", "sdist")
"""The column of source distributions."""

_BEST = (Verdict.PASSED, Verdict.SKIPPED, Verdict.NOT_RUN, None, Verdict.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A target in two parts, ``manylinux_2_17_x86_64`` and ``cp313``; or a wheel's own tags, where nothing was tested;
    or ``SOURCE``.
    """

    platform: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What there is of a version for a target: ``none``, ``file`` (nothing tested), or a verdict, and its reason."""

    state: str
    reason: str = ""


NONE = Cell(state="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A version: its files, whether all of them are yanked, and a cell for each column."""

    version: str
    files: tuple[File, ...]
    yanked: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Rows newest first; ``platforms`` are the heads above the columns, with how many each is above."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def platforms(self) -> tuple[tuple[str, int], ...]:
        """Neighbours of one platform under one head."""
        return tuple((name, len(list(same))) for name, same in groupby(each.platform for each in self.columns))


def matrix(files: Sequence[File]) -> Matrix:
    """The matrix of all versions of these files, which are in the order of a project's."""
    places = {file.name: _places(file) for file in files}
    columns = sorted({column for found in places.values() for column, _ in found}, key=_order)
    rows = []
    for version, of_version in groupby(files, key=lambda file: file.version):
        same = tuple(of_version)
        rows.append(
            Row(
                version=version,
                files=same,
                yanked=all(file.yanked is not None for file in same),
                cells=tuple(_cell(column, same, places) for column in columns),
            )
        )
    return Matrix(columns=tuple(columns), rows=tuple(reversed(rows)))


def in_order(files: Iterable[File]) -> list[File]:
    """By name, numbers in it by value: cp39 before cp310."""
    return sorted(files, key=lambda file: natural(file.name))


def _places(file: File) -> tuple[tuple[Column, Cell], ...]:
    """Where a file is for, and what was said of it there."""
    if tried := file.published.tried:
        return tuple(
            (column, Cell(state=str(each.verdict), reason=each.reason))
            for each in tried
            for column in _columns(each.target, file.name)
        )
    return tuple((column, Cell(state="file")) for column in _own_columns(file.name))


def _columns(target: str, name: str) -> Iterable[Column]:
    """Where a file was tried; what is said of all of it stands where its name says that it is for."""
    if target == UNTESTED.target:
        return _own_columns(name)
    python, _, platform = target.partition("-")
    return [Column(platform=platform, python=python)]


def _own_columns(name: str) -> Iterable[Column]:
    """What the name of a file says it is for."""
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        platform, python = SOURCE
        return [Column(platform=platform, python=python)]
    platforms = {tag.platform for tag in tags}
    exact = {each for each in platforms if re.match("manylinux_|musllinux_", each)} or platforms
    pythons = {tag.abi if tag.abi.startswith(tag.interpreter) else tag.interpreter for tag in tags}
    return [Column(platform=platform, python=python) for platform in exact for python in pythons]


def _cell(column: Column, files: Iterable[File], places: dict[str, tuple[tuple[Column, Cell], ...]]) -> Cell:
    """The best that there is; what is yanked does not count where something else is there."""
    found = [
        (file.yanked is not None, _BEST.index(Verdict(cell.state) if cell.state != "file" else None), cell)
        for file in files
        for where, cell in places[file.name]
        if where == column
    ]
    return min(found, key=lambda each: each[:2])[2] if found else NONE


def _order(column: Column) -> tuple[object, ...]:
    """Platforms by name, numbers in them by value; what is for any, and sources, last."""
    last = ("any", "source").index(column.platform) + 1 if column.platform in ("any", "source") else 0
    return last, natural(column.platform), natural(column.python)


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """By which texts are sorted as people do it: cp39 before cp311."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(text))
