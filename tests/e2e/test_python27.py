"""Wheels of CPython 2.7, from the command line: built by what was its own time's, tested in a clean image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Farm

pytestmark = [pytest.mark.engine, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

RECIPES = Path(__file__).parents[2] / "recipes" / "python27"


@pytest.fixture(scope="module")
def old(container_farm: Farm, image: Callable[[str], str]) -> Farm:
    """A farm that has the images of Python 2.7, and the server that a test asks for."""
    for name in ("debian11-py27", "debian11-py27-test", "mariadb"):
        image(name)
    return container_farm


def test_real_projects_are_built_and_tested(old: Farm) -> None:
    done = old.build(RECIPES, targets="cp27mu-*")
    assert done.code == 0, done.err
    tags = {name: done.job(name)["wheel"]["tags"] for name in ("markupsafe", "mysqlclient")}
    assert "cp27-cp27mu-manylinux_2_17_x86_64" in tags["markupsafe"]  # compiled by zig
    assert "cp27-cp27mu-manylinux_2_28_x86_64" in tags["mysqlclient"]  # by the image's own compiler and libraries
    assert {done.job(name, "test")["outcome"] for name in tags} == {"succeeded"}
    assert "cp27-cp27mu-manylinux" in old.page("mysqlclient")


def test_a_requirement_that_the_table_lacks_is_told_with_the_place_to_add_it(old: Farm) -> None:
    edits = {"pyproject.toml": ('requires-python = ">=3.9"', 'requires-python = ">=2.7"')}
    recipe = old.project("tinyc", "newer", edits, recipe=('targets: {python: "==2.7.*"}',))
    done = old.build(recipe, targets="cp27mu-*")
    assert done.code == 1
    job = done.job("newer")
    assert job["code"] == "requirements"
    said = "for CPython 2.7 only what images/python27.txt names can be had, and not setuptools>=77 (it names 44.1.1)"
    assert job["reason"] == said


def test_a_project_of_today_is_not_built_for_it_unasked(old: Farm) -> None:
    done = old.run("plan", old.project("tinyc", "modern"), "--targets", "cp27mu-*", "--json")
    (out,) = done.json["left_out"]
    assert out["reason"] == "wheels for Python 2 take a recipe that names it: targets: {python: '>=2.7,<3'}"
