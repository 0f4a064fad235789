"""Images that were made here, as files of the store: what another engine of the same home loads."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from buildfarm.adapters import durable
from buildfarm.adapters.container.engine import Engine, told
from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """``folder`` says which file of the store is which definition for which architecture."""

    store: Store
    folder: Path

    def find(self, definition: str, architecture: str) -> Artifact | None:
        """The file of that image, where there is one."""
        record = self._record(definition, architecture)
        if not record.is_file():
            return None
        artifact = from_plain(Artifact, json.loads(record.read_text(encoding="utf-8")))
        return artifact if self.store.has(artifact.sha256) else None

    def forget(self, current: Collection[str]) -> Iterator[Artifact]:
        """Forget the files of all other definitions than these; answers what the store may remove."""
        for record in self.folder.glob("*.json"):
            if record.stem.partition("-")[0] not in current:
                yield from_plain(Artifact, json.loads(record.read_text(encoding="utf-8")))
                record.unlink()

    def keep(self, engine: Engine, tag: str, definition: str) -> Artifact:
        """Bring an image of the engine into the store, under its tag."""
        with told(f"hand out {tag}"):
            packed = _Stream(_compressed(engine.client.api.get_image(tag)))
            artifact = self.store.put(f"{tag.replace('/', '-').replace(':', '-')}.tar.gz", cast("IO[bytes]", packed))
        durable.make_folder(self.folder)
        with durable.aside(self.folder) as (path, file):
            file.write(json.dumps(to_plain(artifact)).encode())
            durable.settle(file, 0o644)
            path.replace(self._record(definition, engine.architecture))
        return artifact

    def load(self, engine: Engine, artifact: Artifact) -> None:
        """Bring it from the store into an engine, with its tag."""
        with told(f"load {artifact.name}"), self.store.open(artifact.sha256) as file:
            engine.client.images.load(file)

    def lock(self, name: str) -> Path:
        """The file to lock while an image of that name is made or brought."""
        durable.make_folder(self.folder)
        return self.folder / f"{name}.lock"

    def _record(self, definition: str, architecture: str) -> Path:
        return self.folder / f"{definition}-{architecture}.json"


class _Stream(io.RawIOBase):
    """Chunks as a file to be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, of whatever size; empty at the end."""
        return next((chunk for chunk in self._chunks if chunk), b"")


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packing = zlib.compressobj(1, wbits=31)
    for chunk in chunks:
        yield packing.compress(chunk)
    yield packing.flush()
