"""What the file name of a distribution says: whose it is, and which version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from buildfarm.model.session import ARCHIVES
from buildfarm.model.wheel import Artifact

WHEEL = ".whl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The normalised name (PEP 503) and version (PEP 440) of a distribution."""

    project: str
    version: str

    def __str__(self) -> str:
        return f"{self.project}=={self.version}"

    def same(self, other: Named) -> bool:
        """Whether both are one release: 1.0 is 1.0.0 (PEP 440)."""
        return self.project == other.project and Version(self.version) == Version(other.version)


def named(filename: str) -> Named | None:
    """Whose distribution a file is by its name: a wheel (PEP 427) or an sdist (PEP 625, and before it); None: neither.

    In the name of an old sdist both parts may have hyphens; the first one that a version follows divides them.
    """
    try:
        if filename.endswith(WHEEL):
            project, version, _, _ = parse_wheel_filename(filename)
            return Named(project=project, version=str(version))
    except ValueError:
        return None
    suffix = next((suffix for suffix in ARCHIVES if filename.endswith(suffix)), "")
    stem = filename.removesuffix(suffix) if suffix else ""
    for at in (place for place, each in enumerate(stem) if each == "-" and place):
        try:
            version = Version(stem[at + 1 :])
        except InvalidVersion:
            continue
        return Named(project=canonicalize_name(stem[:at]), version=str(version))
    return None


def spelt_alike(one: str, other: str) -> bool:
    """Whether two names of one project's files, spelt as they may be, are the same name for an installer."""
    return _meaning(one) == _meaning(other)


@lru_cache(maxsize=4096)
def _meaning(filename: str) -> object:
    found = named(filename)
    if found is None:
        return filename
    if filename.endswith(WHEEL):
        return parse_wheel_filename(filename)
    return Version(found.version), filename.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A distribution that is to be published elsewhere. ``metadata`` is its core metadata file; empty: not known."""

    project: str
    version: str
    artifact: Artifact
    metadata: bytes = b""
