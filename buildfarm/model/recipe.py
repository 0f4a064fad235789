"""What a recipe file means, still for all targets. Knows no positions: ``recipe`` returns those beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

GIB = 1024**3
MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Follow upstream: the newest ``keep`` releases. The only tracking there is, is ``latest``."""

    track: str = "latest"
    keep: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistSource:
    """sdists of the upstream index; ``hashes`` maps a version to ``sha256:…`` (PEP 625 for the file name)."""

    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """An archive at a URL, with its hash (``sha256:…``)."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A commit of a git repository: a full object name."""

    git: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSource:
    """A local sdist, or a folder with a ``pyproject.toml`` or ``setup.py``, absolute.

    ``sha256`` is of its bytes when it was asked for; empty as the author writes it.
    """

    path: str
    sha256: str = ""


Source = SdistSource | UrlSource | GitSource | PathSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Which of the targets on offer are wanted: a PEP 440 specifier over Python versions, globs over platform tags."""

    python: str = ""
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """System packages by package manager."""

    apt: tuple[str, ...] = ()
    dnf: tuple[str, ...] = ()
    apk: tuple[str, ...] = ()
    brew: tuple[str, ...] = ()
    vcpkg: tuple[str, ...] = ()
    choco: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, manager) for manager in MANAGERS)


MANAGERS = tuple(each.name for each in fields(System))
"""The package managers that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requires:
    """An edit of the build requirements: PEP 508 requirements to add, project names to remove."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How the wheel is built. ``compiler``: auto, zig or system. ``before``: commands run in the source first."""

    compiler: str = "auto"
    requires: Requires = Requires()
    env: Mapping[str, str] = field(default_factory=dict)
    config_settings: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A patch file (absolute path), for the versions that its PEP 440 specifier admits.

    ``sha256`` is of its bytes when it was asked for; empty as the author writes it. In a job only that is left, and the
    file's own name.
    """

    file: str
    versions: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one session: CPUs, bytes, counts, seconds.

    ``cpu`` is processor time, summed over all its processes; 0: as much as ``cpus`` and ``wall`` allow.
    """

    cpus: float = 2
    cpu: float = 0
    memory: int = 4 * GIB
    disk: int = 10 * GIB
    pids: int = 1024
    wall: float = 3600
    silence: float = 600
    log: int = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Include:
    """Files of the session (a glob) that are put into the wheel (a folder) before the repair."""

    source: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Options of the repair tool: libraries left external, folders searched, files included before."""

    exclude: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    include: tuple[Include, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Verify rules relaxed by name, each with its reason."""

    relax: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A server that a test needs: its image by name, and the environment that sets it up."""

    image: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One test: modules to import (``("auto",)``: every top-level one), or commands to run.

    ``sources`` are the only paths of the source that the session sees; ``files`` are written with their placeholders
    filled.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    imports: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    folder: str = ""
    requires: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)


AUTO_IMPORTS = Test(imports=("auto",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Changes for the targets that a glob over build identifiers selects; a part that is None stays as it is.

    ``skip`` is the reason for which the tests are left out there. ``written`` are the paths that its author wrote in
    its parts (``build.env``): the rest of those parts stays as it is (``model.overlay``).
    """

    select: str
    wheel: str | None = None
    system: System | None = None
    build: Build | None = None
    repair: Repair | None = None
    verify: Verify | None = None
    limits: Limits | None = None
    tests: tuple[Test, ...] | None = None
    skip: str | None = None
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Where released wheels go; ``all_targets``: nothing of a version before every wanted target is there."""

    index: str = ""
    all_targets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One project: what to build, from what, for which targets, and how to know that it works.

    ``versions`` are exact versions, or a PEP 440 specifier set (a requirement's), or ``Track``. ``wheel``: auto, pure,
    abi3 or platform. Only ``name`` is needed.
    """

    name: str
    versions: tuple[str, ...] | Track = Track()
    source: Source = SdistSource()
    targets: Targets = Targets()
    wheel: str = "auto"
    system: System = System()
    build: Build = Build()
    patches: tuple[Patch, ...] = ()
    limits: Limits = Limits()
    repair: Repair = Repair()
    verify: Verify = Verify()
    tests: tuple[Test, ...] = (AUTO_IMPORTS,)
    overrides: tuple[Override, ...] = ()
    publish: Publish = Publish()
    owners: tuple[str, ...] = ()

    @property
    def exact(self) -> tuple[str, ...]:
        """The exact versions, as they are written; none where it follows upstream or has a specifier set."""
        if isinstance(self.versions, Track) or any(each.startswith(tuple("<>=!~")) for each in self.versions):
            return ()
        return self.versions
