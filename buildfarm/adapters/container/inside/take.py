"""Sends files of a session's container to standard output: ``take.py ROOT MOST GLOB…``, a glob for each name of a path.

For each file, by name, ``SIZE NAME`` with a zero byte, and then its bytes. When they are more than ``MOST`` all
together, only ``SIZE`` of all and a zero byte.
"""
# This starts for every few files: json, shutil and fnmatch would double its time.

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hold us up


def take(root: str, most: int, globs: list[str]) -> None:
    """Send the regular files that match."""
    found = [(name, file, os.fstat(file).st_size) for name, file in sorted(_matching(os.open(root, _FOLDER), globs))]
    total = sum(size for _, _, size in found)
    with open(1, "wb", closefd=False) as out:
        if total > most:
            out.write(b"%d\0" % total)
            return
        for name, descriptor, size in found:
            out.write(b"%d %s\0" % (size, os.fsencode(name)))
            with open(descriptor, "rb") as file:
                while chunk := file.read(1 << 20):
                    out.write(chunk)


def _matching(folder: int, globs: list[str]) -> Iterator[tuple[str, int]]:
    """As in a shell, ``*`` matches no slash, and no name that begins with a dot. Links match nothing."""
    glob, below = globs[0], globs[1:]
    for name in os.listdir(folder) if any(each in glob for each in "*?[") else [glob]:
        if not _matches(name, glob):
            continue
        try:
            found = os.open(name, _FOLDER if below else _FILE, dir_fd=folder)
        except OSError:  # not there, a link, no folder, a socket
            continue
        if below:
            yield from _matching(found, below)
        elif stat.S_ISREG(os.fstat(found).st_mode):
            yield name, found
        else:
            os.close(found)
    os.close(folder)


def _matches(name: str, glob: str) -> bool:
    if name == glob:
        return True
    from fnmatch import fnmatchcase  # noqa: PLC0415 - most globs are plain names

    return fnmatchcase(name, glob) and (glob.startswith(".") or not name.startswith("."))


if __name__ == "__main__":
    take(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
