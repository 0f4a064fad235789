"""The text of a recipe file to a Recipe, with every diagnostic at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from packaging.utils import canonicalize_name

from buildfarm.model.overlay import PATHS
from buildfarm.model.recipe import PathSource, Recipe
from buildfarm.recipe.diagnostic import Diagnostic, Span
from buildfarm.recipe.judge import judge
from buildfarm.recipe.nodes import Kind, MapNode, Scalar, spans_of
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.table import HOMES, RECIPE
from buildfarm.recipe.yamltree import read_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a file came to. There is a recipe exactly when no diagnostic is an error.

    ``name`` is the project, empty where that cannot be told. ``files`` maps the path of each value that names a local
    file or folder (``patches[0].file``) to its absolute name. ``spans`` maps a path such as ``build.requires.add[0]``
    to where its value stands; only what was written has one.
    """

    recipe: Recipe | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]
    name: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def parse_recipe(text: str, *, file: str, folder: str) -> Parsed:
    """Parse a recipe file. ``file`` is its name in diagnostics; a path source is relative to ``folder`` (absolute).

    Never raises: whatever is wrong is a diagnostic. What is right is judged even where something else is wrong.
    """
    reading = Reading(file, HOMES)
    tree = read_tree(text, reading)
    if tree is None or (isinstance(tree, Scalar) and tree.kind is Kind.NULL):
        if not reading.errors:
            reading.error(
                "no-value", Span(line=1, column=1), "there is nothing in this file", "for example: name: mysqlclient"
            )
        return Parsed(recipe=None, diagnostics=tuple(reading.diagnostics), spans={})
    spans = dict(spans_of(tree))
    if not isinstance(tree, MapNode):
        RECIPE.read(tree, reading)
        return Parsed(recipe=None, diagnostics=tuple(reading.diagnostics), spans=spans)
    parts = RECIPE.parts(tree, reading)
    recipe = _complete(
        Recipe(**{"name": "", **{name: part for name, part in parts.items() if part is not None}}), folder, spans
    )
    _judge_name(tree, reading)
    judge(recipe, {name for name, part in parts.items() if part is None}, spans, reading)
    return Parsed(
        recipe=None if reading.errors else recipe,
        diagnostics=tuple(sorted(reading.diagnostics, key=lambda each: each.span)),
        spans=spans,
        name=recipe.name,
        files=_files(recipe, folder),
    )


def _complete(recipe: Recipe, folder: str, spans: Mapping[str, Span]) -> Recipe:
    """With paths of local files absolute, and each override knowing what of it was written."""
    if isinstance(recipe.source, PathSource):
        recipe = replace(recipe, source=PathSource(path=str(PurePath(folder, recipe.source.path))))
    overrides = (
        replace(override, written=tuple(path for path in PATHS if f"overrides[{number}].{path}" in spans))
        for number, override in enumerate(recipe.overrides)
    )
    patches = tuple(replace(patch, file=str(PurePath(folder, patch.file))) for patch in recipe.patches)
    return replace(recipe, patches=patches, overrides=tuple(overrides))


def _files(recipe: Recipe, folder: str) -> dict[str, str]:
    named = {f"patches[{number}].file": patch.file for number, patch in enumerate(recipe.patches)}
    if isinstance(recipe.source, PathSource):
        named["source.path"] = recipe.source.path
    return {place: str(PurePath(folder, name)) for place, name in named.items()}


def _judge_name(tree: MapNode, reading: Reading) -> None:
    """A name that is not in its normal form (PEP 503): the index and the files of a project spell it so."""
    for scalar in tree.scalars("name"):
        normal = canonicalize_name(scalar.text)
        if scalar.kind is Kind.TEXT and normal != scalar.text and normal == normal.strip("-"):
            message = f"indexes spell this project {normal!r}"
            reading.warn("spelling", scalar.span, message, f"name: {normal}")
