"""The folder of a session: written and read without ever following a link that a command may have left in it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from buildfarm.model.errors import FarmError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hold us up
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_MATCH = {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENOENT}  # a link, no folder, a socket, a dangling link

Parts = tuple[str, ...]
"""A path below the folder, by its names; none of them is empty, ``.`` or ``..``."""


class Folder:
    """A folder of this machine that commands of a session write to; none of them runs while it is used here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, parts: Parts) -> None:
        """Make the folder and those above it, where absent. Raises as ``write`` does."""
        os.close(self._descend(parts))

    def write(self, parts: Parts, content: IO[bytes], *, mtime: float, mode: int = 0o644) -> None:
        """Make the file anew, and the folders above it where absent.

        Raises ``FarmError`` when a link or a file is where a folder should be, or a folder where the file should be.
        """
        with self._replacing(parts) as above, _created(parts[-1], above) as file:
            shutil.copyfileobj(content, file, 1 << 20)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.utime(file.fileno(), (mtime, mtime))

    def link(self, parts: Parts, target: str) -> None:
        """Make a symbolic link anew, and the folders above it where absent. Raises as ``write`` does."""
        with self._replacing(parts) as above:
            os.symlink(target, parts[-1], dir_fd=above)

    def date(self, parts: Parts, mtime: float) -> None:
        """Set the modification time of a folder, in seconds."""
        folder = self._descend(parts)
        os.utime(folder, (mtime, mtime))
        os.close(folder)

    def matching(self, pattern: Parts) -> Iterator[tuple[str, IO[bytes]]]:
        """Name and bytes of the regular files that match one glob per name of their path, sorted within a folder.

        As in a shell, ``*`` matches no slash, and no name that begins with a dot. The bytes can be read until the next.
        """
        root = os.open(self.path, _FOLDER)
        try:
            yield from _matching(root, pattern)
        finally:
            os.close(root)

    def remove(self) -> None:
        """Remove it and all below, however deep, read-only or unreadable; nothing happens where it is absent.

        Raises ``FarmError`` when something resists.
        """
        if self._resists():
            subprocess.run(["chmod", "-R", "u+rwx", "--", self.path], capture_output=True, check=False)
            if message := self._resists():
                raise FarmError(f"cannot remove {self.path}: {message}; remove it by hand")

    def _resists(self) -> str:
        # rm, because hostile code can make a tree deeper than shutil.rmtree can go
        done = subprocess.run(["rm", "-rf", "--", self.path], capture_output=True, check=False, text=True)
        return done.stderr.partition("\n")[0] if done.returncode else ""

    @contextmanager
    def _replacing(self, parts: Parts) -> Iterator[int]:
        """The folder above, open, with nothing at the last name."""
        above = self._descend(parts[:-1])
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(parts[-1], dir_fd=above)
            yield above
        except OSError as error:
            raise FarmError(f"cannot write {self.path.joinpath(*parts)}: {error.strerror}") from error
        finally:
            os.close(above)

    def _descend(self, parts: Parts) -> int:
        """A descriptor of the folder, which is made where absent."""
        here = os.open(self.path, _FOLDER)
        for name in parts:
            above = here
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=above)
                here = os.open(name, _FOLDER, dir_fd=above)
            except OSError as error:
                path = self.path.joinpath(*parts)
                raise FarmError(f"cannot write to {path}: {name} is a link or no folder: {error.strerror}") from error
            finally:
                os.close(above)
        return here


def _created(name: str, above: int) -> IO[bytes]:
    return os.fdopen(os.open(name, _CREATE, 0o600, dir_fd=above), "wb")


def _matching(folder: int, pattern: Parts) -> Iterator[tuple[str, IO[bytes]]]:
    glob, below = pattern[0], pattern[1:]
    for name in sorted(os.listdir(folder)):
        if not fnmatchcase(name, glob) or (name.startswith(".") and not glob.startswith(".")):
            continue
        try:
            found = os.open(name, _FOLDER if below else _READ, dir_fd=folder)
        except OSError as error:
            if error.errno in _NO_MATCH:
                continue
            raise FarmError(f"cannot read {name}: {error.strerror}") from error
        if below:
            try:
                yield from _matching(found, below)
            finally:
                os.close(found)
        elif stat.S_ISREG(os.fstat(found).st_mode):
            with os.fdopen(found, "rb") as file:
                yield name, file
        else:
            os.close(found)
