"""The zip file that a wheel is: its members, or the sentence why it cannot be one."""

from __future__ import annotations

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from buildfarm.model.errors import BuildfarmError

MOST_MEMBERS = 200_000
"""Files that a wheel may have."""

_PIECE = 1 << 20  # bytes
_DIRECTORY = 256 * MOST_MEMBERS  # bytes of the central directory, all of which zipfile makes objects of


class NotAWheel(BuildfarmError):
    """The bytes are no wheel that could be installed. ``str(error)`` is a sentence without its full stop."""

    exit_code = 1


def read_members(content: IO[bytes], limit: int) -> Iterator[tuple[str, int, int, Iterator[bytes]]]:
    """Path, Unix mode, size and bytes of every file in a zip archive; the bytes come in pieces, and are to be taken
    before the next file.

    Raises ``NotAWheel``, as taking the pieces does, for what is no such archive, holds more than ``limit`` bytes, or
    has a member that an installer must not or cannot write: an absolute or climbing path, a link, the same path twice.
    """
    with as_archive(content) as archive:
        files = [member for member in archive.infolist() if not member.filename.endswith("/")]
        _refuse_bombs(files, limit)
        _refuse_paths(member.filename for member in files)
        for member in files:
            _refuse_kind(member)
            with archive.open(member) as stream:
                yield member.filename, member.external_attr >> 16, member.file_size, _pieces(stream)


@contextmanager
def as_archive(content: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The bytes as a zip file, open; raises ``NotAWheel`` for whatever zipfile is known to raise over hostile ones.

    Errors of the disk pass.
    """
    with _sound(), zipfile.ZipFile(_Bounded(content)) as archive:
        yield archive


class _Bounded:
    """A file of which nobody reads more at once than the directory of an archive may have."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.seek, self.tell, self.seekable = content.seek, content.tell, content.seekable

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; without a size only the end of an archive is asked for."""
        if size > _DIRECTORY:
            raise zipfile.BadZipFile(f"its directory has {size:,} bytes, more than {_DIRECTORY:,}")
        return self._content.read(size)


@contextmanager
def _sound() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError) as error:
        raise NotAWheel(f"it is no sound zip file: {error}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise NotAWheel(f"it is a zip file of a kind that no wheel may be: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise NotAWheel("it is no sound zip file: it points outside of itself") from error


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """zipfile inflates no further than the archive declares, and holds the whole against its checksum at the end."""
    with _sound():
        while piece := stream.read(_PIECE):
            yield piece


def _refuse_bombs(members: list[zipfile.ZipInfo], limit: int) -> None:
    if len(members) > MOST_MEMBERS:
        raise NotAWheel(f"it has {len(members):,} members, more than {MOST_MEMBERS:,}")
    size = sum(member.file_size for member in members)
    if size > limit:
        raise NotAWheel(f"it unpacks to {size:,} bytes, more than {limit:,}")


def _refuse_paths(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        parts = path.split("/")
        if "\\" in path or ":" in parts[0] or not path.isprintable() or {"", ".", ".."} & set(parts):
            raise NotAWheel(f"it has a member {path!r}, which is no plain relative path")
        if path in seen:
            raise NotAWheel(f"it has the member {path!r} twice")
        seen.add(path)


def _refuse_kind(member: zipfile.ZipInfo) -> None:
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise NotAWheel(f"its member {member.filename!r} is a link or a special file")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotAWheel(f"its member {member.filename!r} is neither stored nor deflated")
