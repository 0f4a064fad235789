"""Parser and JSON Schema come from one table; here they are held to the same files."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.table import RECIPE, json_schema

SCHEMA = jsonschema.Draft202012Validator(json_schema())

FORM = {"type", "quote", "unknown-key", "missing-key", "no-value"}  # other errors a schema may not know: PEP 440, globs


def errors(value: object) -> set[str]:
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    parsed = parse_recipe(text, file="recipe.yaml", folder="/recipes")
    return {each.code for each in parsed.diagnostics if each.severity == "error"}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_every_row_says_what_it_is_about() -> None:
    assert all(key.about for key in RECIPE.keys)


def _recipes() -> st.SearchStrategy[dict[str, Any]]:
    """Near to right: known keys mostly, and values of which many are right somewhere."""
    words = st.sampled_from(
        [
            "auto",
            "pure",
            "latest",
            "six",
            "1.0",
            ">=3.11",
            "win_amd64",
            "*-win_*",
            "4GiB",
            "1h",
            "sha256:" + "0" * 64,
            "",
        ]
    )
    fractions = st.floats(0, 3).filter(lambda number: not number.is_integer())  # JSON takes 2.0 for an integer
    leaves = words | st.integers(-1, 5) | st.booleans() | st.none() | fractions
    keys = st.sampled_from(sorted(_keys(json_schema()))) | words
    values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3))
    return st.dictionaries(keys, values, max_size=4).map(lambda rest: {"name": "six", **rest})


def _keys(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        return set(schema.get("properties", ())).union(*(_keys(each) for each in schema.values()))
    return set().union(*(_keys(each) for each in schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({"name": "six"}, True),
        ({}, False),
        ({"name": "six", "sorce": {}}, False),
        ({"name": "-six"}, False),
        ({"name": "six", "versions": ["1.0"]}, True),
        ({"name": "six", "versions": "1.0"}, False),
        ({"name": "six", "versions": [1.0]}, False),
        ({"name": "six", "versions": {"track": "latest"}}, True),
        ({"name": "six", "versions": {"keep": 1}}, False),
        ({"name": "six", "source": {"sdist": {"1.0": "md5:0"}}}, False),
        ({"name": "six", "source": {"url": "https://example.invalid/six.zip"}}, False),
        ({"name": "six", "limits": {"cpus": 0}}, False),
        ({"name": "six", "limits": {"pids": 1.5}}, False),
        ({"name": "six", "limits": {"memory": "4GB"}}, False),
        ({"name": "six", "limits": {"wall": "1h30m"}}, True),
        ({"name": "six", "publish": {"all_targets": "yes"}}, False),
        ({"name": "six", "build": {"env": {"A-B": "c"}}}, False),
        ({"name": "six", "tests": [{"imports": "auto"}, {"run": "pytest"}, {"run": ["pytest"]}]}, True),
        ({"name": "six", "tests": [{"imports": "all"}]}, False),
        ({"name": "six", "tests": {"skip": "no"}}, False),
        ({"name": "six", "overrides": [{"select": "*-win_*", "tests": {"skip": "no"}}]}, True),
        ({"name": "six", "overrides": [{"tests": []}]}, False),
    ],
)
def test_both_agree(value: dict[str, Any], right: bool) -> None:
    assert SCHEMA.is_valid(value) == right
    assert (not errors(value)) == right


@given(_recipes())
def test_both_agree_on_the_form_of_anything(value: dict[str, Any]) -> None:
    found = errors(value)
    if not found:
        SCHEMA.validate(value)
    if found & FORM:
        assert not SCHEMA.is_valid(value)
