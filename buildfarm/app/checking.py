"""`buildfarm recipe check`: files read, counted, and told in the form that is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from buildfarm import __version__
from buildfarm.app.recipe_files import (
    Demands,
    Read,
    read_recipe,
    read_recipe_file,
    read_requirements_file,
    recipe_files,
    together,
    trouble,
)
from buildfarm.model.wheel import Severity
from buildfarm.recipe.demands import demands
from buildfarm.recipe.diagnostic import Diagnostic, to_plain
from buildfarm.recipe.parse import Parsed
from buildfarm.recipe.sarif import to_sarif

STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was checked, how strictly, and what was found."""

    paths: tuple[str, ...]
    files: int
    read: Read
    strict: bool

    @property
    def errors(self) -> int:
        """How many diagnostics are errors."""
        return sum(each.severity is Severity.ERROR for each in self.diagnostics)

    @property
    def warnings(self) -> int:
        """How many are warnings."""
        return len(self.diagnostics) - self.errors

    @property
    def failed(self) -> bool:
        """Whether the call should fail."""
        return bool(self.errors or (self.strict and self.warnings))

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All of them, without their texts."""
        return tuple(each for each, _ in self.read.diagnostics)

    def as_json(self) -> dict[str, Any]:
        """One JSON document; ``end_column`` is the first after the token."""
        found = [to_plain(each) for each in self.diagnostics]
        return {"files": self.files, "strict": self.strict, "diagnostics": found}

    def as_sarif(self) -> dict[str, Any]:
        """One SARIF log, its places relative to the working directory."""
        return to_sarif(self.diagnostics, root=str(Path.cwd()), version=__version__)


def check_paths(paths: tuple[str, ...], stdin: BinaryIO, *, strict: bool) -> Checked:
    """Check all that was named, each file once; ``-`` is a recipe on stdin."""
    asked: Demands = demands if strict else _nothing
    found: dict[Path, Read] = {}
    lost = [trouble(path, "holds no recipes", "a recipe file ends with .yaml or .yml") for path in _empty(paths)]
    for path in (Path(each) for each in paths):
        for file in recipe_files(path):
            if file.absolute() not in found:
                found[file.absolute()] = _read(file, stdin, asked)
    return Checked(paths=paths, files=len(found), read=together((*found.values(), *lost)), strict=strict)


def summary(checked: Checked) -> str:
    """One line for people: what was checked, and what came of it."""
    how = "strictly checked" if checked.strict else "checked"
    where = ", ".join("stdin" if path == STDIN else path for path in checked.paths)
    fails = (
        f" (which fail{'s' if checked.warnings == 1 else ''} with --strict)"
        if checked.strict and checked.warnings
        else ""
    )
    return (
        f"{how} {_count(checked.files, 'recipe')} in {where}: "
        f"{_count(checked.errors, 'error')}, {_count(checked.warnings, 'warning')}{fails}"
    )


def _read(file: Path, stdin: BinaryIO, asked: Demands) -> Read:
    if str(file) == STDIN:
        return read_recipe(stdin.read(), Path("stdin"), asked)
    return read_requirements_file(file) if file.suffix == ".txt" else read_recipe_file(file, asked)


def _empty(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if not recipe_files(Path(path))]


def _nothing(_parsed: Parsed, _file: str) -> tuple[Diagnostic, ...]:
    return ()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
