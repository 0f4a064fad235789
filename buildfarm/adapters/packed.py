"""Source trees packed into archives: the same bytes for the same tree."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
from collections.abc import Iterable
from typing import IO

from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store

_MEMORY = 64 << 20  # bytes of an archive that are held in memory before it goes to the disk


def pack(members: Iterable[tuple[tarfile.TarInfo, IO[bytes] | None]], name: str, store: Store) -> Artifact:
    """Put the members, in their order, into the store as the gzipped tar ``name``; each is read before the next."""
    with tempfile.SpooledTemporaryFile(_MEMORY) as packed:
        with (
            gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for info, content in members:
                archive.addfile(info, content)
        packed.seek(0)
        return store.put(name, packed)
