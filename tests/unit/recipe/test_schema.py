"""The JSON Schema that editors read is the committed one, and refuses nothing that the parser takes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from buildfarm.recipe.layout import lay_out
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.table import json_schema

ROOT = Path(__file__).parents[3]
SCHEMA = jsonschema.Draft202012Validator(json_schema())
GOLDEN = sorted((ROOT / "tests" / "golden" / "diagnostics").glob("*.yaml"))
FULL = ROOT / "tests" / "golden" / "recipes" / "every-key.yaml"
GOOD = sorted(ROOT.glob("recipes/**/*.yaml"))
ONLY_THE_PARSER = {
    "value": "versions, specifiers, requirements, paths, commands, names of rules: their own grammars",
    "conflict": "what two keys say together",
    "duplicate": "the same version twice, also in another spelling",
    "duplicate-key": "YAML, and names that are one when normalised",
    "no-test": "that a test has something to do",
    "glob": "which platforms and Pythons there are",
    "placeholder": "which services a test has",
    "anchor": "YAML that a recipe does not take",
    "tag": "YAML that a recipe does not take",
    "documents": "YAML that a recipe does not take",
}
"""Codes of errors that a schema cannot know, and why."""


CHANGES: tuple[Any, ...] = (None, [], {}, "x", 7, True, "1.0", ["x"], {"nmae": "x"}, {"name": "x"}, [{}])


def errors(text: str) -> set[str]:
    parsed = parse_recipe(text, file="recipe.yaml", folder="/recipes")
    return {each.code for each in parsed.diagnostics if each.severity == "error"}


class Editor(yaml.SafeLoader):
    """Reads truth values as YAML 1.2, and editors, do."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":bool")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Editor.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


def loaded(text: str) -> Any:
    """As an editor reads it; None where it is no YAML."""
    try:
        return json.loads(json.dumps(yaml.load(text, Loader=Editor), default=str))
    except yaml.YAMLError:
        return None


def test_a_recipe_with_every_key_is_right_for_both() -> None:
    text = FULL.read_text(encoding="utf-8")
    assert errors(text) == set()
    SCHEMA.validate(loaded(text))
    assert lay_out(text, folder="/recipes") == text


def test_the_committed_schema_is_that_of_the_table() -> None:
    """If not: buildfarm recipe schema -o docs/recipe.schema.json."""
    committed = (ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(json_schema(), indent=2) + "\n"


@pytest.mark.parametrize("path", [*GOOD, *GOLDEN], ids=lambda path: path.stem)
def test_parser_and_schema_agree(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    value, told = loaded(text), errors(text)
    if value is None:
        assert told
    elif not told:
        SCHEMA.validate(value)
    elif SCHEMA.is_valid(value):
        assert told <= ONLY_THE_PARSER.keys()


@pytest.mark.slow
@pytest.mark.parametrize("path", [*GOOD, FULL], ids=lambda path: path.stem)
def test_they_agree_on_every_mutation(path: Path) -> None:
    for mutant in mutations(loaded(path.read_text(encoding="utf-8"))):
        told = errors(yaml.safe_dump(mutant, allow_unicode=True, sort_keys=False))
        if SCHEMA.is_valid(mutant):
            assert told <= ONLY_THE_PARSER.keys(), mutant
        else:
            assert told, mutant


def mutations(value: Any) -> Iterator[Any]:
    """The value with one part of it of another type; the parts take turns with the types."""
    for path, change in zip(places(value), cycle(CHANGES), strict=False):
        mutant = copy.deepcopy(value)
        home = mutant
        for key in path[:-1]:
            home = home[key]
        home[path[-1]] = change
        yield mutant


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(each, (*path, key))
