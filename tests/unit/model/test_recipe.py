from __future__ import annotations

import pytest

from buildfarm.model.recipe import Recipe, Track


@pytest.mark.parametrize(
    ("versions", "exact"),
    [
        (("1.0", "2.0rc1"), ("1.0", "2.0rc1")),
        ((">=1.0", "<2"), ()),
        (("~=1.0",), ()),
        (("!=1.0",), ()),
        (Track(keep=2), ()),
    ],
)
def test_exact_versions_are_those_that_stand_for_themselves(
    versions: tuple[str, ...] | Track, exact: tuple[str, ...]
) -> None:
    assert Recipe(name="demo", versions=versions).exact == exact
