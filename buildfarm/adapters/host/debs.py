"""A Debian package as a file: what is in it, and what its libraries need of the system."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from buildfarm.model.errors import FarmError

Floor = tuple[int, int]
"""A version of glibc."""

# The newest GLIBCXX_3.4.N, and the glibc of the first manylinux policy (PEP 600) that admits it.
_CXX = ((19, (2, 17)), (22, (2, 24)), (24, (2, 27)), (28, (2, 31)), (29, (2, 34)), (30, (2, 35)), (33, (2, 39)))
_BEYOND = (2, 99)
_LIBRARY = re.compile(r".+\.so(\.\d+)*")


@contextmanager
def members(deb: IO[bytes]) -> Iterator[Iterator[tuple[PurePosixPath, tarfile.TarInfo, IO[bytes] | None]]]:
    """Everything in a package, in its order: where it belongs below the root, the entry, the bytes of a regular file.

    ``deb`` is an open file of this machine; the bytes can be read until the next. As on a system of today, what older
    packages have in ``lib`` is in ``usr/lib``. Raises ``FarmError`` for a file that is no package, or not a whole one.
    """
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", "-"], stdin=deb, stdout=subprocess.PIPE) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as files:
                yield ((place(each.name), each, files.extractfile(each) if each.isreg() else None) for each in files)
            while unpacking.stdout and unpacking.stdout.read(1 << 16):  # what a tar has after its end
                pass
        except tarfile.TarError as error:
            raise FarmError(f"a package cannot be read: {error}") from error
    if unpacking.returncode:
        raise FarmError(f"a package cannot be read: dpkg-deb ended with {unpacking.returncode}")


def place(path: str) -> PurePosixPath:
    """A path of a package, absolute or not, below the root of a system whose ``/lib`` is ``/usr/lib``.

    Raises ``FarmError`` for one that leads out.
    """
    parts = PurePosixPath(path.lstrip("/")).parts
    if ".." in parts:
        raise FarmError(f"a package has the path {path}")
    return PurePosixPath("usr" if parts[:1] in (("bin",), ("sbin",), ("lib",)) else "", *parts)


def is_library(path: PurePosixPath) -> bool:
    """Whether the name is that of a shared library, with or without its versions."""
    return _LIBRARY.fullmatch(path.name) is not None


def floor(deb: IO[bytes]) -> Floor:
    """The oldest glibc, as a manylinux policy knows it, that has every symbol its shared libraries ask for.

    (0, 0) where there are none.
    """
    with members(deb) as found:
        needs = [_floor(io.BytesIO(content.read())) for path, _, content in found if content and is_library(path)]
    return max(needs, default=(0, 0))


def _floor(library: IO[bytes]) -> Floor:
    from elftools.common.exceptions import ELFError  # noqa: PLC0415 - slow, and wanted once for each set of packages
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415
    from elftools.elf.gnuversions import GNUVerNeedSection  # noqa: PLC0415

    try:
        sections = [each for each in ELFFile(library).iter_sections() if isinstance(each, GNUVerNeedSection)]
    except ELFError:  # a linker script
        return 0, 0
    names = [version.name for section in sections for _, needed in section.iter_versions() for version in needed]
    return max(map(_of_symbol, names), default=(0, 0))


def _of_symbol(version: str) -> Floor:
    if match := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", version):
        return int(match[1]), int(match[2])
    if match := re.fullmatch(r"GLIBCXX_3\.4(?:\.(\d+))?", version):
        return next((glibc for newest, glibc in _CXX if int(match[1] or 0) <= newest), _BEYOND)
    return (2, 36) if version == "GLIBC_ABI_DT_RELR" else (0, 0)
