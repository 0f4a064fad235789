"""What is put into a session, collected in one archive: an engine takes its time for each, whatever its size."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Archive
from buildfarm.steps.archive import unpacked

_IN_MEMORY = 16 << 20  # bytes, before it goes to the disk
_OWNER = 1000


class Parcel:
    """A tar archive that grows, of paths below a folder of a container. ``epoch`` dates what nothing else dates.

    Everything belongs to the session's user, and every folder above a path is in it: one that an archive only implies
    would belong to root.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._folders: set[PurePosixPath] = set()

    def folder(self, path: PurePosixPath, mtime: int | None = None) -> None:
        """A folder, and those above it."""
        self._above(path)
        if path not in self._folders or mtime is not None:
            self._folders.add(path)
            self._add(path, tarfile.DIRTYPE, mtime=mtime, mode=0o755)

    def file(
        self, path: PurePosixPath, content: IO[bytes], size: int, *, mtime: int | None = None, mode: int = 0o644
    ) -> None:
        """A file of ``size`` bytes."""
        self._above(path)
        self._add(path, tarfile.REGTYPE, mtime=mtime, mode=mode, content=content, size=size)

    def text(self, path: PurePosixPath, content: bytes) -> None:
        """A file with this content."""
        self.file(path, io.BytesIO(content), len(content))

    def archive(self, below: PurePosixPath, content: Archive, open_: Callable[[str], IO[bytes]]) -> None:
        """What of the archive goes into a session. Raises as ``unpacked`` does, and then holds nothing of it."""
        for entry in unpacked(content, open_):
            path = below / entry.path
            match entry.kind:
                case "folder":
                    self.folder(path, entry.mtime)
                case "link":
                    self._above(path)
                    self._add(path, tarfile.SYMTYPE, link=entry.target)
                case _:
                    with entry.open() as file:
                        mode = 0o755 if entry.executable else 0o644
                        self.file(path, file, entry.size, mtime=entry.mtime, mode=mode)

    def send(self, engine: Engine, container: str, to: str) -> None:
        """Unpack it in the folder ``to`` of the container, and be done.

        Raises ``FarmError``, as when a link that a command left is where a folder should be.
        """
        self._tar.close()
        self._file.seek(0)
        api = engine.client.api
        # The client has no word for the option that keeps it from making a folder of a link, or of a file.
        with self._file, told("put files into the session"):
            answer = api.put(
                f"{api.base_url}/v{api.api_version}/containers/{container}/archive",
                params={"path": to, "noOverwriteDirNonDir": "1"},
                data=self._file,
                timeout=api.timeout,
            )
            if not answer.ok:
                raise FarmError(_refused(answer.text))

    def close(self) -> None:
        """Throw it away."""
        self._file.close()

    def _above(self, path: PurePosixPath) -> None:
        for above in reversed(path.parents[:-1]):
            if above not in self._folders:
                self._folders.add(above)
                self._add(above, tarfile.DIRTYPE, mode=0o755)

    def _add(
        self,
        path: PurePosixPath,
        kind: bytes,
        *,
        mtime: int | None = None,
        mode: int = 0o777,
        link: str = "",
        content: IO[bytes] | None = None,
        size: int = 0,
    ) -> None:
        info = tarfile.TarInfo(str(path))
        info.type, info.linkname, info.size, info.mode = kind, link, size, mode
        info.mtime = self._epoch if mtime is None else mtime
        info.uid = info.gid = _OWNER
        self._tar.addfile(info, content)


def _refused(said: str) -> str:
    return said
