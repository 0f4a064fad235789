"""Every bad recipe has its message: the text of a diagnostic is reviewed like an interface."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from buildfarm.recipe import yamltree
from buildfarm.recipe.codes import CODES
from buildfarm.recipe.diagnostic import Diagnostic, lines_of, render, to_plain
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.sarif import to_sarif

GOLDEN = Path(__file__).parents[2] / "golden" / "diagnostics"
RECIPES = sorted(GOLDEN.glob("*.yaml"))
FORMS = ("choices", "key-elsewhere", "secret", "wide-characters", "yaml-tab", "warnings")
ROOT = Path(yamltree.__file__).parents[1]

REGION = {
    "type": "object",
    "required": ["startLine", "startColumn", "endLine", "endColumn"],
    "properties": {
        name: {"type": "integer", "minimum": 1} for name in ("startLine", "startColumn", "endLine", "endColumn")
    },
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "required": ["artifactLocation", "region"],
    "properties": {
        "artifactLocation": {
            "type": "object",
            "required": ["uri"],
            "properties": {"uri": {"type": "string", "format": "uri-reference", "pattern": "^[^ \\\\]+$"}},
        },
        "region": REGION,
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "ruleId": {"enum": sorted(CODES)},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "locations": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["physicalLocation"], "properties": {"physicalLocation": PLACE}},
        },
    },
    "additionalProperties": False,
}
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
RULE = {"type": "object", "required": ["id"], "properties": {"shortDescription": TEXT, "help": TEXT}}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "properties": {"rules": {"type": "array", "uniqueItems": True, "items": RULE}},
}
SARIF = jsonschema.Draft202012Validator(
    {
        "type": "object",
        "required": ["version", "runs"],
        "properties": {
            "version": {"const": "2.1.0"},
            "$schema": {"type": "string", "format": "uri"},
            "runs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["tool", "results", "columnKind"],
                    "properties": {
                        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": DRIVER}},
                        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                        "results": {"type": "array", "items": RESULT},
                    },
                },
            },
        },
        "additionalProperties": False,
    }
)
"""What of the SARIF 2.1.0 schema (OASIS) such a log must keep to."""


@cache
def diagnosed(recipe: Path) -> tuple[str, tuple[Diagnostic, ...]]:
    text = recipe.read_text(encoding="utf-8")
    return text, parse_recipe(text, file=recipe.name, folder="/recipes").diagnostics


def hold(golden: Path, found: str) -> None:
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_message(recipe: Path) -> None:
    text, found = diagnosed(recipe)
    hold(recipe.with_suffix(".txt"), "\n\n".join(render(each, text) for each in found) + "\n")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_place_is_in_the_file_and_every_code_is_known(recipe: Path) -> None:
    text, found = diagnosed(recipe)
    lines = lines_of(text)
    assert found
    for each in map(to_plain, found):
        line = lines[int(each["line"]) - 1]
        assert 1 <= int(each["column"]) < int(each["end_column"]) <= len(line) + 2
        assert each["code"] in CODES
        assert each["file"] == recipe.name
        assert each["message"]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_sarif_says_the_same(recipe: Path) -> None:
    _, found = diagnosed(recipe)
    log = to_sarif(found, root="/recipes", version="1")
    SARIF.validate(log)
    (run,) = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    for result, diagnostic in zip(run["results"], found, strict=True):
        plain = to_plain(diagnostic)
        (place,) = (each["physicalLocation"] for each in result["locations"])
        assert place["region"] == {
            "startLine": plain["line"],
            "startColumn": plain["column"],
            "endLine": plain["line"],
            "endColumn": plain["end_column"],
        }
        assert (result["level"], result["ruleId"]) == (plain["severity"], plain["code"])
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == plain["code"]
        assert diagnostic.message in result["message"]["text"]
        assert diagnostic.help in result["message"]["text"]


@pytest.mark.parametrize("name", FORMS)
def test_json_and_sarif(name: str) -> None:
    _, found = diagnosed(GOLDEN / f"{name}.yaml")
    forms: dict[str, Any] = {
        "json": [to_plain(each) for each in found],
        "sarif": to_sarif(found, root="/recipes", version="1"),
    }
    for form, document in forms.items():
        hold(GOLDEN / form / f"{name}.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("recipes/six.yaml", "recipes/six.yaml"),
        ("/site/six seven.yaml", "six%20seven.yaml"),
        ("/site/sub/six.yaml", "sub/six.yaml"),
        ("/elsewhere/six.yaml", "file:///elsewhere/six.yaml"),
        ("../データ.yaml", "../%E3%83%87%E3%83%BC%E3%82%BF.yaml"),
    ],
)
def test_places_in_sarif_are_relative_to_the_root(file: str, uri: str) -> None:
    found = parse_recipe("nome: six\n", file=file, folder="/recipes").diagnostics
    (run,) = to_sarif(found, root="/site", version="1")["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_each_message_is_of_a_recipe_and_each_recipe_has_one() -> None:
    recipes = {path.stem for path in RECIPES}
    assert recipes == {path.stem for path in GOLDEN.glob("*.txt")}
    assert len(recipes) >= 100


def test_every_code_is_described_and_every_description_is_of_one() -> None:
    assert set(codes_in_the_source()) == set(CODES)


def test_every_code_is_in_the_documents() -> None:
    page = (ROOT.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert all(f"| `{code}` | {about} |" in page for code, about in CODES.items())


def codes_in_the_source() -> Iterator[str]:
    """Codes as they are written in calls: ``reading.error("value", …)``, ``trouble(…, code="encoding")``."""
    for path in (*(ROOT / "recipe").glob("*.py"), ROOT / "app" / "recipe_files.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[:1] if name in ("error", "warn", "_warn") else []
            named = [each.value for each in node.keywords if each.arg == "code"]
            for argument in (*first, *named):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
                elif isinstance(argument, ast.Name) and argument.id == "SECRET":
                    yield "secret"
    yield "file"  # the default of ``trouble``


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_libyaml_is_only_faster(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, found = diagnosed(recipe)
    monkeypatch.setattr(yamltree, "_LOADER", yaml.SafeLoader)
    plain = parse_recipe(text, file=recipe.name, folder="/recipes").diagnostics
    assert [(each.code, each.span.line, each.message, each.help) for each in plain] == [
        (each.code, each.span.line, each.message, each.help) for each in found
    ]
