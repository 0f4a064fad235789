"""Where sources come from: folders, index pages, and the developer's own disk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, NoReturn, Protocol

from buildfarm.adapters import local_source
from buildfarm.adapters.git_source import GitSources
from buildfarm.adapters.pip_config import PipConfig
from buildfarm.adapters.sdists import best_sdists, sdist_version
from buildfarm.adapters.simple_index import SimpleIndex
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.errors import Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.origin import GIT, Offer, local_path
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Recipe
from buildfarm.model.url import redacted
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store


class Place(Protocol):
    """Somewhere that offers files of projects."""

    def offers(self, project: str) -> tuple[Offer, ...]:
        """Its files of the project, at least; empty when it does not know it."""


class Folder:
    """A folder of files, searched flat."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def offers(self, project: str) -> tuple[Offer, ...]:
        """The sdists that are there, whose hashes nobody told."""
        if not self._folder.is_dir():
            return ()
        return tuple(
            Offer(filename=path.name, origin=str(path.absolute()), size=path.stat().st_size)
            for path in sorted(self._folder.iterdir())
            if sdist_version(path.name, project)
        )


class Links:
    """A page of links to files of any project."""

    def __init__(self, page: SimpleIndex) -> None:
        self._page = page

    def offers(self, project: str) -> tuple[Offer, ...]:
        """The sdists that it links to."""
        return tuple(offer for offer in self._page.links() if sdist_version(offer.filename, project))


def places(config: PipConfig, upstream: Upstream, cache: Path) -> tuple[Place, ...]:
    """The places of pip's configuration in the order of asking: its links, then its indexes."""
    links = (
        Folder(path) if (path := local_path(link)) else Links(SimpleIndex(link, upstream, cache))
        for link in config.find_links
    )
    return (*links, *(SimpleIndex(url, upstream, cache) for url in config.indexes))


class UpstreamSources:
    """``ports.Sources`` over places: the first that knows a project's name is the only one asked for it."""

    def __init__(self, places: Iterable[Place], upstream: Upstream, store: Store, git: GitSources) -> None:
        self._places = tuple(places)
        self._upstream = upstream
        self._store = store
        self._git = git

    def releases(self, project: str) -> Mapping[str, Offer]:
        """The sdists by normalised version; of several, .tar.gz before .zip and what is not yanked before what is.

        Raises ``Unavailable`` when upstream cannot be asked, or has files of the project and no sdist among them.
        """
        for place in self._places:
            if offers := place.offers(project):
                return best_sdists(project, offers) or _none_built(project)
        return {}

    def fetch(self, origin: str, name: str, sha256: str = "") -> Artifact:
        """Bring a file into the store. With a hash given, other bytes are refused (``Unavailable``, code ``hash``)."""
        if kept := local_source.kept(self._store, name, sha256):
            return kept

        def keep(content: IO[bytes]) -> Artifact:
            return self._store.put(name, io.BufferedReader(Checked(content, redacted(origin), sha256)))

        if origin.startswith(GIT):
            artifact = self._git.pack(origin, name, self._store)
            if sha256 not in ("", artifact.sha256):
                raise _other_bytes(redacted(origin), artifact.sha256, sha256)
            return artifact
        path = local_path(origin)
        if path is None:
            return self._upstream.download(origin, keep)
        try:
            with path.open("rb") as content:
                return keep(content)
        except OSError as error:
            raise Unavailable(Reason(code="upstream", message=f"could not read {path}: {error.strerror}")) from error

    def local(self, recipe: Recipe) -> tuple[str, KnownSource]:
        """Version and source of a ``PathSource``: an sdist, or a folder packed reproducibly into one."""
        return local_source.local(recipe, self._store)

    def look(self, artifact: Artifact, patches: tuple[Artifact, ...] = ()) -> KnownSource:
        """What the files of a fetched source tell; the pin's origin is empty, since the bytes do not know it."""
        return local_source.look_into(artifact, self._store, patches)


class Checked(io.RawIOBase):
    """A stream whose end is reached only by the bytes that were promised; else ``Unavailable`` (code ``hash``)."""

    def __init__(self, content: IO[bytes], origin: str, sha256: str) -> None:
        self._content = content
        self._origin = origin
        self._sha256 = sha256
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        chunk = self._content.read(len(buffer))
        self._digest.update(chunk)
        if not chunk and self._sha256 and self._digest.hexdigest() != self._sha256:
            raise _other_bytes(self._origin, self._digest.hexdigest(), self._sha256)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _none_built(project: str) -> NoReturn:
    message = f"upstream has wheels of {project}, and no sdist"
    advice = "build it from its repository, by a recipe with source: {git: URL, commit: …}"
    raise Unavailable(Reason(code="unknown-project", message=message, advice=advice))


def _other_bytes(origin: str, found: str, promised: str) -> Unavailable:
    return Unavailable(
        Reason(
            code="hash",
            message=f"{origin} has sha256:{found}, not sha256:{promised}",
            advice="one of the two is wrong: find out which, before you accept another hash",
        )
    )
