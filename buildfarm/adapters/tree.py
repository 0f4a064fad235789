"""The files that a web server serves, in a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from buildfarm.adapters import durable
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact


class FileTree:
    """A ``ports.Tree`` in a folder; ``locate`` gives the store's path of a sha256."""

    def __init__(self, folder: Path, locate: Callable[[str], Path], crash: durable.Crash = durable.no_crash) -> None:
        self._folder = folder
        self._locate = locate
        self._crash = crash

    def read(self, path: str) -> bytes | None:
        """The bytes at a relative path; None when there are none."""
        try:
            return self._at(path).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def write(self, path: str, content: bytes) -> None:
        """Replace the file in one step: a reader sees the old or the new bytes. Durable when it returns."""
        at = self._at(path)
        try:
            durable.make_folder(at.parent)
            with durable.aside(self._folder) as (temporary, file):
                file.write(content)
                durable.settle(file, 0o644)
                self._crash("tree.write:written")
                temporary.replace(at)
            durable.sync_folder(at.parent)
        except OSError as error:
            raise self._failed("write", path, error) from error

    def link(self, path: str, artifact: Artifact) -> bool:
        """Put the store's bytes at the path, create-only; False when other bytes are there, True when equal ones."""
        at, original = self._at(path), self._locate(artifact.sha256)
        try:
            durable.make_folder(at.parent)
            try:
                self._link(original, at)
            except FileExistsError:
                with at.open("rb") as present:
                    return hashlib.file_digest(present, "sha256").hexdigest() == artifact.sha256
            self._crash("tree.link:linked")
            durable.sync_folder(at.parent)
        except OSError as error:
            raise self._failed("link", path, error) from error
        return True

    def sweep(self) -> int:
        """Remove what killed writes left; the count of files."""
        return durable.sweep(self._folder)

    def _link(self, original: Path, at: Path) -> None:
        try:
            os.link(original, at)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError:  # the store is on another device, or the file has all the links that it may have
            with durable.aside(self._folder) as (temporary, file):
                durable.copy(original, file)
                durable.settle(file, 0o444)
                os.link(temporary, at)

    def _at(self, path: str) -> Path:
        return self._folder.joinpath(*plain_path(path))

    def _failed(self, verb: str, path: str, error: OSError) -> FarmError:
        return FarmError(f"could not {verb} {path} in {self._folder}: {error.strerror or error}; is the disk full?")


def plain_path(path: str) -> list[str]:
    """The parts of a path in a tree; raises ``FarmError`` for one that is not relative and normal."""
    parts = path.split("/")
    if "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise FarmError(f"{path!r} is no plain relative path, as those in a tree are")
    return parts
