from __future__ import annotations

import packaging._manylinux
import packaging._musllinux
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags

from buildfarm.model.target import Target, platforms_at
from buildfarm.model.wheel import tags_of

abis = st.builds(
    "cp{}{}{}".format, st.integers(2, 9), st.integers(0, 99), st.text(alphabet="abcdefghijklmnopqrstuvwxyz", max_size=3)
)
platforms = st.one_of(
    st.builds(
        "manylinux_2_{}_{}".format, st.integers(5, 60), st.sampled_from(["x86_64", "i686", "aarch64", "riscv64"])
    ),
    st.builds("musllinux_1_{}_{}".format, st.integers(1, 9), st.sampled_from(["x86_64", "aarch64"])),
    st.sampled_from(["win_amd64", "win32", "win_arm64", "macosx_11_0_arm64", "macosx_10_13_x86_64"]),
)


@given(st.builds(Target, abi=abis, platform=platforms))
def test_a_target_is_read_back_from_its_text(target: Target) -> None:
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("identifier", "python", "interpreter", "floor"),
    [
        ("cp313-manylinux_2_28_x86_64", (3, 13), "cp313", (2, 28)),
        ("cp313t-win_amd64", (3, 13), "cp313", None),
        ("cp27mu-manylinux_2_5_i686", (2, 7), "cp27", (2, 5)),
        ("cp39-musllinux_1_2_aarch64", (3, 9), "cp39", (1, 2)),
        ("cp314-macosx_11_0_arm64", (3, 14), "cp314", None),
    ],
)
def test_parts(identifier: str, python: tuple[int, int], interpreter: str, floor: tuple[int, int] | None) -> None:
    target = Target.parse(identifier)
    assert (target.python, target.interpreter, target.floor) == (python, interpreter, floor)


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "cp311",
        "cp311-",
        "-win_amd64",
        "py3-any",
        "pp310-win_amd64",
        "cp311-win_amd64\n",
        "cp3-win32",
        "cp311 win32",
    ],
)
def test_what_is_no_identifier_is_refused_with_an_example(identifier: str) -> None:
    with pytest.raises(ValueError, match="is no build identifier such as 'cp313-manylinux_2_28_x86_64'"):
        Target.parse(identifier)


@pytest.mark.parametrize("abi", ["cp39", "cp311", "cp313", "cp313t", "cp315t", "cp27mu"])
@pytest.mark.parametrize(
    ("libc", "floor", "arch"),
    [
        ("manylinux", (2, 17), "x86_64"),
        ("manylinux", (2, 28), "x86_64"),
        ("manylinux", (2, 17), "aarch64"),
        ("manylinux", (2, 34), "aarch64"),
        ("musllinux", (1, 2), "x86_64"),
        ("musllinux", (1, 1), "aarch64"),
    ],
)
def test_tags_are_those_that_an_installer_at_the_floor_accepts(
    abi: str, libc: str, floor: tuple[int, int], arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging._manylinux, "_get_glibc_version", lambda: floor)
    monkeypatch.setattr(packaging._musllinux, "_get_musl_version", lambda _: packaging._musllinux._MuslVersion(*floor))
    asked = packaging._manylinux if libc == "manylinux" else packaging._musllinux
    accepted = list(asked.platform_tags([arch]))
    target = Target(abi=abi, platform=f"{libc}_{floor[0]}_{floor[1]}_{arch}")
    assert platforms_at(target.platform) == accepted
    expected = {
        *cpython_tags(target.python, [abi], accepted),
        *compatible_tags(target.python, target.interpreter, accepted),
    }
    assert target.tags() == expected


@pytest.mark.parametrize(
    ("tags", "target", "covered"),
    [
        ("cp39-abi3-manylinux_2_17_x86_64", "cp311-manylinux_2_17_x86_64", True),
        ("cp39-abi3-manylinux_2_17_x86_64", "cp39-manylinux_2_17_x86_64", True),
        ("cp311-abi3-manylinux_2_17_x86_64", "cp39-manylinux_2_17_x86_64", False),
        ("cp39-abi3-manylinux_2_17_x86_64", "cp313t-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux_2_17_x86_64", "cp312-manylinux_2_17_x86_64", False),
        ("cp313-cp313-manylinux_2_17_x86_64", "cp313t-manylinux_2_17_x86_64", False),
        ("cp313-cp313t-manylinux_2_17_x86_64", "cp313t-manylinux_2_17_x86_64", True),
        ("cp313-cp313t-manylinux_2_17_x86_64", "cp313-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_28_x86_64", "cp311-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "cp311-manylinux_2_28_x86_64", True),
        ("cp311-cp311-manylinux1_x86_64", "cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux2014_x86_64", "cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux2014_x86_64", "cp311-manylinux_2_12_x86_64", False),
        ("cp311-cp311-manylinux2014_x86_64.manylinux_2_28_x86_64", "cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-linux_x86_64", "cp311-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_17_aarch64", "cp311-manylinux_2_17_x86_64", False),
        ("cp311-cp311-manylinux_2_17_x86_64", "cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-musllinux_1_1_x86_64", "cp311-musllinux_1_2_x86_64", True),
        ("cp311-cp311-musllinux_1_2_x86_64", "cp311-musllinux_1_1_x86_64", False),
        ("cp311-cp311-musllinux_1_1_x86_64", "cp311-manylinux_2_28_x86_64", False),
        ("py3-none-any", "cp313t-musllinux_1_2_x86_64", True),
        ("py2.py3-none-any", "cp27mu-manylinux_2_5_i686", True),
        ("py3-none-any", "cp27mu-manylinux_2_5_i686", False),
        ("py312-none-any", "cp311-win_amd64", False),
        ("py3-none-manylinux_2_5_x86_64", "cp312-manylinux_2_17_x86_64", True),
        ("cp311-cp311-win_amd64", "cp311-win_amd64", True),
        ("cp311-cp311-win_arm64", "cp311-win_amd64", False),
    ],
)
def test_covered_by(tags: str, target: str, covered: bool) -> None:
    assert Target.parse(target).covered_by(tags_of(f"demo-1.0-{tags}.whl")) is covered


def test_no_tag_covers_nothing() -> None:
    assert not Target.parse("cp311-win_amd64").covered_by(frozenset())
