"""What planning needs to know of the world, as one value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from buildfarm.model.job import Environment, SourcePin
from buildfarm.model.outcome import Reason
from buildfarm.model.system import SystemPackage
from buildfarm.model.wheel import Artifact

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
"""What PEP 517 says to use where no build backend is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSource:
    """A pinned source and what its files tell: does it hold native code, and its ``[build-system]`` (PEP 517, 518)."""

    pin: SourcePin
    native: bool = True
    cxx: bool = False
    requires: tuple[str, ...] = ()
    backend: str = LEGACY_BACKEND
    backend_path: tuple[str, ...] = ()
    requires_python: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWheel:
    """A verified wheel that a build job made."""

    artifact: Artifact
    content: str
    extensions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything ``plan.expand`` may ask.

    ``versions``: recipe name → the exact versions its request stands for; ``sources``: (name, version) → its source,
    or the reason why there is none; ``wheels``: key of a build job → its wheel; ``failed``: keys of jobs that ended
    badly; ``published``: (name, version) → wheels on the request's index; ``last``: name → the wheel of the project
    that was verified last; ``packages``: names of system packages → exactly what they stand for; ``floors``: higher
    glibc floors, in order, that a target may be raised to for the sake of its system packages (PEP 600); ``servers``:
    name of an image that serves → names of the variables that it takes.
    """

    environments: tuple[Environment, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    versions: Mapping[str, tuple[str, ...] | Reason] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], KnownSource | Reason] = field(default_factory=dict)
    wheels: Mapping[str, KnownWheel] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    published: Mapping[tuple[str, str], tuple[KnownWheel, ...]] = field(default_factory=dict)
    last: Mapping[str, KnownWheel] = field(default_factory=dict)
    packages: Mapping[tuple[str, ...], tuple[SystemPackage, ...] | Reason] = field(default_factory=dict)
    floors: tuple[tuple[int, int], ...] = ()
    servers: Mapping[str, Collection[str]] = field(default_factory=dict)
