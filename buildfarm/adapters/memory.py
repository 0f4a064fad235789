"""Seams in memory: for a farm that should leave nothing behind, and for tests of everything above."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from buildfarm.adapters import local_source
from buildfarm.adapters.resolver import accepted_tags, plain_requirement
from buildfarm.adapters.sdists import best_sdists
from buildfarm.adapters.tree import plain_path
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildJob, Environment, Lock, LockedWheel
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Recipe
from buildfarm.model.system import Crate, SystemPackage
from buildfarm.model.target import platforms_at
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store


class MemoryStore:
    """A ``ports.Store``."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, name: str, content: IO[bytes]) -> Artifact:
        """Keep the bytes."""
        data = content.read()
        artifact = artifact_of(name, data)
        self._kept[artifact.sha256] = data
        return artifact

    def open(self, sha256: str) -> IO[bytes]:
        """The bytes, from the start."""
        if sha256 not in self._kept:
            raise FarmError(f"the store does not have {sha256}")
        return io.BytesIO(self._kept[sha256])

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here."""
        return sha256 in self._kept

    def remove(self, sha256: str) -> None:
        """Forget the bytes."""
        self._kept.pop(sha256, None)


class MemoryTree:
    """A ``ports.Tree``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes | None:
        """The bytes at a relative path."""
        return self._files.get(path)

    def write(self, path: str, content: bytes) -> None:
        """Replace the file."""
        plain_path(path)
        self._files[path] = content

    def pour(self, path: str, content: IO[bytes]) -> None:
        """Replace the file."""
        self.write(path, content.read())

    def spread(self, files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        """Each of the contents to all of its paths."""
        for content, paths in files:
            for path in paths:
                self.write(path, content)

    def digest(self, path: str) -> str | None:
        """The sha256 of a file."""
        content = self.read(path)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def remove(self, path: str) -> bool:
        """Remove a file."""
        plain_path(path)
        return self._files.pop(path, None) is not None

    def point(self, path: str, target: str) -> None:
        """Copy the folder's files, which takes one step under the lock."""
        at, there = "/".join(plain_path(path)), f"{path.rpartition('/')[0]}/{'/'.join(plain_path(target))}/".lstrip("/")
        with self._lock:
            kept = {each: content for each, content in self._files.items() if not each.startswith(f"{at}/")}
            found = {each[len(there) :]: content for each, content in kept.items() if each.startswith(there)}
            self._files = kept | {f"{at}/{name}": content for name, content in found.items()}

    def clear(self, path: str) -> None:
        """Remove a folder."""
        inside = f"{'/'.join(plain_path(path))}/"
        self._files = {each: content for each, content in self._files.items() if not each.startswith(inside)}

    def names(self, path: str) -> tuple[str, ...]:
        """Names in a folder; those with a dot are hidden."""
        inside = f"{path}/"
        found = {each[len(inside) :].split("/")[0] for each in self._files if each.startswith(inside)}
        return tuple(sorted(name for name in found if not name.startswith(".")))

    def link(self, path: str, artifact: Artifact) -> bool:
        """Put the store's bytes at the path, create-only."""
        plain_path(path)
        with self._store.open(artifact.sha256) as file:
            content = file.read()
        with self._lock:
            return self._files.setdefault(path, content) == content


class MemoryLog:
    """A ``ports.Log``."""

    def __init__(self) -> None:
        self._logs: dict[str, bytes] = {}

    def append(self, attempt: str, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._logs[attempt] = self.read(attempt) + chunk

    def read(self, attempt: str) -> bytes:
        """All of it so far."""
        return self._logs.get(attempt, b"")

    def where(self, attempt: str) -> str:
        """The name under which this object has it."""
        return f"memory:{attempt}"


class MemorySources:
    """``ports.Sources`` with the given sdists, by file name."""

    def __init__(self, sdists: Mapping[str, bytes], store: Store) -> None:
        self._sdists = dict(sdists)
        self._store = store

    def releases(self, project: str) -> Mapping[str, Offer]:
        """The sdists of a project by normalised version."""
        given = (artifact_of(name, content) for name, content in self._sdists.items())
        return best_sdists(
            project,
            (Offer(filename=it.name, origin=f"memory://{it.name}", sha256=it.sha256, size=it.size) for it in given),
        )

    def fetch(self, origin: str, name: str, sha256: str = "") -> Artifact:
        """Bring a file into the store, if it has the hash."""
        return _keep(self._sdists, origin, name, sha256, self._store)

    def local(self, recipe: Recipe) -> tuple[str, KnownSource]:
        """Version and source of a ``PathSource``."""
        return local_source.local(recipe, self._store)

    def look(self, artifact: Artifact, patches: tuple[Artifact, ...] = ()) -> KnownSource:
        """What the file list of a fetched source tells."""
        return local_source.look_into(artifact, self._store, patches)


class MemoryResolver:
    """A ``ports.Resolver`` with the given wheels, by file name. It takes the newest that fits and never goes back."""

    def __init__(self, wheels: Mapping[str, bytes], store: Store) -> None:
        self._wheels = dict(wheels)
        self._store = store

    def lock(self, requirements: Iterable[str], environment: Environment, index: str) -> Lock:  # noqa: ARG002 - every index holds the same
        """Exact wheels for the requirements and all they require."""
        accepted = accepted_tags(environment.target, platforms_at(environment.target.platform))
        found: dict[str, LockedWheel] = {}
        wanted = [plain_requirement(text) for text in requirements]
        while wanted:
            requirement = wanted.pop()
            name = canonicalize_name(requirement.name)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            if name not in found:
                found[name] = self._newest(requirement, accepted)
                wanted += self._requires(found[name])
            elif not requirement.specifier.contains(found[name].version):
                raise _refused("requirements", f"no wheels for {requirement}: {name} is {found[name].version} already")
        return Lock(wheels=tuple(found[name] for name in sorted(found)))

    def fetch(self, wheel: LockedWheel) -> Artifact:
        """Bring a locked wheel into the store, if it has its hash."""
        return _keep(self._wheels, wheel.origin, wheel.artifact.name, wheel.artifact.sha256, self._store)

    def _newest(self, requirement: Requirement, accepted: tuple[Tag, ...]) -> LockedWheel:
        wanted = canonicalize_name(requirement.name)
        fitting = []
        for filename in self._wheels:
            name, version, build, tags = parse_wheel_filename(filename)
            ranks = [accepted.index(tag) for tag in tags if tag in accepted]
            if name == wanted and ranks and requirement.specifier.contains(version):
                fitting.append((version, -min(ranks), build, filename))
        if not fitting:
            raise _refused("requirements", f"no wheels for {requirement}: none was given")
        version, _, _, filename = max(fitting)
        artifact = artifact_of(filename, self._wheels[filename])
        return LockedWheel(project=wanted, version=str(version), artifact=artifact, origin=f"memory://{filename}")

    def _requires(self, wheel: LockedWheel) -> tuple[Requirement, ...]:
        with zipfile.ZipFile(io.BytesIO(self._wheels[wheel.artifact.name])) as archive:
            path = next(path for path in archive.namelist() if path.endswith(".dist-info/METADATA"))
            required = Metadata.from_email(archive.read(path), validate=False).requires_dist
        return tuple(plain_requirement(str(requirement)) for requirement in required or ())


class MemoryPackages:
    """``ports.Packages`` with the given ones, by the name that is asked for: what each needs, and itself."""

    def __init__(
        self, packages: Mapping[str, tuple[SystemPackage, ...]], files: Mapping[str, bytes], store: Store
    ) -> None:
        self._packages = dict(packages)
        self._files = dict(files)
        self._store = store

    def lock(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """All that the packages need, by name; their files are then in the store."""
        found: dict[str, SystemPackage] = {}
        for name in names:
            if name not in self._packages:
                raise _refused("packages", f"{name} was not given")
            found |= {each.name: each for each in self._packages[name]}
        for each in found.values():
            self.fetch(each)
        return tuple(found[name] for name in sorted(found))

    def fetch(self, package: SystemPackage) -> Artifact:
        """Bring its file into the store, if it has its hash."""
        return _keep(self._files, package.origin, package.artifact.name, package.artifact.sha256, self._store)


class MemoryCrates:
    """``ports.Crates`` with the given files, by ``name-version``."""

    def __init__(self, crates: Mapping[str, bytes], store: Store) -> None:
        self._crates = dict(crates)
        self._store = store

    def fetch(self, crates: Iterable[Crate], job: BuildJob) -> tuple[Artifact, ...]:  # noqa: ARG002 - no cargo is asked
        """Bring them into the store, if they have their hashes."""
        named = ((f"{each.name}-{each.version}", each.sha256) for each in crates)
        return tuple(_keep(self._crates, name, f"{name}.tar.gz", sha256, self._store) for name, sha256 in named)


class MemoryBell:
    """A ``ports.Bell`` for the threads of one process. Each hears every ring: one that it missed ends its next wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rings = 0
        self._heard = threading.local()

    def ring(self, lane: str) -> None:  # noqa: ARG002 - those who wait are few, and look for themselves
        """Wake everybody who waits."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleep until a ring, or that long."""
        with self._changed:
            self._changed.wait_for(lambda: self._rings != getattr(self._heard, "rings", 0), seconds)
            self._heard.rings = self._rings


class MemoryOwners:
    """``ports.Owners``: those that were named."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)

    def live(self) -> frozenset[str]:
        """The names."""
        return self._names


def artifact_of(name: str, content: bytes) -> Artifact:
    """The bytes as an artifact."""
    return Artifact(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _keep(given: Mapping[str, bytes], origin: str, name: str, sha256: str, store: Store) -> Artifact:
    if kept := local_source.kept(store, name, sha256):
        return kept
    content = given.get(origin.removeprefix("memory://"))
    if content is None:
        raise _refused("upstream", f"{origin} was not given")
    artifact = artifact_of(name, content)
    if sha256 and artifact.sha256 != sha256:
        raise _refused("hash", f"{origin} has sha256:{artifact.sha256}, not sha256:{sha256}")
    return store.put(name, io.BytesIO(content))


def _refused(code: str, message: str) -> Unavailable:
    return Unavailable(Reason(code=code, message=message))
