"""Which platform tags and build identifiers there are, so that a glob that can match none of them is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from itertools import chain

from packaging.specifiers import SpecifierSet

from buildfarm.model.target import FLOORS, names_python_2
from buildfarm.recipe.diagnostic import suggestion
from buildfarm.recipe.fields import Wrong

_GLIBC = tuple(minor for _, minor in FLOORS)
_FIRST_GLIBC = {  # policy of each architecture (PEP 600)
    "x86_64": 5, "i686": 5, "aarch64": 17, "armv7l": 17, "ppc64le": 17, "s390x": 17, "riscv64": 31, "loongarch64": 36,
}  # fmt: skip
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_MUSL = (1, 2)  # PEP 656
_MACOS = {"x86_64": 10, "universal2": 10, "arm64": 11}
_WINDOWS = ("win32", "win_amd64", "win_arm64")
_LAST_MACOS = 30
_LAST_PYTHON = 20  # of the 3 series: what is not out yet may already be named


def _platforms() -> Iterator[str]:
    for arch, first in _FIRST_GLIBC.items():
        for minor in _GLIBC:
            if minor >= first:
                yield f"manylinux_2_{minor}_{arch}"
                if minor in _LEGACY:
                    yield f"{_LEGACY[minor]}_{arch}"
        yield from (f"musllinux_1_{minor}_{arch}" for minor in _MUSL)
    for arch, first in _MACOS.items():
        if first == 10:
            yield from (f"macosx_10_{minor}_{arch}" for minor in range(6, 17))
        yield from (f"macosx_{major}_0_{arch}" for major in range(11, _LAST_MACOS + 1))
    yield from _WINDOWS


PLATFORMS = tuple(_platforms())
_LIKELY = tuple(each for each in PLATFORMS if not each.startswith("macosx_") or each.startswith("macosx_11_0_"))
PYTHONS = ((2, 7), *((3, minor) for minor in range(6, _LAST_PYTHON + 1)))
_ABIS = tuple(
    chain(
        ("cp27", "cp27m", "cp27mu", "cp36m", "cp37m"),
        (f"cp3{minor}" for minor in range(6, _LAST_PYTHON + 1)),
        (f"cp3{minor}t" for minor in range(13, _LAST_PYTHON + 1)),
    )
)


@lru_cache(maxsize=1024)
def platform_glob(glob: str) -> str:
    """A glob over platform tags that can match one; raises ``Wrong`` that names what is near."""
    if matching(glob):
        return glob
    raise Wrong(f"{glob!r} matches no platform tag", _near(glob))


@lru_cache(maxsize=1024)
def identifier_glob(glob: str) -> str:
    """A glob over build identifiers that can match one; raises ``Wrong`` that says which half cannot."""
    abi, dash, platform = glob.partition("-")
    known_abi = any(fnmatchcase(each, abi) for each in _ABIS)
    if known_abi and any(fnmatchcase(each, platform) for each in PLATFORMS):
        return glob
    if any(fnmatchcase(f"{abi}-{platform}", glob) for platform in PLATFORMS for abi in _ABIS):  # one * over both halves
        return glob
    if dash:
        near = suggestion(abi, _ABIS) or "the part before the dash is an ABI such as cp313, cp313t, cp27mu, or '*'"
        advice = _near(platform) if known_abi else near
    elif glob in _ABIS:
        advice = f"did you mean '{glob}-*'?"
    elif any(fnmatchcase(each, f"*{glob}*") for each in PLATFORMS):
        advice = f"the identifier begins with the interpreter: '*-{glob.strip('*')}*'"
    else:
        advice = "for example: '*-musllinux_*', 'cp313-win_amd64'"
    raise Wrong(f"{glob!r} matches no build identifier", advice)


@lru_cache(maxsize=1024)
def matching(glob: str) -> frozenset[str]:
    """The platform tags that a glob over them matches, of all that there are."""
    return frozenset(each for each in PLATFORMS if fnmatchcase(each, glob))


@lru_cache(maxsize=256)
def selected(glob: str) -> frozenset[str]:
    """The build identifiers that a glob over them selects, of all that there are."""
    abi, _, platform = glob.partition("-")
    if glob.count("-") == 1 and "[" not in glob:  # then its halves match apart
        return frozenset(f"{one}-{other}" for one in _ABIS if fnmatchcase(one, abi) for other in matching(platform))
    return frozenset(each for each in _identifiers() if fnmatchcase(each, glob))


@lru_cache(maxsize=256)
def wanted(python: str, globs: tuple[str, ...]) -> frozenset[str]:
    """The build identifiers that a specifier over Pythons and globs over platforms leave, of all that there are; those
    of Python 2 only where the specifier names it.
    """
    admitted = SpecifierSet(python)
    pythons = PYTHONS if names_python_2(python) else [each for each in PYTHONS if each > (3, 0)]
    versions = {f"cp{major}{minor}" for major, minor in pythons if admitted.contains(f"{major}.{minor}.99")}
    abis = [abi for abi in _ABIS if abi.rstrip("tmu") in versions]
    platforms = frozenset(chain.from_iterable(map(matching, globs or ("*",))))
    return frozenset(f"{abi}-{platform}" for abi in abis for platform in platforms)


@cache
def _identifiers() -> tuple[str, ...]:
    return tuple(f"{abi}-{platform}" for abi in _ABIS for platform in PLATFORMS)


def _near(glob: str) -> str:
    policy = re.fullmatch(r"manylinux_2_([0-9]{1,4})(_\w+|_?\*)?", glob)
    if policy and int(policy[1]) not in _GLIBC:
        wanted, rest = int(policy[1]), policy[2] or "_*"
        below = [f"manylinux_2_{minor}{rest}" for minor in _GLIBC if minor < wanted][-1:]
        above = [f"manylinux_2_{minor}{rest}" for minor in _GLIBC if minor > wanted][:1]
        return f"there is no policy manylinux_2_{wanted}; the nearest: {', '.join(below + above)}"
    if any(fnmatchcase(platform, f"{glob}_*") for platform in PLATFORMS):
        return f"did you mean '{glob}_*'? a tag ends with the architecture"
    families = "manylinux_2_17_x86_64, musllinux_1_2_aarch64, macosx_11_0_arm64, win_amd64"
    return suggestion(glob, _LIKELY) or f"tags look like {families}"
