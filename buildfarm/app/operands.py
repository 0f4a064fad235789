"""What a person names on the command line → recipes: recipe files, folders of them, requirements files, requirements,
local paths.
"""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from buildfarm.app.recipe_files import (
    Read,
    is_project,
    read_recipe_file,
    read_requirements_file,
    recipe_files,
    together,
    trouble,
)
from buildfarm.model.recipe import PathSource, Recipe, SdistSource, Track
from buildfarm.model.session import ARCHIVES
from buildfarm.recipe.diagnostic import Diagnostic
from buildfarm.recipe.requirements import parse_requirement


def read_operands(operands: Iterable[str], files: Iterable[str], recipes: Path) -> Read:
    """Read all that was named; ``files`` are requirements files, ``recipes`` the folder that bare names are looked up
    in.
    """
    named = (_operand(operand, recipes) for operand in operands)
    listed = (_requirements_file(Path(file), recipes) for file in files)
    return _joined(together((*named, *listed)).without_twins())


def _operand(operand: str, recipes: Path) -> Read:
    path = Path(operand)
    if path.suffix in (".yaml", ".yml") and not path.is_dir():
        return read_recipe_file(path)
    if path.is_dir() and not is_project(path) and recipe_files(path):
        return together(map(read_recipe_file, recipe_files(path)))
    if path.name.endswith(ARCHIVES) or operand.startswith((".", "/")) or ("/" in operand and path.exists()):
        return _local(path)
    if path.suffix == ".txt":
        return _requirements_file(path, recipes)
    parsed = parse_requirement(operand)
    if isinstance(parsed, Diagnostic):
        return Read(diagnostics=((parsed, operand),))
    return _from_folder(parsed, recipes)


def _local(path: Path) -> Read:
    if not path.exists():
        return trouble(str(path), "does not exist", "name an sdist, a project's folder, a recipe or a requirement")
    if path.is_dir() and not is_project(path):
        return trouble(str(path), "holds no pyproject.toml, setup.py or recipe", "name a project's folder")
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
    listed = read_requirements_file(path)
    wishes = (_from_folder(recipe, recipes) for recipe in listed.recipes)
    return together((replace(listed, recipes=()), *wishes))


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
    of_files = [origin.project for origin in read.origins]
    for recipe in read.recipes:
        known = found.setdefault(recipe.name, recipe)
        if known is recipe or known == recipe or of_files.count(recipe.name) > 1:
            continue
        versions = (*known.exact, *recipe.exact)
        both = isinstance(known.source, SdistSource) and isinstance(recipe.source, SdistSource)
        if not (known.exact and recipe.exact and both):
            message = "is named twice, and not both times with exact versions"
            read = together((read, trouble(recipe.name, message, "name it once, or each time as NAME==VERSION")))
            continue
        hashes = {**_hashes(known), **_hashes(recipe)}
        found[recipe.name] = replace(known, versions=tuple(dict.fromkeys(versions)), source=SdistSource(hashes=hashes))
    return replace(read, recipes=tuple(found.values()))


def _hashes(recipe: Recipe) -> Mapping[str, str]:
    return recipe.source.hashes if isinstance(recipe.source, SdistSource) else {}
