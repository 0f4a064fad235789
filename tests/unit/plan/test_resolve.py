from __future__ import annotations

from buildfarm.model.recipe import Requires
from buildfarm.model.target import Target
from buildfarm.plan.resolve import Resolved, resolve
from buildfarm.recipe.parse import parse_recipe

TEXT = """\
name: six
build: {env: {FAST: "1", LEVEL: "2"}, requires: {remove: [cmake]}}
limits: {memory: 8GiB}
overrides:
  - {select: "cp39-*", build: {env: {FAST: "0"}, before: make}, limits: {wall: 2h}}
  - {select: "*-musllinux_*", build: {env: {MUSL: "1"}, requires: {add: [ninja]}}, limits: {silence: 1m}}
  - {select: "cp39-musllinux_*", build: {env: {FAST: "1"}, before: []}, tests: {skip: "too old"}}
"""


def resolved(target: str) -> Resolved:
    recipe = parse_recipe(TEXT, file="six.yaml", folder="/recipes").recipe
    assert recipe is not None
    return resolve(recipe, "1.0", Target.parse(target))


def test_overrides_of_one_target_lie_on_each_other_by_key() -> None:
    old = resolved("cp39-musllinux_1_2_x86_64")
    assert old.part.build.env == {"FAST": "1", "LEVEL": "2", "MUSL": "1"}
    assert old.part.build.requires == Requires(add=("ninja",), remove=("cmake",))
    assert old.part.build.before == ()
    assert (old.limits.wall, old.limits.silence, old.limits.memory) == (7200, 60, 8 * 1024**3)
    assert old.skip == "too old"


def test_an_override_of_another_target_changes_nothing() -> None:
    new = resolved("cp313-manylinux_2_17_x86_64")
    assert new.part.build.env == {"FAST": "1", "LEVEL": "2"}
    assert (new.limits.wall, new.skip) == (3600, "")
    assert resolved("cp39-manylinux_2_17_x86_64").part.build.env == {"FAST": "0", "LEVEL": "2"}
