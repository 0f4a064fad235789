"""Sources in git: one commit with its submodules, packed into an archive that is the same on every machine."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from buildfarm.adapters.git_repository import Blob, GitRepository, remove_unused
from buildfarm.adapters.local_source import kept
from buildfarm.adapters.packed import pack
from buildfarm.model.errors import Unavailable
from buildfarm.model.origin import GIT
from buildfarm.model.outcome import Reason
from buildfarm.model.session import OLDEST_EPOCH
from buildfarm.model.url import redacted
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Progress, Report, Store
from buildfarm.steps.entry import BOUNDS, refuse

_DEEPEST = 10  # submodules of submodules
_SMALL = 1024  # bytes: what may be a pointer of Git LFS, or the target of a link
_POINTER = b"version https://git-lfs.github.com/spec/"
_SUBMODULE, _LINK = "160000", "120000"
_URL = re.compile(r"(https?|ssh|file)://[^\s/-][^\s]*|file:///\S+")
_SCP = re.compile(r"([\w.-]+@[\w.-]+):(?!/)(\S+)")  # git@host:path, which is ssh too


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """A file or link, its path from the top, and the repository that has it."""

    path: str
    blob: Blob
    repository: GitRepository


class GitSources:
    """Fetches commits into bare repositories below ``folder``; ``environ`` is git's."""

    def __init__(self, folder: Path, environ: Mapping[str, str], report: Report) -> None:
        self._folder = folder
        self._environ = environ
        self._report = report

    def pack(self, origin: str, name: str, store: Store) -> Artifact:
        """Put the commit of an origin into the store as the archive ``name``, without ``.git``, dated as the commit.

        Files are as their trees have them: no filters, no ``export-ignore``, no ``export-subst``. What was packed once
        and is in the store still is not packed again. Raises ``Unavailable`` (code ``git``, or ``archive`` where it is
        too large).
        """
        remembered = self._folder / f"{hashlib.sha256(f'{origin} {name}'.encode()).hexdigest()[:32]}.packed"
        if remembered.exists() and (known := kept(store, name, remembered.read_text())):
            return known
        remove_unused(self._folder)
        artifact = self._pack(origin, name, store)
        remembered.write_text(artifact.sha256)
        return artifact

    def _pack(self, origin: str, name: str, store: Store) -> Artifact:
        url, _, commit = origin.removeprefix(GIT).rpartition("@")
        repository = self._repository(url, commit)
        repository.bring(commit)
        leaves = sorted(self._leaves(repository, commit, "", 0), key=lambda leaf: leaf.path)
        if len(leaves) > BOUNDS.entries or sum(leaf.blob.size for leaf in leaves) > BOUNDS.total:
            refuse(redacted(url), f"holds more than {BOUNDS.entries} files or {BOUNDS.total} bytes")
        pointers: list[str] = []
        top = name.removesuffix(".tar.gz")
        artifact = pack(_members(leaves, top, repository.time(commit), pointers), name, store)
        if pointers:
            named = ", ".join(pointers[:3]) + (", …" if len(pointers) > 3 else "")
            message = f"pointers of Git LFS, whose content is not fetched: {named} ({len(pointers)} in all)"
            self._report(Progress(job=top, step="prepare", message=message))
        return artifact

    def _repository(self, url: str, commit: str) -> GitRepository:
        digest = hashlib.sha256(f"{len(commit)} {url}".encode()).hexdigest()
        return GitRepository(url, self._folder / digest[:32], self._environ)

    def _leaves(self, repository: GitRepository, commit: str, above: str, depth: int) -> Iterator[_Leaf]:
        tree = repository.tree(commit)
        urls = repository.submodules(commit) if any(blob.mode == _SUBMODULE for blob in tree) else {}
        for blob in tree:
            path = above + blob.path
            if blob.mode != _SUBMODULE:
                yield _Leaf(path=path, blob=blob, repository=repository)
                continue
            if depth == _DEEPEST:
                _refuse(repository.url, f"its submodule {path!r} is the {depth + 1}th inside another")
            url = _resolved(repository.url, path, urls.get(blob.path, ""))
            inner = self._repository(url, blob.oid)
            inner.bring(blob.oid)
            yield from self._leaves(inner, blob.oid, f"{path}/", depth + 1)


def _members(
    leaves: list[_Leaf], top: str, time: int, pointers: list[str]
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """What is packed; paths of pointers of Git LFS are added to ``pointers``."""
    start = 0
    while start < len(leaves):
        repository, end = leaves[start].repository, start + 1
        while end < len(leaves) and leaves[end].repository is repository:
            end += 1
        some = leaves[start:end]
        with repository.contents([leaf.blob.oid for leaf in some]) as contents:
            for leaf, content in zip(some, contents, strict=True):
                yield _member(leaf, content, top, time, pointers)
        start = end


def _member(
    leaf: _Leaf, content: IO[bytes], top: str, time: int, pointers: list[str]
) -> tuple[tarfile.TarInfo, IO[bytes] | None]:
    info = tarfile.TarInfo(f"{top}/{leaf.path}")
    info.mtime = max(OLDEST_EPOCH, time)
    info.mode = 0o755 if leaf.blob.mode == "100755" else 0o644
    info.size = leaf.blob.size
    if leaf.blob.size > _SMALL:
        if leaf.blob.mode == _LINK:
            refuse(leaf.repository.url, f"has a link {leaf.path!r} with a target of {leaf.blob.size} bytes")
        return info, content
    small = content.read(leaf.blob.size)
    if leaf.blob.mode == _LINK:
        info.type, info.size, info.linkname = tarfile.SYMTYPE, 0, small.decode("utf-8", "surrogateescape")
    elif small.startswith(_POINTER):
        pointers.append(leaf.path)
    return info, io.BytesIO(small)


def _resolved(base: str, path: str, url: str) -> str:
    """The URL of a submodule; only a repository on this machine may have others of this machine."""
    if not url:
        _refuse(base, f".gitmodules names no URL for its submodule {path!r}")
    if url.startswith(("./", "../")):
        url, rest = base.rstrip("/"), url
        while rest.startswith(("./", "../")):
            step, _, rest = rest.partition("/")
            url = url.rpartition("/")[0] if step == ".." else url
        url = f"{url}/{rest}"
    elif scp := _SCP.fullmatch(url):
        url = f"ssh://{scp[1]}/{scp[2]}"
    if not _URL.fullmatch(url) or (url.startswith("file:") and not base.startswith("file:")):
        _refuse(base, f"its submodule {path!r} is at {redacted(url)!r}, where nothing is fetched from")
    return url


def _refuse(url: str, why: str) -> NoReturn:
    advice = "take its sdist, or a URL with a hash; or ask the project"
    raise Unavailable(Reason(code="git", message=f"could not get {redacted(url)} by git: {why}", advice=advice))
