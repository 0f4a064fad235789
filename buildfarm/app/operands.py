"""What a person names on the command line → recipes: recipe files, folders of them, requirements files, requirements,
local paths.
"""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from buildfarm.model.recipe import PathSource, Recipe, SdistSource, Track
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, render
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.requirements import parse_requirement, parse_requirements

_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Recipes, and every diagnostic of every file, with the text that it points into."""

    recipes: tuple[Recipe, ...] = ()
    diagnostics: tuple[tuple[Diagnostic, str], ...] = ()

    def __add__(self, other: Read) -> Read:
        return Read(recipes=self.recipes + other.recipes, diagnostics=self.diagnostics + other.diagnostics)

    @property
    def failed(self) -> bool:
        """Whether anything is wrong enough to stop."""
        return any(each.severity is Severity.ERROR for each, _ in self.diagnostics)

    @property
    def messages(self) -> str:
        """All diagnostics for a person."""
        return "\n\n".join(
            render(each, text)
            if text
            else f"{each.file}: {each.severity}[{each.code}]: {each.message}\nhelp: {each.help}"
            for each, text in self.diagnostics
        )


def read_operands(operands: Iterable[str], files: Iterable[str], recipes: Path) -> Read:
    """Read all that was named; ``files`` are requirements files, ``recipes`` the folder that bare names are looked up
    in.
    """
    found = Read()
    for operand in operands:
        found += _operand(operand, recipes)
    for file in files:
        found += _requirements_file(Path(file), recipes)
    return _joined(found)


def read_recipe_file(path: Path) -> Read:
    """One recipe file with its diagnostics; one that cannot be read is a diagnostic too."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return _trouble(str(path), f"cannot be read: {error}", "name a UTF-8 text file")
    parsed = parse_recipe(text, file=str(path), folder=str(path.parent.absolute()))
    return Read(
        recipes=(parsed.recipe,) if parsed.recipe else (),
        diagnostics=tuple((each, text) for each in parsed.diagnostics),
    )


def recipe_files(path: Path) -> tuple[Path, ...]:
    """The recipe files at a path: itself, or all of a folder."""
    return tuple(sorted((*path.rglob("*.yaml"), *path.rglob("*.yml")))) if path.is_dir() else (path,)


def _operand(operand: str, recipes: Path) -> Read:
    path = Path(operand)
    if path.suffix in (".yaml", ".yml"):
        return read_recipe_file(path)
    if path.is_dir() and not _is_project(path) and recipe_files(path):
        return sum(map(read_recipe_file, recipe_files(path)), Read())
    if path.name.endswith(_SDISTS) or operand.startswith((".", "/")) or ("/" in operand and path.exists()):
        return _local(path)
    if path.suffix == ".txt":
        return _requirements_file(path, recipes)
    parsed = parse_requirement(operand)
    if isinstance(parsed, Diagnostic):
        return Read(diagnostics=((parsed, operand),))
    return _from_folder(parsed, recipes)


def _is_project(path: Path) -> bool:
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py"))


def _local(path: Path) -> Read:
    if not path.exists():
        return _trouble(str(path), "does not exist", "name an sdist, a project's folder, a recipe or a requirement")
    if path.is_dir() and not _is_project(path):
        return _trouble(str(path), "holds no pyproject.toml, setup.py or recipe", "name a project's folder")
    name = _project_name(path) if path.is_dir() else path.name.rpartition("-")[0]
    return Read(recipes=(Recipe(name=canonicalize_name(name), source=PathSource(path=str(path.absolute()))),))


def _project_name(path: Path) -> str:
    """What pyproject.toml or setup.cfg says, else the folder's name."""
    setup = configparser.RawConfigParser()
    try:
        project = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        setup.read(path / "setup.cfg", encoding="utf-8")
        return str(project.get("name") or setup.get("metadata", "name", fallback=path.absolute().name))
    except (OSError, ValueError, configparser.Error):
        return path.absolute().name


def _requirements_file(path: Path, recipes: Path) -> Read:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return _trouble(str(path), f"cannot be read: {error}", "name a UTF-8 requirements file")
    parsed = parse_requirements(text, file=str(path))
    found = Read(diagnostics=tuple((each, text) for each in parsed.diagnostics))
    return sum((_from_folder(recipe, recipes) for recipe in parsed.recipes), found)


def _from_folder(wish: Recipe, recipes: Path) -> Read:
    """The reviewed recipe of that name, if there is one, with what was asked for written over it; else the wish."""
    path = recipes / f"{wish.name}.yaml"
    if not path.is_file():
        return Read(recipes=(wish,))
    found = read_recipe_file(path)
    return replace(found, recipes=tuple(_wished(recipe, wish) for recipe in found.recipes))


def _wished(recipe: Recipe, wish: Recipe) -> Recipe:
    """The recipe with the versions, hashes and Python versions of a requirement, where it names any."""
    if isinstance(recipe.source, SdistSource) and isinstance(wish.source, SdistSource) and wish.source.hashes:
        recipe = replace(recipe, source=SdistSource(hashes={**recipe.source.hashes, **wish.source.hashes}))
    if wish.targets.python:
        recipe = replace(recipe, targets=replace(recipe.targets, python=wish.targets.python))
    return recipe if wish.versions == Track() else replace(recipe, versions=wish.versions)


def _joined(read: Read) -> Read:
    """Each project once, in order: exact versions of one come together, with their hashes; other repeats are errors."""
    found: dict[str, Recipe] = {}
    for recipe in read.recipes:
        known = found.setdefault(recipe.name, recipe)
        if known is recipe or known == recipe:
            continue
        versions = (*_exact(known), *_exact(recipe))
        both = isinstance(known.source, SdistSource) and isinstance(recipe.source, SdistSource)
        if not (_exact(known) and _exact(recipe) and both):
            message = "is named twice, and not both times with exact versions"
            read += _trouble(recipe.name, message, "name it once, or each time as NAME==VERSION")
            continue
        hashes = {**_hashes(known), **_hashes(recipe)}
        found[recipe.name] = replace(known, versions=tuple(dict.fromkeys(versions)), source=SdistSource(hashes=hashes))
    return replace(read, recipes=tuple(found.values()))


def _exact(recipe: Recipe) -> tuple[str, ...]:
    if isinstance(recipe.versions, Track):
        return ()
    return recipe.versions if not any(each.startswith(tuple("<>=!~")) for each in recipe.versions) else ()


def _hashes(recipe: Recipe) -> Mapping[str, str]:
    return recipe.source.hashes if isinstance(recipe.source, SdistSource) else {}


def _trouble(file: str, message: str, help_: str) -> Read:
    where = Span(line=1, column=1, length=1)
    error = Diagnostic(severity=Severity.ERROR, code="file", message=message, file=file, span=where, help=help_)
    return Read(diagnostics=((error, ""),))
