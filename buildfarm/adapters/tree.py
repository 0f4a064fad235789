"""The files that a web server serves, in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from buildfarm.adapters import durable
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact

_TOGETHER = 200  # contents that are written at once: as many files are open then


class _Lack(NamedTuple):
    """A content, a file that has it (or empty), and where it is still to be: whole paths."""

    content: bytes
    there: str
    places: list[str]


class FileTree:
    """A ``ports.Tree`` in a folder; ``locate`` gives the store's path of a sha256, or its bytes if it has no path."""

    def __init__(
        self, folder: Path, locate: Callable[[str], Path | IO[bytes]], crash: durable.Crash = durable.no_crash
    ) -> None:
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

    def pour(self, path: str, content: IO[bytes]) -> None:
        """``write`` what is read to the end, a piece at a time."""
        at = self._at(path)
        try:
            with durable.aside(self._folder) as (temporary, file):
                shutil.copyfileobj(content, file)
                durable.settle(file, 0o644)
                durable.make_folder(at.parent)
                durable.replace(temporary, at)
            durable.sync_folder(at.parent)
        except OSError as error:
            raise self._failed("write", path, error) from error

    def spread(self, files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        """Each of the contents to all of its paths, in their order; what is there already is left alone.

        The paths of one content are links to one file, that at one of them if there is one: three hundred cost little
        more than one. Many contents are brought to the disk together.
        """
        found = (lack for content, paths in files if (lack := self._lack(content, paths)).places)
        while batch := tuple(islice(found, _TOGETHER)):
            try:
                self._replace(batch)
            except OSError as error:
                raise self._failed("write", batch[0].places[0], error) from error

    def _lack(self, content: bytes, paths: Iterable[str]) -> _Lack:
        """Where there is anything else than the content: of files that are one, one is read."""
        same: dict[int, bool] = {}
        there, places = "", []
        for path in paths:
            at = f"{self._folder}/{'/'.join(plain_path(path))}"
            try:
                found = os.stat(at)  # noqa: PTH116 - hundreds of them, and a Path takes ten times as long
            except (FileNotFoundError, NotADirectoryError):
                places.append(at)
                continue
            if found.st_ino not in same:
                same[found.st_ino] = found.st_size == len(content) and self.read(path) == content
            if same[found.st_ino]:
                there = at
            else:
                places.append(at)
        return _Lack(content, there, places)

    def _replace(self, batch: Collection[_Lack]) -> None:
        changed: set[str] = set()
        durable.make_folder(self._folder / ".tmp")
        with ExitStack() as stack:
            files, sources = [], []
            for lack in batch:
                source = lack.there
                if not source:
                    temporary, file = stack.enter_context(durable.aside(self._folder))
                    file.write(lack.content)
                    files.append(file)
                    source = str(temporary)
                sources.append(source)
            durable.settle_all(files, 0o644)
            self._crash("tree.write:written")
            for lack, source in zip(batch, sources, strict=True):
                for at in lack.places:
                    folder = at.rpartition("/")[0]
                    if folder not in changed:
                        changed |= {folder, *map(str, durable.make_folders(folder))}
                    durable.replace_by_link(source, at, self._folder)
        durable.sync_folders([*map(Path, changed)])

    def link(self, path: str, artifact: Artifact) -> bool:
        """Put the store's bytes at the path, create-only; False when other bytes are there, True when equal ones."""
        at = self._at(path)
        try:
            durable.make_folder(at.parent)
            try:
                self._link(self._locate(artifact.sha256), at)
            except FileExistsError:
                with at.open("rb") as present:
                    return hashlib.file_digest(present, "sha256").hexdigest() == artifact.sha256
            self._crash("tree.link:linked")
            durable.sync_folder(at.parent)
        except OSError as error:
            raise self._failed("link", path, error) from error
        return True

    def digest(self, path: str) -> str | None:
        """The sha256 of the file at a path; None when there is none."""
        try:
            with self._at(path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

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

    def point(self, path: str, target: str) -> None:
        """Let the path lead to a folder beside it or below that, ``target``, in one step: a symbolic link."""
        at = self._at(path)
        plain_path(target)
        try:
            durable.make_folder(at.parent)
            with durable.aside(self._folder) as (temporary, _):
                temporary.unlink()
                temporary.symlink_to(target)
                durable.replace(temporary, at)
            self._crash("tree.point:pointed")
            durable.sync_folder(at.parent)
        except OSError as error:
            raise self._failed("point", path, error) from error

    def clear(self, path: str) -> None:
        """Remove a folder with all that is in it, or what leads to one, if it is there."""
        at = self._at(path)
        try:
            if at.is_symlink():
                at.unlink()
            elif at.is_dir():
                shutil.rmtree(at)
        except OSError as error:
            raise self._failed("clear", path, error) from error

    def names(self, path: str) -> tuple[str, ...]:
        """Names of the files and folders in a folder of the tree, sorted; none where there is no folder."""
        try:
            return tuple(sorted(each.name for each in os.scandir(self._at(path)) if not each.name.startswith(".")))
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def sweep(self) -> int:
        """Remove what killed writes left; the count of files."""
        return durable.sweep(self._folder)

    def _link(self, original: Path | IO[bytes], at: Path) -> None:
        if not isinstance(original, Path):
            with original:
                self._copy(original, at)
            return
        try:
            os.link(original, at)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError:  # the store is on another device, or the file has all the links that it may have
            with original.open("rb") as content:
                self._copy(content, at)

    def _copy(self, content: IO[bytes], at: Path) -> None:
        with durable.aside(self._folder) as (temporary, file):
            shutil.copyfileobj(content, file, 1 << 20)
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
