"""The text of a recipe file to a Recipe, with every diagnostic at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import PurePath
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from buildfarm.model.recipe import GitSource, Override, PathSource, Recipe, SdistSource, Track, UrlSource
from buildfarm.recipe.diagnostic import Diagnostic, Span
from buildfarm.recipe.nodes import Kind, Scalar, spans_of
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.table import RECIPE
from buildfarm.recipe.yamltree import read_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a file came to. There is a recipe exactly when no diagnostic is an error.

    ``spans`` maps a path such as ``build.requires.add[0]`` to where its value stands; only what was written has one.
    """

    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]


def parse_recipe(text: str, *, file: str, folder: str) -> Parsed:
    """Parse a recipe file. ``file`` is its name in diagnostics; a path source is relative to ``folder`` (absolute).

    Never raises: whatever is wrong is a diagnostic. A part of an override lies on top of the recipe's own part: tables
    and maps merge by key, everything else replaces.
    """
    reading = Reading(file)
    tree = read_tree(text, reading)
    if tree is None or (isinstance(tree, Scalar) and tree.kind is Kind.NULL):
        if not reading.errors:
            reading.error(
                "no-value", Span(line=1, column=1), "there is nothing in this file", "for example: name: mysqlclient"
            )
        return Parsed(recipe=None, diagnostics=tuple(reading.diagnostics), spans={})
    spans = dict(spans_of(tree))
    recipe = RECIPE.read(tree, reading)
    if recipe is not None:
        recipe = _complete(recipe, folder, spans)
        _judge(recipe, spans, reading)
    ordered = sorted(reading.diagnostics, key=lambda each: each.span)
    return Parsed(recipe=None if reading.errors else recipe, diagnostics=tuple(ordered), spans=spans)


def _complete(recipe: Recipe, folder: str, spans: Mapping[str, Span]) -> Recipe:
    """With the path of a local source absolute, and overrides laid on the recipe's own parts."""
    if isinstance(recipe.source, PathSource):
        recipe = replace(recipe, source=PathSource(path=str(PurePath(folder, recipe.source.path))))
    laid = (_laid(recipe, override, f"overrides[{number}]", spans) for number, override in enumerate(recipe.overrides))
    return replace(recipe, overrides=tuple(laid))


def _laid(recipe: Recipe, override: Override, path: str, spans: Mapping[str, Span]) -> Override:
    parts: dict[str, Any] = {
        name: _overlay(getattr(recipe, name), part, f"{path}.{name}", spans)
        for name in ("system", "build", "repair", "verify", "limits")
        if (part := getattr(override, name)) is not None
    }
    return replace(override, **parts)


def _overlay(base: object, part: object, path: str, spans: Mapping[str, Span]) -> object:
    """``part`` where its path was written, else ``base``."""
    if path not in spans:
        return base
    if isinstance(part, Mapping) and isinstance(base, Mapping):
        return {**base, **part}
    if not is_dataclass(part) or isinstance(part, type):
        return part
    names = (field.name for field in fields(part))
    laid = {name: _overlay(getattr(base, name), getattr(part, name), f"{path}.{name}", spans) for name in names}
    return replace(part, **laid)


def _judge(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Tell what is wrong or surely not meant between parts that are right each by itself."""
    _judge_source(recipe, spans, reading)
    for number, place in _repeated(recipe.versions):
        message = f"this version is there already, as item {place + 1}"
        reading.error("duplicate", spans[f"versions[{number}]"], message, "leave one out")
    for number, patch in enumerate(recipe.patches):
        admitted = SpecifierSet(patch.versions)
        if isinstance(recipe.versions, tuple) and not any(admitted.filter(recipe.versions, prereleases=True)):
            span = spans.get(f"patches[{number}].versions", spans[f"patches[{number}]"])
            message = "the patch is for no version of this recipe"
            reading.warn("unused", span, message, f"it has: {', '.join(recipe.versions)}")
    for number, override in enumerate(recipe.overrides):
        if override == Override(select=override.select):
            span = spans[f"overrides[{number}].select"]
            reading.warn("unused", span, "this override changes nothing", "give it a part, or leave it out")
    for path, limits in (("limits", recipe.limits), *_override_limits(recipe)):
        if limits.silence > limits.wall and f"{path}.silence" in spans:
            message = "the wall time is over before so much silence can be"
            reading.warn("unused", spans[f"{path}.silence"], message, "silence is shorter than wall")
    if not recipe.tests:
        advice = "leave the key out to have every module imported"
        reading.warn("untested", spans["tests"], "nothing will be tested", advice)


def _judge_source(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    source, versions = recipe.source, recipe.versions
    exact = () if isinstance(versions, Track) else versions
    if isinstance(source, UrlSource | GitSource) and len(exact) != 1:
        what = "url" if isinstance(source, UrlSource) else "git"
        span = spans.get("versions", spans[f"source.{what}"])
        message = f"a {what} source is one version; this recipe has {len(exact) or 'no exact one'}"
        reading.error("conflict", span, message, 'versions: ["1.0"]')
    if isinstance(source, PathSource) and "versions" in spans:
        reading.warn("unused", spans["versions"], "a path source tells its own version", "leave 'versions' out")
    if isinstance(source, SdistSource) and exact:
        listed = {Version(version) for version in exact}
        for path in (path for path in spans if path.startswith("source.sdist.")):
            written = Version(path.removeprefix("source.sdist."))
            if written not in listed:
                message = f"{written} is not among the versions; its hash is never used"
                reading.warn("unused", spans[path], message, "list it, or leave it out")


def _repeated(versions: tuple[str, ...] | Track) -> Iterator[tuple[int, int]]:
    """Each version that comes again: its place, and the place of the first."""
    first: dict[Version, int] = {}
    for number, text in enumerate(() if isinstance(versions, Track) else versions):
        place = first.setdefault(Version(text), number)
        if place != number:
            yield number, place


def _override_limits(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    for number, override in enumerate(recipe.overrides):
        if override.limits is not None:
            yield f"overrides[{number}].limits", override.limits
