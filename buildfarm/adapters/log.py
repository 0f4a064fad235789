"""Logs of attempts as files."""

from __future__ import annotations

from pathlib import Path


class FileLog:
    """A ``ports.Log``: a file ``<attempt>.log`` for each attempt, whose name is the ledger's, never a user's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, attempt: str, chunk: bytes) -> None:
        """Add bytes at the end; visible to readers at once."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path(attempt).open("ab") as file:
            file.write(chunk)

    def read(self, attempt: str) -> bytes:
        """All of it so far; empty for an attempt that wrote nothing."""
        try:
            return self._path(attempt).read_bytes()
        except FileNotFoundError:
            return b""

    def where(self, attempt: str) -> str:
        """The path of its file."""
        return str(self._path(attempt))

    def _path(self, attempt: str) -> Path:
        return self._folder / f"{attempt}.log"
