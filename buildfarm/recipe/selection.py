"""Globs that select nothing that is wanted, and overrides of which nothing is ever seen."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildfarm.model.recipe import Recipe
from buildfarm.recipe.diagnostic import Span
from buildfarm.recipe.platforms import matching, selected, wanted
from buildfarm.recipe.reading import Reading

_MOST = 100  # overrides that are held against each other; nobody writes more, and a hostile file shall not cost more
_KEY = re.compile(r"overrides\[(?P<number>[0-9]{1,4})\]\.(?P<key>[^\[]+)")
_MANAGERS = {
    "apt": ("manylinux", "musllinux"), "dnf": ("manylinux",), "apk": ("musllinux",),
    "brew": ("macosx",), "vcpkg": ("win",), "choco": ("win",),
}  # fmt: skip
"""The families of platforms on which each package manager is found; Debian builds for musl too, with zig."""


def judge_platforms(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Globs over platforms that add nothing to those before."""
    seen: dict[str, str] = {}
    for number, glob in enumerate(recipe.targets.platforms):
        if matching(glob) <= seen.keys() and glob not in seen.values():
            message = f"{glob!r} selects nothing that the globs before it do not"
            reading.warn("duplicate", spans[f"targets.platforms[{number}]"], message, "leave it out")
        seen |= dict.fromkeys(matching(glob), glob)


def judge_managers(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """System packages of which none is for a wanted target."""
    named = [name for name in _MANAGERS if getattr(recipe.system, name)]
    families = {family for name in named for family in _MANAGERS[name]}
    targets = wanted(recipe.targets.python, recipe.targets.platforms)
    if named and families.isdisjoint(map(_family, targets)):
        message = f"no target of this recipe has {' or '.join(named)}"
        reading.warn("unused", spans[f"system.{named[0]}"], message, f"targets: {_targets(recipe)}")


def judge_overrides(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Overrides that change nothing, never match, or lie below a later one."""
    if not recipe.overrides:
        return
    targets = wanted(recipe.targets.python, recipe.targets.platforms)
    overrides = recipe.overrides[:_MOST]
    said = _said(spans)
    places = [selected(each.select) & targets for each in overrides]
    for number, override in enumerate(overrides):
        span = spans[f"overrides[{number}].select"]
        if not said[number]:
            reading.warn("unused", span, "this override changes nothing", "give it a part, or leave it out")
        elif not places[number]:
            message = f"{override.select!r} selects no target that this recipe wants"
            advice = f"targets: {_targets(recipe)}"
            reading.warn("unmatched", span, message, advice)
        elif over := _over(number, places, said):
            message = f"all that this override says is said again by item {over + 1}, for the same targets"
            reading.warn(
                "overlaid", span, message, "of two overrides the later one counts: change their order, or leave one out"
            )


def _over(number: int, places: list[frozenset[str]], said: list[frozenset[str]]) -> int:
    """The place of the first later override that lies on all of this one; 0 where none does."""
    later = range(number + 1, len(places))
    return next((each for each in later if places[number] <= places[each] and said[number] <= said[each]), 0)


def _said(spans: Mapping[str, Span]) -> list[frozenset[str]]:
    """The innermost keys that each override writes: ``build.env.CC``, ``tests``."""
    keys: list[set[str]] = [set() for _ in range(_MOST)]
    for path in spans:
        if (found := _KEY.match(path)) and int(found["number"]) < _MOST and found["key"] != "select":
            keys[int(found["number"])].add("tests" if found["key"].startswith("tests.") else found["key"])
    return [frozenset(key for key in said if not any(each.startswith(f"{key}.") for each in said)) for said in keys]


def _family(target: str) -> str:
    """``manylinux``, ``win`` and their like."""
    return target.partition("-")[2].partition("_")[0].rstrip("0123456789")


def _targets(recipe: Recipe) -> str:
    parts = (recipe.targets.python and f"python {recipe.targets.python}", ", ".join(recipe.targets.platforms))
    return "; ".join(part for part in parts if part)
