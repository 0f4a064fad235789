"""Every bad recipe has its message: the text of a diagnostic is reviewed like an interface."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildfarm.recipe.diagnostic import render
from buildfarm.recipe.parse import parse_recipe

GOLDEN = Path(__file__).parents[2] / "golden" / "diagnostics"


@pytest.mark.parametrize("recipe", sorted(GOLDEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_message(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    parsed = parse_recipe(text, file=recipe.name, folder="/recipes")
    rendered = "\n\n".join(render(each, text) for each in parsed.diagnostics) + "\n"
    golden = recipe.with_suffix(".txt")
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.write_text(rendered, encoding="utf-8")
    assert rendered == golden.read_text(encoding="utf-8")


def test_each_message_is_of_a_recipe_and_each_recipe_has_one() -> None:
    recipes = {path.stem for path in GOLDEN.glob("*.yaml")}
    assert recipes == {path.stem for path in GOLDEN.glob("*.txt")}
    assert len(recipes) >= 30
