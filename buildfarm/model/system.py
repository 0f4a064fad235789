"""System packages: pinned by prepare, and as a session sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildfarm.model.wheel import Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPackage:
    """One package of a system's package manager, exact; ``source`` is its source package, ``origin`` where it comes
    from: a URL or an absolute path.

    ``floor`` is the glibc that its shared libraries need; (0, 0) where it has none that a wheel could be linked with.
    """

    manager: str
    name: str
    version: str
    architecture: str
    source: str
    artifact: Artifact
    origin: str
    floor: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPackage:
    """A system package that a session sees.

    ``libraries`` maps the file name of each of its shared libraries to the sha256 of its bytes; ``licence`` is the text
    of its copyright file; ``release`` the distribution that it is of (``debian 11``), empty for that of the host.
    """

    package: SystemPackage
    libraries: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Crate:
    """A package of Rust, exact; ``sha256`` is of its file."""

    name: str
    version: str
    sha256: str
