"""What a source archive holds, read without unpacking: one place decides which archives are safe.

The rules are those of tarfile's data filter (PEP 706), and stricter where an archive is refused instead of mended.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import IO, Any, NoReturn

from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import GIB, MIB

EARLIEST = 315532800  # 1980-01-01, the first time that a ZIP file, and so a wheel, can hold
_LATEST = 4354819199  # 2107-12-31, the last one
_HEADER = 65_536  # the longest extended tar header that is believed: the parser holds it in memory
_HEADERS = 256 * MIB  # and all of them together
_DECOMPRESSORS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RuntimeError,  # zipfile: encrypted, or a compression that it does not know
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much an archive may unpack to: bytes, entries, times its packed size (not asked below ``small`` bytes)."""

    total: int = 4 * GIB
    entries: int = 200_000
    ratio: int = 200
    small: int = 64 * MIB

    def limit(self, packed: int) -> int:
        """The most bytes that an archive of ``packed`` bytes may unpack to."""
        return min(self.total, max(self.small, self.ratio * packed))


BOUNDS = Bounds()


def _empty() -> IO[bytes]:
    return io.BytesIO()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, folder or link of an archive.

    ``path`` is relative, posix and normal, below the single top folder where there is one. ``kind`` is ``file``,
    ``folder`` or ``link`` (symbolic); the ``target`` of a link is relative to the link's own folder and stays inside. A
    hard link is a file with the bytes of the other. Of the mode only ``executable`` is left. ``mtime`` is in seconds.
    """

    path: str
    kind: str
    size: int = 0
    executable: bool = False
    mtime: int = EARLIEST
    target: str = ""
    opener: Callable[[], IO[bytes]] = field(default=_empty, repr=False, compare=False)

    def open(self) -> IO[bytes]:
        """The bytes of a file. Works while the archive's own stream is open; cheapest in the order of the entries."""
        return self.opener()


def entries(name: str, content: IO[bytes], bounds: Bounds = BOUNDS) -> Iterator[Entry]:
    """Every entry of the archive ``name`` (.tar.gz, .tgz, .tar.bz2, .tar.xz, .zip), after all of it was checked.

    ``content`` must be seekable. A single top folder is stripped; with several, or with files beside it, nothing is. A
    folder may come twice. Raises ``Unavailable`` (code ``archive``) before the first entry when the archive is damaged,
    too large, or not safe: absolute paths, ``..``, links out of it, devices, names that are one on some file systems.
    """
    packed = content.seek(0, io.SEEK_END)
    content.seek(0)
    try:
        found = list(_read(name, content, bounds, bounds.limit(packed)))
    except _BROKEN as error:
        _refuse(name, f"is damaged: {error}")
    _check_names(name, found)
    top = _top(found)
    found = [replace(entry, target=_target(name, entry, top)) if entry.kind == "link" else entry for entry in found]
    yield from (replace(entry, path=entry.path[len(top) :]) for entry in found if entry.path[len(top) :])


def _refuse(name: str, why: str) -> NoReturn:
    raise Unavailable(
        Reason(
            code="archive",
            message=f"{name} {why}",
            advice="nothing of it was unpacked; look at the archive before you trust where it came from",
        )
    )


def _read(name: str, content: IO[bytes], bounds: Bounds, limit: int) -> Iterator[Entry]:
    if name.endswith(".zip"):
        return _read_zip(name, content, bounds, limit)
    for suffix, decompress in _DECOMPRESSORS.items():
        if name.endswith(suffix):
            return _read_tar(name, _Bounded(name, decompress(content), limit), bounds, limit)
    _refuse(name, f"is no archive that is known: its name ends with none of .zip {' '.join(_DECOMPRESSORS)}")


class _Bounded:
    """A decompressed stream that refuses to go past ``limit``; while ``scanning``, also to read much or to go back."""

    def __init__(self, name: str, stream: IO[bytes], limit: int) -> None:
        self._name, self._stream, self._limit = name, stream, limit
        self._scanned = 0
        self.scanning = True

    def read(self, size: int) -> bytes:
        if self.scanning:
            self._scanned += size
            if not 0 <= size <= _HEADER or self._scanned > _HEADERS:
                _refuse(self._name, "has headers that are too large to be honest")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        if self.scanning and position < self._stream.tell():
            _refuse(self._name, "is damaged: a header points backwards")
        if position > self._limit + _HEADERS:
            _refuse(self._name, f"unpacks to more than {self._limit} bytes")
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _read_tar(name: str, stream: _Bounded, bounds: Bounds, limit: int) -> Iterator[Entry]:
    archive = tarfile.TarFile(fileobj=stream, mode="r", errorlevel=2)  # type: ignore[arg-type]
    files: dict[str, tarfile.TarInfo] = {}
    total = 0
    for count, member in enumerate(archive, 1):
        path = _path(name, member.name)
        entry = Entry(path=path, kind="folder", mtime=_mtime(member.mtime))
        if member.isreg() or member.islnk():
            if member.islnk():
                original = files.get(_path(name, member.linkname))
                if original is None:
                    _refuse(name, f"has a hard link {path!r} to {member.linkname!r}, which is no file before it")
            else:
                original = member
            if original.size < 0:
                _refuse(name, f"is damaged: {path!r} has a negative size")
            files[path] = original
            entry = replace(
                entry,
                kind="file",
                size=original.size,
                executable=bool(member.mode & stat.S_IXUSR),
                opener=lambda original=original: archive.extractfile(original),  # type: ignore[misc,arg-type]
            )
        elif member.issym():
            entry = replace(entry, kind="link", target=member.linkname)
        elif not member.isdir():
            _refuse(name, f"has a device, pipe or other special file {path!r}")
        total += entry.size
        _check_size(name, count, total, bounds, limit)
        yield entry
    while stream.read(_HEADER):  # to the end, so that the checksum of the compression is verified
        pass
    stream.scanning = False


