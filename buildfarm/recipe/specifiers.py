"""Version specifiers (PEP 440) that no version can meet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


@lru_cache(maxsize=4096)
def normal(text: str) -> str:
    """The specifier set in its normal form, empty for an empty one; raises ``InvalidSpecifier``."""
    return str(SpecifierSet(text))


@lru_cache(maxsize=4096)
def contradictory(text: str) -> bool:
    """Whether no version meets all of a valid specifier set. Only versions at and around its bounds can decide it."""
    wanted = SpecifierSet(text)
    if any(each.operator == "===" for each in wanted):
        return False
    try:
        candidates = [Version(each) for specifier in wanted for each in _around(specifier.version)]
    except (InvalidVersion, InvalidSpecifier):
        return False
    return bool(candidates) and not any(wanted.contains(each, prereleases=True) for each in candidates)


def _around(bound: str) -> Iterator[str]:
    """A version that is far below, just below, at, just above, and far above the bound."""
    version = Version(bound.removesuffix(".*"))
    epoch = f"{version.epoch}!" if version.epoch else ""
    *rest, last = version.release
    release = ".".join(map(str, version.release))
    yield "0"
    if last:
        yield f"{epoch}{'.'.join(map(str, (*rest, last - 1)))}.99999"
    yield str(version)
    yield f"{epoch}{release}.0.0.0.1"
    yield f"{epoch}{version.release[0] + 99999}"
