"""Layers: what root makes in a container of its own on top of an image, kept on the engine under a key, once."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from buildfarm.adapters.container import labels
from buildfarm.adapters.container.committed import Work, commit, never, worked
from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.network import Network
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import Stopped
from buildfarm.model.session import Stop
from buildfarm.ports import Progress, Report

REPOSITORY = "buildfarm/layer"
"""What layers are called on an engine; the tag is the beginning of the key."""

MOST = 50
"""Layers that an engine keeps; of more, those used longest ago go."""

_OLD = timedelta(days=30)
_YOUNG = timedelta(hours=1)  # time for whoever was told of a layer to create a container from it
_CONFLICT = 409

Fill = Callable[[tarfile.TarFile], None]
"""Writes members of an archive, with paths relative to the root of the container; all belong to root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a layer is made of the image ``base``: what is put in, then a script of root for ``sh -e``.

    ``what`` completes the sentence "could not …". With no ``network`` the script has none. ``scratch`` maps folders in
    memory to their mount options.
    """

    base: str
    what: str
    script: str
    fill: Fill
    network: Network | None = None
    scratch: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The layers of one engine. ``farm`` names the home; ``folder``, below the home, holds locks and logs.

    Beyond the ``most`` those go that are of no use for longest, unless they were used within ``spared``.
    """

    engine: Engine
    farm: str
    folder: Path
    report: Report
    repository: str = REPOSITORY
    most: int = MOST
    spared: timedelta = _YOUNG

    def made(self, key: str, how: Callable[[], Making], stop: Stop = never) -> str:
        """The id of the image with that key (64 hex digits), which is made where it is absent, and counts as used now.

        In one home only one makes it; of two homes that race either result stays. Raises ``committed.Failed`` when the
        script fails, ``FarmError`` when the engine does, ``Stopped`` when ``stop`` says so before it is there.
        """
        if found := self._use(key):
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / f"{key[:32]}.lock", lambda: self._say("waiting for the same layer …"), stop):
            if found := self._use(key):
                return found
            making, began = how(), time.monotonic()
            if stop():
                raise Stopped(making.what)
            self._say(f"{making.what} (once) …")
            made = self._make(key, making, stop)
            self._say(f"{making.what}: done in {time.monotonic() - began:.1f} s")
        self.collect()
        return made

    def collect(self) -> tuple[str, ...]:
        """Remove layers that no container uses: those of no use for 30 days, and beyond ``most`` the ones used longest
        ago. Answers their tags; and the ids of those that lost theirs, to another home that made the same, an hour ago.
        """
        now = datetime.now(UTC)
        with told("list its layers"):
            found = self.engine.client.images.list(filters={"reference": f"{self.repository}:*"})
        by_use = sorted(found, key=_used, reverse=True)
        leaving = [
            tag
            for place, image in enumerate(by_use)
            if now - _used(image) > _OLD or (place >= self.most and now - _used(image) > self.spared)
            for tag in image.tags
            if tag.startswith(f"{self.repository}:")
        ]
        return tuple(each for each in (*leaving, *self._lost(now)) if self._remove(each))

    def _lost(self, now: datetime) -> Iterator[str]:
        """The ids of layers without a tag; stages of images have the same kind."""
        with told("list its layers"):
            found = self.engine.client.images.list(filters={"dangling": True, "label": f"{labels.KIND}=layer"})
        return (str(image.id) for image in found if now - _used(image) > self.spared)

    def _make(self, key: str, making: Making, stop: Stop) -> str:
        script, network = making.script, making.network
        with tempfile.TemporaryFile(dir=self.folder) as file, (self.folder / f"{key[:32]}.log").open("wb") as log:
            with tarfile.open(fileobj=file, mode="w") as archive:
                making.fill(archive)
                if network:
                    network.put(archive)
            file.seek(0)
            work = Work(
                base=making.base,
                script=network.around(script) if network else script,
                labels=labels.ours(self.farm, "making", layer=key),
                what=making.what,
                network="bridge" if network else "none",
                scratch=making.scratch,
                stop=stop,
            )

            def heard(chunk: bytes) -> None:
                log.write(chunk)
                log.flush()

            with worked(self.engine, work, [("/", file)], heard) as container:
                ours = labels.Labels(farm=self.farm, kind="layer", layer=key)
                return commit(self.engine, container, making.base, ours.written, f"{self.repository}:{key[:32]}")

    def _remove(self, layer: str) -> bool:
        """False where a container uses it, another is made of it, or somebody else was quicker."""
        with told(f"remove {layer}"):
            try:
                self.engine.client.images.remove(layer)
            except ImageNotFound:
                return False
            except APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                return False
        return True

    def _use(self, key: str) -> str:
        """The id of the layer, or empty. To tag it again is what engines remember as its last use."""
        with told("look for a layer"):
            try:
                image = self.engine.client.images.get(f"{self.repository}:{key[:32]}")
                image.tag(self.repository, key[:32])
            except ImageNotFound:
                return ""
            return str(image.id)

    def _say(self, message: str) -> None:
        self.report(Progress(job="", step="layer", message=message))


def add(archive: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    """A file of root at an absolute path; folders above that are not there get made by the engine."""
    member = tarfile.TarInfo(path.lstrip("/"))
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def add_tree(archive: tarfile.TarFile, folder: Path, path: str, left: re.Pattern[str]) -> None:
    """A folder with what is in it, as root's, at an absolute path; links stay links, times are kept.

    What ``left`` matches as a whole, a path without the first slash, is left out.
    """

    def of_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return None if left.fullmatch(member.name) else member

    archive.add(folder, path.lstrip("/"), filter=of_root)


def _used(image: Image) -> datetime:
    """When the image was tagged last; made, where the engine does not remember."""
    for text in ((image.attrs.get("Metadata") or {}).get("LastTagTime"), image.attrs.get("Created")):
        if isinstance(text, str) and text and not text.startswith("0001"):
            return datetime.fromisoformat(text)
    return datetime.now(UTC)
