"""Sends files of a session's container to standard output: ``take.py ROOT MOST GLOB…``, a glob for each name of a path.

For each file, by name in its folder, ``SIZE NAME`` with a zero byte, and then its bytes. When they are more than
``MOST`` all together, only ``SIZE`` of all and a zero byte.
"""
# This starts for every few files: json, shutil and fnmatch would double its time.

from __future__ import annotations

import errno
import os
import stat
import sys

from buildfarm.adapters.container.inside.dumpable import dumpable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO must not hold us up
_NO_MATCH = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EACCES)  # not there, a link, a socket, …


def take(root: str, most: int, globs: list[str]) -> None:
    """Send the regular files that match. Raises ``OSError`` when one cannot be read."""
    total = sum(os.fstat(file).st_size for _, file in _matching(os.open(root, _FOLDER), globs))
    with open(1, "wb", closefd=False) as out:
        if total > most:
            out.write(b"%d\0" % total)
            return
        for name, descriptor in _matching(os.open(root, _FOLDER), globs):
            left = os.fstat(descriptor).st_size
            out.write(b"%d %s\0" % (left, os.fsencode(name)))
            while left:
                if not (chunk := os.read(descriptor, min(1 << 20, left))):
                    raise OSError(f"{name!r} has become shorter")
                out.write(chunk)
                left -= len(chunk)


def _matching(folder: int, globs: list[str]) -> Iterator[tuple[str, int]]:
    """Names and descriptors, each open until the next: there may be more files than a process may have open.

    As in a shell, ``*`` matches no slash, and no name that begins with a dot. Links match nothing.
    """
    glob, below = globs[0], globs[1:]
    for name in sorted(os.listdir(folder)) if any(each in glob for each in "*?[") else [glob]:
        if not _matches(name, glob):
            continue
        try:
            found = os.open(name, _FOLDER if below else _FILE, dir_fd=folder)
        except OSError as error:
            if error.errno in _NO_MATCH:
                continue
            raise
        if below:
            yield from _matching(found, below)
            continue
        if stat.S_ISREG(os.fstat(found).st_mode):
            yield name, found
        os.close(found)
    os.close(folder)


def _matches(name: str, glob: str) -> bool:
    if name == glob:
        return True
    from fnmatch import fnmatchcase  # noqa: PLC0415 - most globs are plain names

    return fnmatchcase(name, glob) and (glob.startswith(".") or not name.startswith("."))


if __name__ == "__main__":
    dumpable(0)  # or what else runs could send in our name
    take(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
