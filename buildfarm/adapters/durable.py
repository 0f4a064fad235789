"""Files that are whole or not there, whatever kills the process or the machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

Crash = Callable[[str], None]
"""Called with the name of a point where a kill must do no harm; the tests kill there."""

_OLD = 3600.0  # seconds after which no writer is still at it


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


def settle(file: IO[bytes], mode: int) -> None:
    """Bring a written file to the disk with its final permissions."""
    file.flush()
    Path(file.name).chmod(mode)
    os.fsync(file.fileno())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable before the next."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


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
            abandoned = not _lives(path.name.partition("-")[0]) or time.time() - path.stat().st_mtime > _OLD
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


def copy(source: Path, file: IO[bytes]) -> None:
    """Copy the bytes of ``source`` into an open file."""
    with source.open("rb") as original:
        shutil.copyfileobj(original, file, 1 << 20)
