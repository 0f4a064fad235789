"""One file, folder or link of an archive, how much an archive may hold, and how one is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, NoReturn

from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import GIB, MIB
from buildfarm.model.session import OLDEST_EPOCH


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

    ``path`` is relative, posix and normal, below the project's top folder where there is one. ``kind`` is ``file``,
    ``folder`` or ``link`` (symbolic); the ``target`` of a link is relative to the link's own folder and stays inside. A
    hard link is a file with the bytes of the other. Of the mode only ``executable`` is left. ``mtime`` is in seconds.
    """

    path: str
    kind: str
    size: int = 0
    executable: bool = False
    mtime: int = OLDEST_EPOCH
    target: str = ""
    opener: Callable[[], IO[bytes]] = field(default=_empty, repr=False, compare=False)

    def open(self) -> IO[bytes]:
        """The bytes of a file. Works while the archive's own stream is open; cheapest in the order of the entries."""
        return self.opener()


def refuse(name: str, why: str) -> NoReturn:
    """Raise ``Unavailable`` (code ``archive``): ``why`` follows the archive's name."""
    raise Unavailable(
        Reason(
            code="archive",
            message=f"{name} {why}",
            advice="nothing of it was unpacked; look at the archive before you trust where it came from",
        )
    )


def check_size(name: str, path: str, count: int, total: int, bounds: Bounds, limit: int) -> None:
    """Refuse more entries than ``bounds`` admits, or more bytes than ``limit``, at the entry that is too much."""
    if count > bounds.entries:
        refuse(name, f"has more than {bounds.entries} entries")
    if total > limit:
        refuse(name, f"unpacks to more than {limit} bytes; the entry {path!r} is too much")