def _read_zip(name: str, content: IO[bytes], bounds: Bounds, limit: int) -> Iterator[Entry]:
    archive = zipfile.ZipFile(content)
    members = archive.infolist()
    _check_size(name, len(members), sum(member.file_size for member in members), bounds, limit)
    if damaged := archive.testzip():
        _refuse(name, f"is damaged: {damaged!r} does not have the checksum that is written in it")
    for member in members:
        mode = member.external_attr >> 16
        entry = Entry(path=_path(name, member.filename), kind="folder", mtime=_zip_time(member.date_time))
        if stat.S_ISLNK(mode):
            if member.file_size > 4096:
                _refuse(name, f"has a link {entry.path!r} with a target of {member.file_size} bytes")
            entry = replace(entry, kind="link", target=archive.read(member).decode("utf-8", "surrogateescape"))
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(name, f"has a device, pipe or other special file {entry.path!r}")
        elif not member.is_dir():
            entry = replace(
                entry,
                kind="file",
                size=member.file_size,
                executable=bool(mode & stat.S_IXUSR),
                opener=lambda member=member: archive.open(member),  # type: ignore[misc]
            )
        yield entry


def _check_size(name: str, count: int, total: int, bounds: Bounds, limit: int) -> None:
    if count > bounds.entries:
        _refuse(name, f"has more than {bounds.entries} entries")
    if total > limit:
        _refuse(name, f"unpacks to more than {limit} bytes")


def _mtime(seconds: float) -> int:
    return max(0, int(min(seconds, _LATEST)))


def _zip_time(date_time: tuple[int, int, int, int, int, int]) -> int:
    try:
        return int(datetime(*date_time, tzinfo=UTC).timestamp())
    except ValueError:
        return EARLIEST


def _path(name: str, raw: str) -> str:
    """The normal form of a member's name; refuses one that could mean a place outside on any system."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or raw[1:2] == ":" or "\\" in raw:
        _refuse(name, f"has the entry {raw!r}, whose path is not relative and portable")
    if ".." in parts:
        _refuse(name, f"has the entry {raw!r}, which leads out of it")
    if len(raw) > 4096 or any(character < " " for character in raw):
        _refuse(name, f"has the entry {raw[:200]!r}, whose name is too long or has a control character")
    return "/".join(parts)


def _check_names(name: str, found: list[Entry]) -> None:
    """Refuse what is there twice or below no folder, and names that are one where case or Unicode form do not count."""
    spellings: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for entry in found:
        parents = [(entry.path[:at], "folder") for at, character in enumerate(entry.path) if character == "/"]
        for path, kind in [*parents, (entry.path, entry.kind)]:
            known = spellings.setdefault(_folded(path), path)
            if known != path:
                _refuse(name, f"has {known!r} and {path!r}, which are one name on some file systems")
            if path in kinds and not kinds[path] == kind == "folder":
                _refuse(name, f"has {path!r} twice, as a {kinds[path]} and as a {kind}")
            kinds[path] = kind


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _top(found: list[Entry]) -> str:
    """``folder/`` where all entries are in that one folder, else empty."""
    tops = {entry.path.partition("/")[0] for entry in found if entry.path}
    if len(tops) != 1 or any(entry.path in tops and entry.kind != "folder" for entry in found):
        return ""
    return tops.pop() + "/"


def _target(name: str, link: Entry, top: str) -> str:
    """The target of a link, normal and relative to the link's folder.

    Without ``..`` behind another component, and since nothing lies below a link, it leads where its text says.
    """
    folder = posixpath.dirname(link.path)
    target = link.target
    reached = posixpath.normpath(posixpath.join(folder, target))
    inside = f"{reached}/".startswith(top) and reached.split("/")[0] != ".."
    if not target or not inside or target[0] == "/" or target[1:2] == ":" or "\\" in target or "\0" in target:
        _refuse(name, f"has the link {link.path!r} to {target!r}, which leads out of it")
    return posixpath.relpath(f"/{reached}", f"/{folder}")
