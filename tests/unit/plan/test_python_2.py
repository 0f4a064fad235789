"""Targets for Python 2: only for recipes that name it."""

from __future__ import annotations

import pytest

from buildfarm.model.facts import Facts, KnownSource
from buildfarm.model.job import BuildRequest, Environment, SourcePin
from buildfarm.model.plan import Plan
from buildfarm.model.recipe import Recipe, Targets
from buildfarm.model.target import Target, names_python_2
from buildfarm.model.wheel import Artifact
from buildfarm.plan.expand import expand


def environment(target: str) -> Environment:
    return Environment(
        name="here", lane="here", target=Target.parse(target), definition={"t": target}, test_definition={"t": target}
    )


ENVIRONMENTS = tuple(map(environment, ("cp27mu-manylinux_2_28_x86_64", "cp311-manylinux_2_28_x86_64")))


def plan(python: str, requires_python: str, *globs: str) -> Plan:
    source = KnownSource(
        pin=SourcePin(artifact=Artifact(name="demo-1.tar.gz", size=1, sha256="5" * 64), origin="/demo", epoch=1),
        requires_python=requires_python,
    )
    facts = Facts(environments=ENVIRONMENTS, versions={"demo": ("1",)}, sources={("demo", "1"): source})
    recipe = Recipe(name="demo", versions=("1",), targets=Targets(python=python))
    return expand(BuildRequest(recipes=(recipe,), targets=globs or ("*",)), facts)


def abis(found: Plan) -> list[str]:
    targets = {goal.target for goal in found.goals} | {later.target for later in found.later}
    return sorted(target.abi for target in targets)


@pytest.mark.parametrize("python", ["", "<3.12", ">=3.9", "!=3.10.*"])
@pytest.mark.parametrize("requires_python", ["", ">=2.7,!=3.0.*"])
def test_an_old_source_is_not_built_for_python_2_unasked(python: str, requires_python: str) -> None:
    found = plan(python, requires_python)
    assert abis(found) == ["cp311"]
    assert not found.left_out


@pytest.mark.parametrize(
    ("python", "expected"),
    [(">=2.7,<3", ["cp27mu"]), ("==2.7.*", ["cp27mu"]), ("~=2.7", ["cp27mu"]), (">=2.7", ["cp27mu", "cp311"])],
)
def test_a_recipe_that_names_it_gets_it(python: str, expected: list[str]) -> None:
    assert abis(plan(python, "")) == expected


def test_whoever_asks_for_it_by_target_alone_is_told_what_it_takes() -> None:
    found = plan("", "", "cp27mu-*")
    assert not found.jobs
    (out,) = found.left_out
    assert out.target == "cp27mu-*"
    assert "targets: {python: '>=2.7,<3'}" in out.reason


def test_what_the_project_refuses_is_left_out_all_the_same() -> None:
    (out,) = plan(">=2.7,<3", ">=3.6", "cp27mu-*").left_out
    assert out.reason == "the project requires Python >=3.6"


@pytest.mark.parametrize(
    ("specifier", "expected"),
    [("", False), ("<3.12", False), (">=3.2", False), ("==3.2.*", False), (">=2.7", True), ("==2.*", True)],
)
def test_what_names_python_2(specifier: str, expected: bool) -> None:
    assert names_python_2(specifier) is expected
