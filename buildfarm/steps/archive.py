"""What a source archive holds, read without unpacking: one place decides which archives are safe.

The rules are those of tarfile's data filter (PEP 706), and stricter where an archive is refused instead of mended.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO, Any

from buildfarm.model.session import ARCHIVES, Archive
from buildfarm.steps.entry import BOUNDS, Bounds, Entry, refuse
from buildfarm.steps.names import check_names, link_target, top_folder
from buildfarm.steps.patch import patched
from buildfarm.steps.tar import Bounded, read_tar
from buildfarm.steps.zip import read_zip

_DECOMPRESSORS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.xz": lzma.open,
    ".tar.bz2": bz2.open,
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


def unpacked(wanted: Archive, open_: Callable[[str], IO[bytes]]) -> Iterator[Entry]:
    """The entries that go into a session: those of the archive, after its patches, that ``only`` selects.

    ``open_`` opens what has a sha256. Raises as ``entries`` and ``patched`` do, before the first entry.
    """
    with open_(wanted.artifact.sha256) as content:
        found = entries(wanted.artifact.name, content)
        if wanted.patches:
            found = patched(found, ((patch.name, _read_all(open_(patch.sha256))) for patch in wanted.patches))
        for entry in found:
            if not wanted.only or any(PurePosixPath(entry.path).is_relative_to(each) for each in wanted.only):
                yield entry


def entries(name: str, content: IO[bytes], bounds: Bounds = BOUNDS) -> Iterator[Entry]:
    """Every entry of the archive ``name`` (``ARCHIVES``), after all of it was checked.

    ``content`` must be seekable. A single top folder is stripped, or the one of several that alone holds a
    pyproject.toml or setup.py: what is beside it is left out. Else nothing is stripped. A folder may come twice. Raises
    ``Unavailable`` (code ``archive``) before the first entry when the archive is damaged, too large, or not safe:
    absolute paths, ``..``, links out of it, devices, names that are one on some file systems or that Windows forbids.
    """
    found = whole(name, content, bounds)
    top = top_folder(found)
    found = [entry for entry in found if entry.path.startswith(top)]
    found = [replace(entry, target=link_target(name, entry, top)) if entry.kind == "link" else entry for entry in found]
    yield from (replace(entry, path=entry.path[len(top) :]) for entry in found if entry.path[len(top) :])


def whole(name: str, content: IO[bytes], bounds: Bounds = BOUNDS) -> list[Entry]:
    """As ``entries``, but nothing is stripped and links are as they are written, whether they stay inside or not."""
    packed = content.seek(0, io.SEEK_END)
    content.seek(0)
    try:
        found = list(_read(name, content, bounds, bounds.limit(packed)))
    except _BROKEN as error:
        refuse(name, f"is damaged: {error}")
    found = [entry for entry in found if entry.path]
    check_names(name, found, bounds)
    return found


def _read(name: str, content: IO[bytes], bounds: Bounds, limit: int) -> Iterator[Entry]:
    if name.endswith(".zip"):
        return read_zip(name, content, bounds, limit)
    decompress = next((each for suffix, each in _DECOMPRESSORS.items() if name.endswith(suffix)), None)
    if decompress is None:
        refuse(name, f"is no archive that is known: its name ends with none of {' '.join(ARCHIVES)}")
    return read_tar(name, Bounded(name, decompress(content), limit), bounds, limit)


def _read_all(file: IO[bytes]) -> bytes:
    with file:
        return file.read()
