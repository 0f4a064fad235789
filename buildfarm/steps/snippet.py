"""What to write into a recipe, as one line of YAML that says what the recipe says there already, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from buildfarm.model.canonical import to_plain
from buildfarm.model.job import BuildPart

SAYS_NOTHING = BuildPart()
"""A recipe that has a name alone."""

_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z_][\w.+-]*", re.IGNORECASE)


def with_packages(part: BuildPart, packages: Iterable[str]) -> str:
    """``add`` or ``write``, and the recipe's ``system`` with these packages of apt, too."""
    return _said("system", part.system, replace(part.system, apt=tuple(dict.fromkeys((*part.system.apt, *packages)))))


def with_requirement(part: BuildPart, requirement: str) -> str:
    """The same of ``build``: a build requirement (PEP 508), in the place of another one of that project."""
    edit = part.build.requires
    kept = [each for each in edit.add if _project(each) != _project(requirement)]
    return _said("build", part.build, replace(part.build, requires=replace(edit, add=(*kept, requirement))))


def with_flag(part: BuildPart, variable: str, value: str) -> str:
    """The same of ``build``: the value of an environment variable, behind what it holds already."""
    env = part.build.env
    return _said(
        "build", part.build, replace(part.build, env={**env, variable: f"{env.get(variable, '')} {value}".strip()})
    )


def takes_out(part: BuildPart, requirement: str) -> bool:
    """Whether the recipe removes the project of the requirement from those of the build, and adds it not again."""
    edit = part.build.requires
    added, removed = map(_project, edit.add), map(canonicalize_name, edit.remove)
    return _project(requirement) in set(removed) - set(added)


def _project(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _said(key: str, before: object, after: object) -> str:
    return f"{'write' if to_plain(before) else 'add'} `{key}: {_flow(to_plain(after))}`"


def _flow(value: object) -> str:
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_flow(name)}: {_flow(each)}" for name, each in value.items()) + "}"
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
    return str(value) if _PLAIN.fullmatch(str(value)) else json.dumps(value, ensure_ascii=False)
