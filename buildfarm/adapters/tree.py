"""The files that a web server serves, in a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
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
        self.spread([(content, [path])])

    def spread(self, files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        """Each of the contents to all of its paths, in their order; what is there already is left alone.

        The paths of one content are links to one file: three hundred of them cost little more than one.
        """
        changed: set[Path] = set()
        for content, paths in files:
            wanted = [path for path in paths if self.read(path) != content]
            if not wanted:
                continue
            try:
                self._replace(content, [self._at(path) for path in wanted], changed)
            except OSError as error:
                raise self._failed("write", wanted[0], error) from error
        durable.sync_folders(changed)

    def _replace(self, content: bytes, places: Iterable[Path], changed: set[Path]) -> None:
        with durable.aside(self._folder) as (temporary, file):
            file.write(content)
            durable.settle(file, 0o644)
            self._crash("tree.write:written")
            for at in places:
                changed |= {*durable.make_folders(at.parent), at.parent}
                with durable.another(temporary) as link:
                    durable.replace(link, at)

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

    def remove(self, path: str) -> bool:
        """Remove a file, and the folders that it leaves empty; False when it is not there."""
        at = self._at(path)
        try:
            at.unlink()
            self._crash("tree.remove:removed")
            folder = at.parent
            with suppress(OSError):  # it is not empty
                while folder != self._folder:
                    folder.rmdir()
                    folder = folder.parent
            durable.sync_folder(folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._failed("remove", path, error) from error
        return True

    def names(self, path: str) -> tuple[str, ...]:
        """Names of the files and folders in a folder of the tree, sorted; none where there is no folder."""
        try:
            return tuple(sorted(each.name for each in os.scandir(self._at(path)) if not each.name.startswith(".")))
        except (FileNotFoundError, NotADirectoryError):
            return ()

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
