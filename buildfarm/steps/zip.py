"""ZIP archives whose central directory and local headers tell one story, and whose entries do not overlap."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO

from buildfarm.model.session import OLDEST_EPOCH
from buildfarm.steps.entry import Bounds, Entry, check_size, refuse
from buildfarm.steps.names import plain_path

_END = struct.Struct("<4s4H2LH")  # end of the central directory
_LOCAL = struct.Struct("<4s5H3L2H")
_COMMENT = 65_535  # the longest comment behind the end
_ZIP64 = 20  # bytes of what leads to another end, which the parser believes rather than this one
_AVERAGE = 256  # bytes of the directory that an entry may take, when there are many
_TARGET = 1024  # the longest target of a link, in bytes
_LATER = 0x08  # flag: sizes and checksum stand behind the data
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others' decompressors cannot be held to a size


def read_zip(name: str, content: IO[bytes], bounds: Bounds, limit: int) -> Iterator[Entry]:
    """Its entries, their names safe and their bytes tested; links as they are written."""
    _check_end(name, content, bounds)
    archive = zipfile.ZipFile(content)
    members = archive.infolist()
    total = 0
    for count, member in enumerate(members, 1):
        total += member.file_size
        check_size(name, member.filename, count, total, bounds, limit)
        if member.compress_type not in _METHODS:
            refuse(name, f"has the entry {member.filename!r}, which is compressed in another way than zip's own")
    _check_places(name, content, members, archive.start_dir)
    if damaged := archive.testzip():
        refuse(name, f"is damaged: {damaged!r} does not have the checksum that is written in it")
    for member in members:
        yield _entry(name, archive, member)


def _check_end(name: str, content: IO[bytes], bounds: Bounds) -> None:
    """Refuse a directory that is too large to be read: the parser makes an object of each of its entries."""
    size = content.seek(0, io.SEEK_END)
    content.seek(max(0, size - _END.size - _COMMENT - _ZIP64))
    tail = content.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + _END.size:
        return  # no zip: the parser says so
    *_, count, length, offset, _ = _END.unpack_from(tail, at)
    if 0xFFFFFFFF in (offset, length) or count == 0xFFFF or tail[max(0, at - _ZIP64) :].startswith(b"PK\6\7"):
        refuse(name, "is larger than a zip without the extension ZIP64 can be")
    if length > bounds.entries * _AVERAGE or count > bounds.entries:
        refuse(name, f"has more than {bounds.entries} entries")
    content.seek(0)


def _check_places(name: str, content: IO[bytes], members: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that overlap, and local headers that say other than the directory."""
    behind = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        content.seek(member.header_offset)
        header = content.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            refuse(name, f"is damaged: {member.filename!r} is not where the directory says")
        _, _, flags, method, _, _, crc, packed, size, of_name, of_extra = _LOCAL.unpack(header)
        told = (crc, packed, size) == (member.CRC, member.compress_size, member.file_size)
        if method != member.compress_type or not (told or flags & _LATER or 0xFFFFFFFF in (packed, size)):
            refuse(name, f"has the entry {member.filename!r}, of which two headers say different things")
        if member.header_offset < behind:
            refuse(name, f"has the entry {member.filename!r}, which overlaps with another")
        behind = member.header_offset + _LOCAL.size + of_name + of_extra + member.compress_size
    if behind > end:
        refuse(name, "has an entry that overlaps with its directory")


def _entry(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    mode = member.external_attr >> 16
    if not member.filename:
        refuse(name, "has an entry without a name")
    # Its raw name: the parser ends names at a NUL, where others may not.
    entry = Entry(path=plain_path(name, member.orig_filename), kind="folder", mtime=_time(member.date_time))
    if stat.S_ISLNK(mode):
        if member.file_size > _TARGET:
            refuse(name, f"has a link {entry.path!r} with a target of {member.file_size} bytes")
        return replace(entry, kind="link", target=archive.read(member).decode("utf-8", "surrogateescape"))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        refuse(name, f"has a device, pipe or other special file {entry.path!r}")
    if member.is_dir():
        return entry
    return replace(
        entry,
        kind="file",
        size=member.file_size,
        executable=bool(mode & stat.S_IXUSR),
        opener=lambda: archive.open(member),
    )


def _time(date_time: tuple[int, int, int, int, int, int]) -> int:
    try:
        return int(datetime(*date_time, tzinfo=UTC).timestamp())
    except ValueError:
        return OLDEST_EPOCH
