"""The content-addressed store as files: ``ab/<sha256>``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import IO

from buildfarm.adapters import durable
from buildfarm.model.errors import FarmError
from buildfarm.model.wheel import Artifact

_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class LocalStore:
    """A ``ports.Store`` in a folder. Its files are read-only, and may be hard-linked from elsewhere."""

    def __init__(self, folder: Path, crash: durable.Crash = durable.no_crash) -> None:
        self._folder = folder
        self._crash = crash

    def put(self, name: str, content: IO[bytes]) -> Artifact:
        """Keep the bytes read from ``content``; equal bytes are kept once. Durable when it returns."""
        digest, size = hashlib.sha256(), 0
        try:
            with durable.aside(self._folder) as (temporary, file):
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    size += file.write(chunk)
                durable.settle(file, 0o444)
                self._crash("store.put:written")
                path = self.path(digest.hexdigest())
                durable.make_folder(path.parent)
                if not path.exists():  # or else its hard links would no longer be links to it
                    temporary.rename(path)
                    self._crash("store.put:renamed")
                durable.sync_folder(path.parent)
        except OSError as error:
            raise FarmError(
                f"could not keep {name} in the store {self._folder}: {error.strerror or error}; is the disk full?"
            ) from error
        return Artifact(name=name, size=size, sha256=digest.hexdigest())

    def open(self, sha256: str) -> IO[bytes]:
        """The bytes, from the start; raises ``FarmError`` when they are not here."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise FarmError(f"the store {self._folder} does not have {sha256}; was it cleared?") from None

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here."""
        return self.path(sha256).is_file()

    def remove(self, sha256: str) -> None:
        """Forget the bytes, if they are here. What is linked to them stays."""
        self.path(sha256).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the bytes are, or would be. The file must not be written to."""
        return self._folder / key(sha256)

    def sweep(self) -> int:
        """Remove what killed puts left; the count of files."""
        return durable.sweep(self._folder)


def key(sha256: str) -> str:
    """Where the bytes are below the root of a store: ``ab/<sha256>``. Raises ``FarmError`` for what is no sha256."""
    if not _SHA256.fullmatch(sha256):
        raise FarmError(f"{sha256!r} is no sha256 of 64 hex digits")
    return f"{sha256[:2]}/{sha256}"
