"""Makes images on this machine. Stages are kept under the digest of what they are made of: only changes cost."""

from __future__ import annotations

import tarfile
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildfarm.adapters.container import committed, registry
from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.images import REPOSITORY, Images
from buildfarm.adapters.container.labels import DEFINITION, FARM, KIND, LAYER, Labels, ours
from buildfarm.adapters.container.layers import Layers, Making, add
from buildfarm.adapters.container.making.archive import Archive
from buildfarm.adapters.container.making.rootfs import imported
from buildfarm.adapters.container.making.scripts import script
from buildfarm.adapters.container.making.taken import content, copied, taken
from buildfarm.adapters.container.making.wheels import Wheels
from buildfarm.adapters.container.network import Network
from buildfarm.adapters.locked import locked
from buildfarm.model import image as model
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError
from buildfarm.model.target import Target
from buildfarm.ports import Progress, Report

_AT_ONCE = 3  # compilations: more of them gain nothing on the processors that there usually are
_SCRATCH = {"/w": "rw,exec,size=3g"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of an image that is on the engine: the digest of what it is made of, and its id."""

    key: str
    id: str


Tree = tuple[Stage, str]
"""A folder of a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes ``images`` that have a ``making``; ``layers`` keeps the stages."""

    images: Images
    layers: Layers
    archive: Archive
    wheels: Wheels
    network: Network
    report: Report

    def make(self, name: str) -> str:
        """The id of the image: as the engine, the store or a registry has it; else made, with all that it is made of.

        Whatever ends it, stages that are whole stay, and the next call goes on from there. Raises ``FarmError``.
        """
        with self._alone(name):
            if self.images.image(name).making is None or name in self.images.reachable():
                return self.images.obtain(name)
            return self._made(name)

    def remake(self, name: str) -> str:
        """The same, put together anew in any case, from the stages that are made of what they would be made of now."""
        with self._alone(name):
            return self._made(name)

    def _alone(self, name: str) -> AbstractContextManager[None]:
        lock = self.images.exports.lock(f"making-{name}")
        return locked(lock, lambda: self._say(f"somebody else is making {name}; waiting …"))

    def _made(self, name: str) -> str:
        image, began = self.images.image(name), time.monotonic()
        if (making := image.making) is None:
            raise FarmError(f"{name} comes from a registry and is not made here: `buildfarm image pin {name}`")
        try:
            base = self._base(making.base)
            copied_from, needed = self._interpreters_of(making.interpreters_of)
            system = self._packages(base, (*needed, *making.packages), image.manager or "apt")
            trees = (*copied_from, *self._compiled(system, making))
            made = self._named(name, self._whole(image, making, system, trees))
        except BaseException:
            committed.abandon(self.images.engine)
            raise
        self._say(f"{name} is made, in {time.monotonic() - began:.0f} s")
        return made

    def export(self, name: str) -> None:
        """Keep a copy of a finished image in the store, unless there is one."""
        images = self.images
        if images.image(name).making is None or images.exported(name):
            return
        self._say(f"copying {name} into the store …")
        began = time.monotonic()
        kept = images.exports.keep(images.engine, images.tag(name), images.definition(name))
        self._say(f"{name} is in the store, {kept.size / 1e6:.0f} MB, after {time.monotonic() - began:.1f} s")

    def _base(self, base: str) -> Stage:
        """Another image, or a release of Debian."""
        if base in self.images.images:
            return self._other(base)
        key = digest(["debian", base, self.images.engine.architecture])
        tag = f"{self.layers.repository}:{key[:32]}"
        with self._alone(base):
            found = registry.on_engine(self.images.engine, tag, {LAYER: key})
            if found is None and self.archive.architecture() != self.images.engine.architecture:
                raise FarmError(
                    f"this machine is {self.archive.architecture()} and the engine {self.images.engine.architecture}: "
                    f"make {base} on a machine of the engine's kind"
                )
            if found is None:
                self._say(f"bootstrap Debian's {base} …")
                began = time.monotonic()
                with self.archive.base(base) as system:
                    labels = Labels(farm=self.layers.farm, kind="layer", layer=key)
                    found = imported(self.images.engine, system, labels, tag)
                self._say(f"bootstrap Debian's {base}: done in {time.monotonic() - began:.1f} s")
        return Stage(key=key, id=found)

    def _other(self, name: str) -> Stage:
        """Another image, just as it is here."""
        made = self.make(name)
        return Stage(key=made, id=made)

    def _packages(self, base: Stage, names: Iterable[str], manager: str) -> Stage:
        wanted = sorted(set(names))
        if not wanted:
            return base
        text = script("packages", *wanted)
        key = digest(["packages", base.key, text])
        how = Making(
            base=base.id,
            what=f"install {_counted(wanted)}",
            script=text,
            fill=_nothing,
            network=self.network.for_manager(manager),
        )
        return Stage(key=key, id=self.layers.made(key, lambda: how))

    def _compiled(self, system: Stage, making: model.Making) -> tuple[Tree, ...]:
        """The interpreters, compiled at once."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            work = [pool.submit(self._cpython, system, making, folder) for folder in making.pythons]
            try:
                first, _ = wait(work, return_when=FIRST_EXCEPTION)
            finally:
                while not all(each.cancel() or each.done() for each in work):
                    committed.abandon(self.images.engine)
                    wait(work, timeout=1)
            for each in first:  # what failed by itself, before those that were ended for it
                each.result()
            return tuple(each.result() for each in work)

    def _cpython(self, system: Stage, making: model.Making, folder: str) -> Tree:
        wanted = making.pythons[folder]
        text = script("cpython", folder, *wanted.configure)
        key = digest(["cpython", system.key, wanted.source, making.sources, text])

        def how() -> Making:
            version, source = self.archive.source(wanted.source, making.sources)
            return Making(
                base=system.id,
                what=f"compile CPython {version} as {folder}",
                script=text,
                fill=lambda archive: add(archive, "/cpython.tar", source.read_bytes()),
                scratch=_SCRATCH,
            )

        return Stage(key=key, id=self.layers.made(key, how)), f"/opt/python/{folder}"

    def _interpreters_of(self, name: str) -> tuple[tuple[Tree, ...], tuple[str, ...]]:
        """Those of another image, without what compiles; and the packages whose libraries they load."""
        if not name:
            return (), ()
        source = self._other(name)
        text = script("pruned")
        key = digest(["pruned", source.key, text])
        how = Making(base=source.id, what=f"prune the interpreters of {name}", script=text, fill=_nothing)
        pruned = Stage(key=key, id=self.layers.made(key, lambda: how))
        with self._taken(pruned, "/needed") as archive:
            return ((pruned, "/opt/python"),), tuple(content(archive).split())

    def _whole(self, image: model.Image, making: model.Making, system: Stage, trees: tuple[Tree, ...]) -> Stage:
        """The system with its interpreters and tools, after the last commands, and looked at."""
        tools = (script("tools", image.python),) if making.tools else ()
        runs = (f"(\n{each}\n)" for each in making.run)
        looks = (script("whole"), *((script("absent", *making.absent),) if making.absent else ()))
        text = "\n".join((*tools, *runs, *looks))
        key = digest(["whole", system.key, [each.key for each, _ in trees], making.tools, text])

        def fill(archive: tarfile.TarFile) -> None:
            for stage, path in trees:
                with self._taken(stage, path) as tree:
                    copied(tree, archive, str(PurePosixPath(path).parent))
            if making.tools:
                with tempfile.TemporaryDirectory() as folder:
                    self.wheels.fetch(making.tools, _target(image), Path(folder))
                    for wheel in sorted(Path(folder).iterdir()):
                        add(archive, f"/wheels/{wheel.name}", wheel.read_bytes())

        how = Making(base=system.id, what=f"put {image.name} together", script=text, fill=fill)
        return Stage(key=key, id=self.layers.made(key, lambda: how))

    def _taken(self, stage: Stage, path: str) -> AbstractContextManager[tarfile.TarFile]:
        return taken(self.images.engine, stage.id, path, ours(self.layers.farm, "making"))

    def _named(self, name: str, whole: Stage) -> str:
        """The finished image under its name."""
        engine, labels = self.images.engine, ours(self.layers.farm, "making")
        written = {FARM: self.layers.farm, KIND: "image", DEFINITION: self.images.definition(name)}
        with told(f"name {name}"):
            container = engine.client.containers.create(whole.id, ["-"], entrypoint=[], labels=labels.written)
        try:
            tags = (self.images.tag(name), f"{REPOSITORY}/{name}:latest")
            return committed.commit(engine, container, whole.id, written, *tags)
        finally:
            committed.put_away(container)

    def _say(self, message: str) -> None:
        self.report(Progress(job="", step="image", message=message))


def _nothing(_archive: tarfile.TarFile) -> None:
    """Put nothing in."""


def _counted(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} packages"


def _target(image: model.Image) -> Target:
    """What the interpreter for our own scripts is for."""
    abi = next((abi for abi, path in image.interpreters.items() if path == image.python), "")
    if not abi or not image.platform:
        raise FarmError(
            f"images/{image.name}.yaml: tools need a platform, and a python that is one of the interpreters"
        )
    return Target(abi=abi, platform=image.platform)
