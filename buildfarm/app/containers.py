"""The container engine of a site: which environments its images offer, and what opens sessions in them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import uv

from buildfarm.adapters.container import engine as engines
from buildfarm.adapters.container import inventory
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.environments import container_environments, machine_of
from buildfarm.adapters.container.exports import Exports
from buildfarm.adapters.container.farm import identity
from buildfarm.adapters.container.images import Images
from buildfarm.adapters.container.labels import FARM
from buildfarm.app import fetching
from buildfarm.app.image_files import read_images
from buildfarm.app.once import LateRunner, Once
from buildfarm.app.settings import Settings
from buildfarm.model.image import Image
from buildfarm.model.job import Environment, Job
from buildfarm.plan.sessions import planned
from buildfarm.ports import Report, Runner, Store

if TYPE_CHECKING:  # what makes something on an engine loads its SDK, which is slow
    from buildfarm.adapters.container.toolchain import ContainerToolchain

ABSENT = "no container engine answers here (as root: apt-get install docker.io)"
OFF = "no container engine is used here (setting engine)"


def engine_of(settings: Settings, environ: Mapping[str, str]) -> Engine | None:
    """The engine that the settings name, or else the one that this machine has; None where there is none.

    Raises ``FarmError`` when one that is named, there or by DOCKER_HOST, does not answer.
    """
    if settings.engine == "none":
        return None
    return engines.find(environ) if settings.engine == "auto" else engines.connect(settings.engine)


def images_on(engine: Engine, settings: Settings, store: Store, report: Report) -> Images:
    """The site's images, as the engine has them or can get them."""
    exports = Exports(store=store, folder=settings.home / "images")
    return Images(engine=engine, images=read_images(settings.images), exports=exports, report=report)


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """What the site's ``images`` offer here. ``on`` has them on an engine; without, the environments say what they
    lack.
    """

    images: Mapping[str, Image]
    environments: tuple[Environment, ...]
    on: Images | None = None


def look(settings: Settings, environ: Mapping[str, str], store: Store, report: Report) -> Containers:
    """Ask the engine, where there is one, for the images of the site."""
    floor, ceiling = settings.floor, None if settings.origins["glibc"] == "default" else settings.floor
    engine = engine_of(settings, environ)
    if engine is None:
        lacks = OFF if settings.engine == "none" else ABSENT
        described = read_images(settings.images)
        absent = container_environments(described, (), arch=platform.machine(), floor=floor)
        return Containers(images=described, environments=tuple(replace(each, lacks=lacks) for each in absent))
    images = images_on(engine, settings, store, report)
    arch = machine_of(engine.architecture)
    offered = container_environments(images.images, images.reachable(), arch=arch, floor=floor, ceiling=ceiling)
    return Containers(images=images.images, environments=offered, on=images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Opens sessions in containers, by lane, and makes what they take before they ask; without an engine, nothing."""

    runners: Mapping[str, Runner] = field(default_factory=dict)
    warm: Callable[[Iterable[Job]], None] = lambda _: None


def workshop(found: Containers, settings: Settings, environ: Mapping[str, str], report: Report) -> Workshop:
    """What opens sessions in containers of the images; made when the first asks."""
    images = found.on
    if images is None:
        return Workshop()
    farm = Once(lambda: identity(settings.home))
    toolchain = Once(lambda: _toolchain(images, settings, environ, report))
    runner = LateRunner(
        Once(lambda: _runner(images, toolchain(), farm())),
        idle=lambda: not inventory.anything(images.engine, f"{FARM}={farm()}"),
    )

    def warm(jobs: Iterable[Job]) -> None:
        if specs := tuple(map(planned, jobs)):
            toolchain().warm(specs)

    return Workshop(runners={f"linux-{machine_of(images.engine.architecture)}-container": runner}, warm=warm)


def _runner(images: Images, toolchain: ContainerToolchain, farm: str) -> Runner:
    from buildfarm.adapters.container.runner import ContainerRunner
    from buildfarm.adapters.container.services import Services

    return ContainerRunner(
        engine=images.engine,
        farm=farm,
        store=images.exports.store,
        provide=toolchain.provide,
        services=Services(images.engine, images),
    )


def _toolchain(images: Images, settings: Settings, environ: Mapping[str, str], report: Report) -> ContainerToolchain:
    from buildfarm.adapters.container.layers import Layers
    from buildfarm.adapters.container.network import of_this_machine
    from buildfarm.adapters.container.system import SystemPackages
    from buildfarm.adapters.container.toolchain import ContainerToolchain
    from buildfarm.adapters.container.tools import Tools
    from buildfarm.adapters.container.zig_runtime import ZigRuntime

    config = fetching.pip_config(settings, environ)
    layers = Layers(engine=images.engine, farm=identity(settings.home), folder=settings.home / "layers", report=report)
    fetches = fetching.for_programs(config, environ)
    return ContainerToolchain(
        images=images,
        tools=Tools(layers=layers, uv=uv.find_uv_bin(), version=version("uv"), environ=fetches),
        zig=ZigRuntime(layers=layers),
        system=SystemPackages(layers=layers, network=of_this_machine(environ, config)),
    )
