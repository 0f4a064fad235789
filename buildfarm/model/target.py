"""Targets: what we promise a wheel for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags

_IDENTIFIER = re.compile(r"(?P<abi>cp(?P<major>\d)(?P<minor>\d+)(?P<flags>[a-z]*))-(?P<platform>[a-z0-9_]+)")
_GLIBC = re.compile(r"manylinux_(?P<major>\d+)_(?P<minor>\d+)_(?P<arch>\w+)")
_MUSL = re.compile(r"musllinux_(?P<major>\d+)_(?P<minor>\d+)_(?P<arch>\w+)")
_LEGACY = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}
_FIRST_GLIBC = {"x86_64": 5, "i686": 5}  # PEP 600: other architectures begin at 2.17

FLOORS = tuple((2, minor) for minor in (5, 12, 17, 24, 26, 27, 28, 31, 34, 35, 36, 37, 38, 39, 40, 41))
"""The floors of the manylinux policies that the repair tool knows, as glibc versions, in order (PEP 600)."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """One ABI on one platform, as a build identifier: ``cp313-manylinux_2_28_x86_64``, ``cp313t-win_amd64``."""

    abi: str
    platform: str

    @classmethod
    def parse(cls, identifier: str) -> Target:
        """Read a build identifier; raises ``ValueError`` that says what one looks like."""
        match = _IDENTIFIER.fullmatch(identifier)
        if match is None:
            raise ValueError(f"{identifier!r} is no build identifier such as 'cp313-manylinux_2_28_x86_64'")
        return cls(abi=match["abi"], platform=match["platform"])

    def __str__(self) -> str:
        return f"{self.abi}-{self.platform}"

    @property
    def python(self) -> tuple[int, int]:
        """Version of the interpreter, ``(3, 13)``."""
        match = re.match(r"cp(\d)(\d+)", self.abi)
        if match is None:
            raise ValueError(f"{self.abi!r} is no CPython ABI")
        return int(match[1]), int(match[2])

    @property
    def interpreter(self) -> str:
        """The interpreter tag, ``cp313``."""
        major, minor = self.python
        return f"cp{major}{minor}"

    @property
    def floor(self) -> tuple[int, int] | None:
        """The oldest libc that the platform tag admits, ``(2, 17)``; None where the platform is no Linux."""
        match = _GLIBC.fullmatch(self.platform) or _MUSL.fullmatch(self.platform)
        return (int(match["major"]), int(match["minor"])) if match else None

    @property
    def arch(self) -> str:
        """The machine that the platform tag names, ``x86_64``; empty where the platform is no Linux."""
        match = _GLIBC.fullmatch(self.platform) or _MUSL.fullmatch(self.platform)
        return match["arch"] if match else ""

    def tags(self) -> frozenset[Tag]:
        """Every tag that an installer on a host exactly at the target's floor accepts (``packaging.tags``)."""
        return frozenset(_accepted(self))

    def place(self, wheel: frozenset[Tag]) -> int | None:
        """Where the best of these tags is among those that such an installer accepts, the best at 0; None: none is."""
        return min((place for tag in wheel if (place := _accepted(self).get(tag)) is not None), default=None)

    def covered_by(self, wheel: frozenset[Tag]) -> bool:
        """Whether a wheel with these tags installs on every host that the target promises."""
        return not _accepted(self).keys().isdisjoint(wheel)


def manylinux(floor: tuple[int, int], arch: str) -> str:
    """The platform tag of a glibc floor: ``manylinux_2_17_x86_64`` (PEP 600)."""
    return "manylinux_{}_{}_{}".format(*floor, arch)


def names_python_2(specifier: str) -> bool:
    """Whether a version specifier (PEP 440) names a version of Python 2: one that only admits it, as ``<3.12`` does,
    was hardly written with it in mind.
    """
    return any(each.version.split(".")[0] == "2" for each in SpecifierSet(specifier))


@lru_cache(maxsize=1024)
def _accepted(target: Target) -> Mapping[Tag, int]:
    platforms = platforms_at(target.platform)
    best_first = chain(
        cpython_tags(target.python, [target.abi], platforms),
        compatible_tags(target.python, target.interpreter, platforms),
    )
    return {tag: place for place, tag in enumerate(dict.fromkeys(best_first))}


def platforms_at(platform: str) -> list[str]:
    """Platform tags that a host exactly at the floor ``platform`` accepts, best first (PEP 600, PEP 656).

    A platform that is no Linux tag stands for itself: macOS and Windows floors are added with their runners.
    """
    if match := _GLIBC.fullmatch(platform):
        major, top, arch = int(match["major"]), int(match["minor"]), match["arch"]
        found = []
        for minor in range(top, _FIRST_GLIBC.get(arch, 17) - 1, -1):
            found.append(f"manylinux_{major}_{minor}_{arch}")
            if legacy := _LEGACY.get((major, minor)):
                found.append(f"{legacy}_{arch}")
        return found
    if match := _MUSL.fullmatch(platform):
        major, top, arch = int(match["major"]), int(match["minor"]), match["arch"]
        return [f"musllinux_{major}_{minor}_{arch}" for minor in range(top, -1, -1)]
    return [platform]
