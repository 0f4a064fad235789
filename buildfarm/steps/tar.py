"""Tar archives, read through a stream that bounds what they may unpack to and what their headers may hold."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from buildfarm.model.recipe import MIB
from buildfarm.steps.entry import Bounds, Entry, check_size, refuse
from buildfarm.steps.names import plain_path

_LATEST = 4354819199  # 2107-12-31, the last time that a ZIP file can hold
_HEADER = 65_536  # the longest extended header that is believed: the parser holds it in memory
_HEADERS = 256 * MIB  # and all of them together
_GLOBALS = 64  # keywords for all members (`git archive` writes one): the parser copies them for each


class Bounded:
    """A decompressed stream that refuses to go past ``limit``; while ``scanning``, also to read much or to go back."""

    def __init__(self, name: str, stream: IO[bytes], limit: int) -> None:
        self._name, self._stream, self._limit = name, stream, limit
        self._scanned = 0
        self.last = b""
        self.scanning = True

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes."""
        if self.scanning:
            self._scanned += size
            if not 0 <= size <= _HEADER or self._scanned > _HEADERS:
                refuse(self._name, "has headers that are too large to be honest")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, position: int) -> int:
        """Go to the position."""
        if self.scanning and position < self._stream.tell():
            refuse(self._name, "is damaged: a header points backwards")
        if position > self._limit + _HEADERS:
            refuse(self._name, f"unpacks to more than {self._limit} bytes")
        return self._stream.seek(position)

    def tell(self) -> int:
        """Where it is."""
        return self._stream.tell()


def read_tar(name: str, stream: Bounded, bounds: Bounds, limit: int) -> Iterator[Entry]:
    """Its entries, their names safe; links as they are written."""
    archive = tarfile.TarFile(fileobj=stream, mode="r", errorlevel=2)  # type: ignore[arg-type]
    files: dict[str, tarfile.TarInfo] = {}
    total = 0
    for count, member in enumerate(archive, 1):
        if len(archive.pax_headers) > _GLOBALS:
            refuse(name, f"has more than {_GLOBALS} global headers")
        member.pax_headers = {}  # a copy of all global ones, which the archive would keep for every member
        entry = _entry(name, archive, member, files)
        total += entry.size
        check_size(name, entry.path, count, total, bounds, limit)
        yield entry
    if stream.last.strip(b"\0"):
        refuse(name, f"is damaged: what follows {archive.getmembers()[-1].name!r} is no header")
    while stream.read(_HEADER):  # to the end, so that the checksum of the compression is verified
        pass
    stream.scanning = False


def _entry(name: str, archive: tarfile.TarFile, member: tarfile.TarInfo, files: dict[str, tarfile.TarInfo]) -> Entry:
    path = plain_path(name, member.name)
    entry = Entry(path=path, kind="folder", mtime=max(0, int(min(member.mtime, _LATEST))))
    if member.issym():
        return replace(entry, kind="link", target=member.linkname)
    if member.isdir():
        return entry
    if member.issparse():
        refuse(name, f"has a sparse file {path!r}")
    if not (member.isreg() or member.islnk()):
        refuse(name, f"has a device, pipe or other special file {path!r}")
    original = member
    if member.islnk():
        linked = files.get(plain_path(name, member.linkname))
        if linked is None:
            refuse(name, f"has a hard link {path!r} to {member.linkname!r}, which is no file before it")
        original = linked
    if original.size < 0:
        refuse(name, f"is damaged: {path!r} has a negative size")
    files[path] = original
    return replace(
        entry,
        kind="file",
        size=original.size,
        executable=bool(member.mode & stat.S_IXUSR),
        opener=lambda: archive.extractfile(original),  # type: ignore[arg-type,return-value]
    )
