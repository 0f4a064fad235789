"""A first recipe of a project: the shortest that can work, with what its source tells as comments."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from buildfarm.app.harmless import harmless
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.resolve import look_up
from buildfarm.model.errors import RecipeError, Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildRequest
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Recipe, Track
from buildfarm.recipe.diagnostic import Diagnostic
from buildfarm.recipe.layout import WIDEST, lay_out
from buildfarm.recipe.requirements import parse_requirement
from buildfarm.steps.archive import entries
from buildfarm.steps.survey import Sign, Survey, survey
from buildfarm.steps.testing import OwnTests


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The text of a recipe, and what it was inferred from."""

    name: str
    version: str
    source: KnownSource
    survey: Survey
    text: str


def draft(farm: Coordinator, requirement: str) -> Draft:
    """Ask upstream for ``NAME`` or ``NAME==VERSION``, look into its sdist, and write a recipe. Nothing of it is run.

    Raises ``RecipeError`` for another operand, ``Unavailable`` where upstream has no such sdist.
    """
    wish = parse_requirement(requirement)
    if isinstance(wish, Diagnostic):
        raise RecipeError(f"{requirement}: {wish.message}; {wish.help}")
    if not isinstance(wish.versions, Track) and not wish.exact:
        raise RecipeError(f"{requirement} is a range; name a project, or one version of it: {wish.name}==VERSION")
    found = look_up(farm, BuildRequest(recipes=(wish,), index="main"))[wish.name]
    version, source = next(iter(found.items())) if not isinstance(found, Reason) else ("", found)
    if isinstance(source, Reason):
        raise Unavailable(source)
    artifact = source.pin.artifact
    with farm.store.open(artifact.sha256) as content:
        seen = survey(entries(artifact.name, content))
    return Draft(name=wish.name, version=version, source=source, survey=seen, text=_text(wish, version, source, seen))


def to_plain(made: Draft) -> dict[str, Any]:
    """The draft as JSON types."""
    tests = made.survey.tests
    return {
        "name": made.name,
        "version": made.version,
        "sha256": made.source.pin.artifact.sha256,
        "languages": list(made.survey.languages),
        "backend": made.source.backend,
        "requires": list(made.source.requires),
        "requires_python": made.source.requires_python,
        "licence": made.survey.licence,
        "tests": {"folder": tests.folder, "requires": list(tests.requires), "where": tests.where} if tests else None,
        "libraries": [
            {"apt": list(sign.library.packages.apt), "where": sign.where, "sure": sign.sure}
            for sign in made.survey.signs
        ],
        "recipe": made.text,
    }


def _text(wish: Recipe, version: str, source: KnownSource, seen: Survey) -> str:
    sure = [sign for sign in seen.signs if sign.sure and source.native]
    perhaps = [sign for sign in seen.signs if not sign.sure and source.native]
    lines = [*_remark(_about(wish.name, version, source, seen)), f"name: {wish.name}"]
    if isinstance(wish.versions, Track):
        lines += _remark(f"Follows the newest release. To keep to this one: {_yaml('versions', [version])}")
    else:
        lines += [_yaml("versions", [version])]
        lines += [_yaml("source", {"sdist": {version: f"sha256:{source.pin.artifact.sha256}"}})]
    for sign in sure:
        lines += _remark(f"{' '.join(sign.library.packages.apt)}: {sign.where}")
    if sure:
        lines += [_yaml("system", _packages(sure))]
    end: list[str] = []
    if perhaps:
        end += ["# Perhaps, where an option or another system asks for it:"]
        for sign in perhaps:
            named = (f"{manager} {' '.join(each)}" for manager, each in _packages([sign]).items())
            end += _remark(f"  {', '.join(named)}: {sign.where}")
    if seen.tests:
        end += _own_tests(wish.name, seen.tests)
    return lay_out("\n".join([*lines, *end]) + "\n")


def _about(name: str, version: str, source: KnownSource, seen: Survey) -> str:
    languages = " and ".join(filter(None, [", ".join(seen.languages[:-1]), *seen.languages[-1:]]))
    parts = [
        languages if source.native and languages else "compiled code" if source.native else "pure Python",
        f"built by {source.backend.removesuffix(':__legacy__')} with {', '.join(source.requires) or 'nothing else'}",
        f"for Python {source.requires_python}" if source.requires_python else "",
        f"licence {seen.licence}" if seen.licence else "",
    ]
    return f"{name} {version}: {'; '.join(filter(None, parts))}"


def _own_tests(name: str, tests: OwnTests) -> list[str]:
    test: dict[str, Any] = {"run": "python -m pytest -q" if tests.pytest else "python -m unittest discover"}
    test |= {"in": tests.folder, "sources": [tests.folder]}
    requires = [each for each in tests.requires if canonicalize_name(Requirement(each).name) != name]
    test |= {"requires": requires} if requires else {}
    return [
        *_remark(f"Its own tests, as far as its files tell ({tests.where}). To run them too:"),
        *_remarked(name, {"tests": [{"imports": "auto"}, test]}),
    ]


def _packages(signs: Iterable[Sign]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"apt": [], "dnf": []}
    for sign in signs:
        for manager, names in found.items():
            names += [each for each in getattr(sign.library.packages, manager) if each not in names]
    return found


def _yaml(key: str, value: object) -> str:
    return f"{key}: {json.dumps(value, ensure_ascii=False)}"


def _remark(text: str) -> list[str]:
    return wrap(harmless(text), WIDEST, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _remarked(name: str, part: dict[str, Any]) -> list[str]:
    """A part of the recipe in its layout, as a comment."""
    laid = lay_out("\n".join([f"name: {name}", *(_yaml(key, value) for key, value in part.items())]))
    return [f"# {line}" for line in laid.splitlines()[1:]]
