from __future__ import annotations

from buildfarm.model.overlay import PATHS, laid
from buildfarm.model.recipe import Build, Limits, Override, Requires


def test_tables_and_maps_merge_by_key_and_the_rest_replaces() -> None:
    own = Build(
        compiler="zig",
        env={"A": "a", "B": "b"},
        requires=Requires(add=("cython",), remove=("ninja",)),
        before=("make",),
    )
    override = Override(
        select="*",
        build=Build(env={"B": "c"}, requires=Requires()),
        written=("build", "build.compiler", "build.env", "build.requires", "build.requires.remove"),
    )
    assert laid({"build": own}, override)["build"] == Build(
        compiler="auto", env={"A": "a", "B": "c"}, requires=Requires(add=("cython",)), before=("make",)
    )


def test_a_later_override_lies_on_an_earlier_one() -> None:
    parts = {"build": Build(env={"A": "1"}), "limits": Limits()}
    for override in (
        Override(
            select="*", build=Build(env={"A": "2"}, before=("make",)), written=("build", "build.env", "build.before")
        ),
        Override(select="*", build=Build(env={"B": "3"}), written=("build", "build.env")),
    ):
        parts = laid(parts, override)
    assert parts == {"build": Build(env={"A": "2", "B": "3"}, before=("make",)), "limits": Limits()}


def test_a_part_of_which_nothing_is_written_replaces_whole() -> None:
    assert laid({"build": Build(before=("make",))}, Override(select="*", build=Build()))["build"] == Build()


def test_the_paths_are_of_tables_and_their_keys() -> None:
    assert {"build", "build.requires.add", "limits.wall", "system.apt", "repair.include"} <= set(PATHS)
