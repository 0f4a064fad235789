from __future__ import annotations

import pytest

from buildfarm.model.target import Target
from buildfarm.recipe.fields import Wrong
from buildfarm.recipe.platforms import PLATFORMS, identifier_glob, platform_glob


@pytest.mark.parametrize(
    "glob",
    [
        "*",
        "manylinux_*",
        "manylinux_2_5_i686",
        "manylinux1_x86_64",
        "manylinux2014_aarch64",
        "manylinux_2_41_*",
        "musllinux_1_[12]_x86_64",
        "macosx_10_9_universal2",
        "macosx_*_arm64",
        "win*",
        "win32",
    ],
)
def test_globs_over_platforms(glob: str) -> None:
    assert platform_glob(glob) == glob


@pytest.mark.parametrize(
    ("glob", "advice"),
    [
        ("manylinux_2_30_x86_64", "manylinux_2_28_x86_64, manylinux_2_31_x86_64"),
        ("manylinux_2_4_*", "manylinux_2_5_*"),
        ("manylinux_2_99_*", "manylinux_2_41_*"),
        ("manylinux_2_17", "manylinux_2_17_*"),
        ("win_amd46", "win_amd64"),
        ("manylinux1_aarch64", "manylinux"),
        ("linux", "tags look like"),
        ("[", "tags look like"),
    ],
)
def test_globs_that_match_no_platform(glob: str, advice: str) -> None:
    with pytest.raises(Wrong) as raised:
        platform_glob(glob)
    assert advice in raised.value.advice


@pytest.mark.parametrize("glob", ["*-musllinux_*", "cp313-*", "cp313t-win_amd64", "cp27mu-manylinux*", "cp3?-*", "*"])
def test_globs_over_identifiers(glob: str) -> None:
    assert identifier_glob(glob) == glob


@pytest.mark.parametrize("glob", ["musllinux", "py3-*", "cp313-linux_*", "cp313t", "cp312t-*"])
def test_globs_that_match_no_identifier(glob: str) -> None:
    with pytest.raises(Wrong):
        identifier_glob(glob)


def test_an_interpreter_alone_gets_its_glob() -> None:
    with pytest.raises(Wrong) as raised:
        identifier_glob("cp313t")
    assert raised.value.advice == "did you mean 'cp313t-*'?"


def test_every_platform_makes_a_target() -> None:
    assert len(set(PLATFORMS)) == len(PLATFORMS)
    for platform in PLATFORMS:
        assert str(Target.parse(f"cp313-{platform}")) == f"cp313-{platform}"
