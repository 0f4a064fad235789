"""Publishing to a folder: files, their metadata beside them (PEP 658), and pages if wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from packaging.metadata import parse_email

from buildfarm.adapters import durable
from buildfarm.model.distribution import Outgoing, named
from buildfarm.model.errors import FarmError, Refused
from buildfarm.model.events import FilePublished
from buildfarm.model.wheel import Artifact

Pages = Callable[[str, tuple[FilePublished, ...], tuple[str, ...]], Mapping[str, bytes]]
"""From a project, its files and all projects to pages by their path below ``simple/``."""


class DirectoryTarget:
    """A ``ports.Outlet``: a folder with all files in it, for ``--find-links`` and any web server's listing.

    ``pages`` make a simple index below ``simple/``. A file is whole or not there, whatever kills the program.
    """

    def __init__(self, folder: Path, pages: Pages | None = None) -> None:
        self._folder = folder
        self._pages = pages

    def has(self, project: str) -> Mapping[str, str]:
        """The files of the project that are there, and their sha256."""
        return {path.name: _artifact(path).sha256 for path in self._files(project)}

    def put(self, file: Outgoing, content: IO[bytes]) -> None:
        """Write the file's metadata, the file beside it, then the pages."""
        name = file.artifact.name
        try:
            there = self._folder / name
            if there.exists() and _artifact(there).sha256 != file.artifact.sha256:
                raise Refused(f"{there} has other bytes", status=409)
            if file.metadata:
                self._write(f"{name}.metadata", file.metadata)
            self._copy(name, content)
            if self._pages:
                published = tuple(_published(path, file.project) for path in self._files(file.project))
                for path, page in self._pages(file.project, published, self._projects()).items():
                    self._write(f"simple/{path}", page)
        except OSError as error:
            raise FarmError(
                f"could not write {name} into {self._folder}: {error.strerror}; is the disk full?"
            ) from error

    def _files(self, project: str) -> Iterator[Path]:
        for path in sorted(self._folder.glob("*")):
            name = named(path.name)
            if name and name.project == project and path.is_file():
                yield path

    def _projects(self) -> tuple[str, ...]:
        return tuple(sorted({name.project for path in self._folder.glob("*") if (name := named(path.name))}))

    def _copy(self, name: str, content: IO[bytes]) -> None:
        with durable.aside(self._folder) as (temporary, file):
            while chunk := content.read(1 << 20):
                file.write(chunk)
            durable.settle(file, 0o644)
            durable.replace(temporary, self._folder / name)
        durable.sync_folder(self._folder)

    def _write(self, path: str, content: bytes) -> None:
        at = self._folder / path
        durable.make_folder(at.parent)
        with durable.aside(self._folder) as (temporary, file):
            file.write(content)
            durable.settle(file, 0o644)
            durable.replace(temporary, at)
        durable.sync_folder(at.parent)


def _artifact(path: Path) -> Artifact:
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Artifact(name=path.name, size=path.stat().st_size, sha256=digest)


def _published(path: Path, project: str) -> FilePublished:
    """A file of the folder as a page shows it; what was put there by others has no metadata beside it."""
    beside = path.with_name(f"{path.name}.metadata")
    metadata = beside.read_bytes() if beside.is_file() else b""
    name = named(path.name)
    return FilePublished(
        project=project,
        version=name.version if name else "",
        artifact=_artifact(path),
        metadata_sha256=hashlib.sha256(metadata).hexdigest() if metadata else "",
        uploaded=_time(path),
        requires_python=parse_email(metadata)[0].get("requires_python", "") if metadata else "",
    )


def _time(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
