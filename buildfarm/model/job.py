"""Requests, environments, and the two kinds of job with their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildfarm.model.canonical import digest
from buildfarm.model.recipe import Build, Limits, Patch, Recipe, Repair, System, Test, Verify
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact

KEY_VERSION = 1  # raised when the meaning of a key changes: then everything is built anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was uploaded and waits for its tests, which are those of ``recipe``.

    ``content`` as in ``VerifiedWheel``, empty for an sdist.
    """

    recipe: Recipe
    version: str
    artifact: Artifact
    content: str = ""
    requires_python: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """Somebody's wish: recipes, globs over build identifiers, and the index to publish to.

    ``urgency``: pull-request, request or nightly. ``id`` is given by the ledger. ``uploads`` wait on the index's
    ``+pending`` until they are tested; nothing is built for them.
    """

    recipes: tuple[Recipe, ...]
    targets: tuple[str, ...] = ("*",)
    index: str = "main"
    owner: str = "local"
    urgency: str = "request"
    id: int = 0
    uploads: tuple[Upload, ...] = ()

    @property
    def digest(self) -> str:
        """Equal for requests that want the same thing, whatever their id."""
        wish = [self.recipes, self.targets, self.index, self.owner, self.urgency]
        return digest([*wish, self.uploads] if self.uploads else wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the commands of one target run: a host tool-chain or an image, for one interpreter.

    ``target`` is the lowest floor that it reaches; ``definition`` is what it is made of (never what an image's id
    happens to be), and its digest enters the keys; ``test_definition`` is the part of it that a test sees. ``lacks``
    says why nothing can be built in it now, and what would help; empty where something can. ``release`` is the
    distribution that its system packages are of; it counts where there are some. ``image`` and ``test_image`` name the
    images of builds and tests, empty on a host; ``native`` is the platform tag that the image's own compiler and
    libraries reach, ``runs`` the newest whose wheels a host runs; ``unpinned``: nobody can say yet which image that is,
    for it has no digest. ``services`` are the images of services that can run beside its tests, each with the digest of
    what then serves.
    """

    name: str
    lane: str
    target: Target
    definition: Mapping[str, str]
    test_definition: Mapping[str, str]
    compilers: tuple[str, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    system: tuple[str, ...] = ()
    lacks: str = ""
    release: str = ""
    image: str = ""
    test_image: str = ""
    native: str = ""
    runs: str = ""
    unpinned: bool = False

    @property
    def fingerprint(self) -> str:
        """Digest of the definition."""
        return digest(self.definition)

    @property
    def system_fingerprint(self) -> str:
        """Digest of the definition with the release, for jobs with system packages."""
        return digest({**self.definition, "release": self.release})

    @property
    def test_fingerprint(self) -> str:
        """Digest of the part of the definition that a test sees."""
        return digest(self.test_definition)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePin:
    """The exact source of one version. ``origin`` says where prepare gets it: a URL or an absolute path.

    ``epoch`` (SOURCE_DATE_EPOCH, seconds) is the newest time in the source, not before 1980.
    """

    artifact: Artifact
    origin: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPart:
    """What of a recipe decides the wheel's bytes, overrides applied. ``limits`` do not."""

    wheel: str = "auto"
    system: System = System()
    build: Build = Build()
    patches: tuple[Patch, ...] = ()
    repair: Repair = Repair()
    verify: Verify = Verify()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """One wheel to build, all pinned.

    ``needs`` maps the name of a build requirement to the key of the build job that makes it; ``packages`` are the exact
    system packages that it sees, which enter the key where there are some. Outside the key, because
    the source decides them or they do not reach the bytes: ``limits``; ``native`` and ``cxx``, what the source holds;
    ``requires``, the static build requirements after the recipe's edit; ``backend`` (PEP 517); ``build_tag`` (PEP 427;
    0: none); ``extensions``, the extension modules of the project's last good release (0: unknown).
    """

    project: str
    version: str
    target: Target
    source: SourcePin
    environment: Environment
    part: BuildPart = BuildPart()
    tools: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    needs: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[SystemPackage, ...] = ()
    limits: Limits = Limits()
    native: bool = True
    cxx: bool = False
    requires: tuple[str, ...] = ()
    backend: str = "setuptools.build_meta:__legacy__"
    backend_path: tuple[str, ...] = ()
    build_tag: int = 0
    extensions: int = 0

    @property
    def key(self) -> str:
        """sha256 of everything that decides the wheel's bytes, 64 hex digits."""
        return digest(
            {
                "v": KEY_VERSION,
                "kind": "build",
                "part": self.part,
                "source": self.source.artifact.sha256,
                "environment": self.environment.definition,
                "target": str(self.target),
                "tools": self.tools,
                "generation": self.generation,
                "needs": self.needs,
                **self._system,
            }
        )

    @property
    def kind(self) -> str:
        """``build``, as the ledger and the pages call it."""
        return "build"

    @property
    def title(self) -> str:
        """Project, version and target, as people are told."""
        return f"{self.project} {self.version} {self.target}"

    @property
    def fingerprint(self) -> str:
        """What a worker must have to take the job: the digest of the environment's definition."""
        return self.environment.system_fingerprint if self.packages else self.environment.fingerprint

    @property
    def _system(self) -> Mapping[str, object]:
        if not self.packages:
            return {}
        return {
            "release": self.environment.release,
            "packages": [(each.manager, each.name, each.version, each.artifact.sha256) for each in self.packages],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TestJob:
    """One test of one wheel, which is named by its digest, never by the job that built it.

    ``source`` and its ``patches`` are there where tests take files from it; ``services`` are the images of those that
    they name, as their environment has them.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    project: str
    version: str
    target: Target
    wheel: Artifact
    environment: Environment
    tests: tuple[Test, ...]
    index: str
    source: SourcePin | None = None
    patches: tuple[Patch, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict)
    generation: int = 1
    limits: Limits = Limits()

    @property
    def key(self) -> str:
        """sha256 of everything that decides the report, 64 hex digits."""
        return digest(
            {
                "v": KEY_VERSION,
                "kind": "test",
                "wheel": self.wheel.sha256,
                "tests": self.tests,
                "source": self.source.artifact.sha256 if self.source else "",
                "environment": self.environment.test_definition,
                "target": str(self.target),
                "index": self.index,
                "generation": self.generation,
                **({"patches": self.patches} if self.patches else {}),
                **({"services": self.services} if self.services else {}),
            }
        )

    @property
    def kind(self) -> str:
        """``test``, as the ledger and the pages call it."""
        return "test"

    @property
    def title(self) -> str:
        """As of a build."""
        return f"{self.project} {self.version} {self.target}"

    @property
    def fingerprint(self) -> str:
        """What a worker must have to take the job: the digest of the part of the environment that a test sees."""
        return self.environment.test_fingerprint


Job = BuildJob | TestJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Exact wheels for one job, in the order of their names: the file and where to fetch it.

    Or, for a set of names of system packages, the exact packages.
    """

    wheels: tuple[LockedWheel, ...] = ()
    packages: tuple[SystemPackage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWheel:
    """One wheel of a lock. ``origin`` is a URL or an absolute path; the size is 0 where the index does not tell."""

    project: str
    version: str
    artifact: Artifact
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An artifact that a job needs in its session, by role: source, patch, wheelhouse, wheel, or package."""

    role: str
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to attempt a job. ``token`` fences every later write.

    ``granted`` are the requirements that the lock of a build job answers, as their authors wrote them.
    """

    job: Job
    attempt: int
    token: int
    worker: str
    inputs: tuple[Input, ...] = ()
    granted: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Names the attempt in folders and logs: ``<job key>.<token>``."""
        return f"{self.job.key}.{self.token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who claims: the lanes it serves and the environments that it has, by definition digest."""

    name: str
    lanes: frozenset[str]
    environments: frozenset[str] = frozenset()
