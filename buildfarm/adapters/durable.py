"""Files that are whole or not there, whatever kills the process or the machine."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO

Crash = Callable[[str], None]
"""Called with the name of a point where a kill must do no harm; the tests kill there."""

_OLD = 3600.0  # seconds after which no writer is still at it
_MANY = 16  # files or folders from which on it is quicker to sync their file system than each of them
_TRIES = 50


def no_crash(point: str) -> None:
    """Go on."""


@contextmanager
def aside(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in ``folder/.tmp`` to be written and moved away; removed on leaving if it is still there."""
    make_folder(folder / ".tmp")  # with a dot, so that it is the name of no index
    number, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=folder / ".tmp")
    os.close(number)
    path = Path(name)
    try:
        with path.open("wb") as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def replace_by_link(source: str, target: str, folder: Path) -> None:
    """Let a file have one more name, over another file too, in one step: or a copy, if it can have no more. Both are on
    the file system of ``folder``, which is that of ``aside``.
    """
    link = f"{folder}/.tmp/{os.getpid()}-{token_hex(16)}"
    try:
        os.link(source, link)
    except OSError:
        shutil.copy2(source, link)
    try:
        replace(link, target)
    except OSError:
        Path(link).unlink(missing_ok=True)
        raise


def replace(source: Path | str, target: Path | str) -> None:
    """Move a file over another in one step. On Windows it waits a moment for whoever is reading that one."""
    for _ in range(_TRIES if os.name == "nt" else 0):
        try:
            Path(source).replace(target)
        except PermissionError:
            time.sleep(0.02)
        else:
            return
    os.replace(source, target)  # noqa: PTH105 - done hundreds of times, and a Path takes as long as the rest


def settle(file: IO[bytes], mode: int) -> None:
    """Bring a written file to the disk with its final permissions."""
    file.flush()
    Path(file.name).chmod(mode)
    os.fsync(file.fileno())


def settle_all(files: Collection[IO[bytes]], mode: int) -> None:
    """``settle`` for many files of one file system."""
    if len(files) < _MANY:
        for file in files:
            settle(file, mode)
        return
    for file in files:
        file.flush()
        Path(file.name).chmod(mode)
    if not _synced(Path(next(iter(files)).name).parent):
        for file in files:
            os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Durable when it returns."""
    for changed in make_folders(folder):
        sync_folder(changed)


def make_folders(folder: Path | str) -> tuple[Path, ...]:
    """Make a folder and those above it; answers those in which one was made, for whoever makes that durable."""
    if os.path.isdir(folder):  # noqa: PTH112 - most often it is, and a Path takes ten times as long
        return ()
    folder = Path(folder)
    above = make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    return (*above, folder.parent)


def sync_folders(folders: Collection[Path]) -> None:
    """Bring the names in many folders to the disk."""
    if len(folders) < _MANY or not _synced(next(iter(folders))):
        for folder in folders:
            sync_folder(folder)


def _synced(folder: Path) -> bool:
    """Bring all that the file system of the folder holds back to the disk at once; False where that cannot be done."""
    syncfs = getattr(ctypes.CDLL(None), "syncfs", None) if os.name == "posix" else None
    if syncfs is None:
        return False
    number = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(number):
            raise OSError(errno.EIO, "could not bring it to the disk")
    finally:
        os.close(number)
    return True


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot, and need not
        return
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def sweep(folder: Path) -> int:
    """Remove from ``folder/.tmp`` what killed writers left: of processes that are dead, or an hour old. The count."""
    removed = 0
    for path in (folder / ".tmp").glob("*-*"):
        try:
            changed = path.stat().st_ctime  # a new name of an old page is new
            abandoned = not _lives(path.name.partition("-")[0]) or time.time() - changed > _OLD
            if abandoned:
                path.unlink()
                removed += 1
        except FileNotFoundError:  # its writer has just finished
            continue
    return removed


def _lives(pid: str) -> bool:
    if os.name != "posix":  # there, signal 0 is no question
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
