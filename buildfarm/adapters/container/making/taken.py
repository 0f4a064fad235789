"""Files of an image, and how they get into another."""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator
from copy import copy

from buildfarm.adapters.container.committed import put_away
from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.labels import Labels


@contextlib.contextmanager
def taken(engine: Engine, image: str, path: str, labels: Labels) -> Iterator[tarfile.TarFile]:
    """A file or folder of an image, as an archive whose names begin with the last part of the path."""
    with tempfile.TemporaryFile() as file:
        with told(f"read {path} of an image"):
            container = engine.client.containers.create(image, ["-"], entrypoint=[], labels=labels.written)
            try:
                for chunk in container.get_archive(path)[0]:
                    file.write(chunk)
            finally:
                put_away(container)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            yield archive


def content(archive: tarfile.TarFile) -> str:
    """The text of an archive of one file."""
    for member in archive:
        if opened := archive.extractfile(member):
            return opened.read().decode()
    return ""


def copied(source: tarfile.TarFile, to: tarfile.TarFile, folder: str) -> None:
    """Every member of an archive into another, below a folder."""
    for member in source:
        moved = copy(member)
        moved.name = f"{folder.strip('/')}/{member.name}"
        if member.islnk():
            moved.linkname = f"{folder.strip('/')}/{member.linkname}"
        to.addfile(moved, source.extractfile(member) if member.isreg() else None)
