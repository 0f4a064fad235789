"""The images of a site, for people: what there is, made, pinned and cleared away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from docker.errors import APIError, ImageNotFound

from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.environments import bring
from buildfarm.adapters.container.farm import identity
from buildfarm.adapters.container.images import REPOSITORY, Images
from buildfarm.adapters.container.labels import FARM, KIND
from buildfarm.adapters.container.layers import REPOSITORY as LAYERS
from buildfarm.adapters.container.layers import Layers
from buildfarm.adapters.container.making.archive import Archive
from buildfarm.adapters.container.making.maker import Maker
from buildfarm.adapters.container.making.wheels import Wheels
from buildfarm.adapters.container.network import of_this_machine
from buildfarm.adapters.container.sweep import sweep
from buildfarm.app import fetching
from buildfarm.app.containers import ABSENT, OFF, engine_of, images_on
from buildfarm.app.image_files import read_images
from buildfarm.app.settings import Settings
from buildfarm.app.storing import open_store
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image, defined
from buildfarm.ports import Report

STAGES = "buildfarm/making"
"""What the stages of images are called on an engine."""


def site_images(settings: Settings, environ: Mapping[str, str], report: Report) -> Images:
    """The images on the site's engine; ``FarmError`` says how to get an engine."""
    engine = engine_of(settings, environ)
    if engine is None:
        raise FarmError(OFF if settings.engine == "none" else ABSENT)
    return images_on(engine, settings, open_store(settings), report)


def maker_of(images: Images, settings: Settings, environ: Mapping[str, str], report: Report) -> Maker:
    """What makes them, with what this machine's apt and pip are configured to."""
    config = fetching.pip_config(settings, environ)
    index = {"PIP_INDEX_URL": config.index_url, "PIP_EXTRA_INDEX_URL": " ".join(config.extra_index_urls)}
    return Maker(
        images=images,
        layers=stages_of(images, settings, report),
        archive=Archive(home=settings.cache / "making", environ=environ),
        wheels=Wheels(environ={**environ, **index}),
        network=of_this_machine(environ, config),
        report=report,
    )


def stages_of(images: Images, settings: Settings, report: Report) -> Layers:
    """The stages of images on their engine."""
    return Layers(
        engine=images.engine,
        farm=identity(settings.home),
        folder=settings.home / "layers",
        report=report,
        repository=STAGES,
    )


def make(
    settings: Settings, environ: Mapping[str, str], names: tuple[str, ...], report: Report, *, export: bool, again: bool
) -> list[dict[str, Any]]:
    """Make the images of those names with the images that they are tested in, and keep copies in the store."""
    images = site_images(settings, environ, report)
    maker = maker_of(images, settings, environ, report)
    sweep(images.engine, maker.layers.farm, frozenset())  # what a killed one left
    made = []
    for name in dict.fromkeys(each for wanted in names for each in _with_test(images, wanted)):
        id_ = maker.remake(name) if again else maker.make(name)
        if export:
            maker.export(name)
        made.append({"name": name, "id": id_, "tag": images.tag(name), "megabytes": size_of(images, id_)})
    return made


def _with_test(images: Images, name: str) -> tuple[str, ...]:
    image = images.image(name)
    return (name, image.test) if image.test else (name,)


def overview(settings: Settings, environ: Mapping[str, str], report: Report) -> list[dict[str, Any]]:
    """Every image of the site: what it offers, whether the engine has it (None: no engine), how it gets here."""
    described = read_images(settings.images)
    engine = engine_of(settings, environ)
    images = images_on(engine, settings, open_store(settings), report) if engine else None
    return [_overview(image, described, images) for image in described.values()]


def _overview(image: Image, described: Mapping[str, Image], images: Images | None) -> dict[str, Any]:
    id_ = images.present(image.name) if images else None
    return {
        "name": image.name,
        "definition": defined(image, described),
        "here": None if images is None else id_ is not None,
        "id": id_ or "",
        "megabytes": size_of(images, id_) if images and id_ else None,
        "exported": images is not None and images.exported(image.name) is not None,
        "made_here": image.making is not None,
        "reference": image.reference or image.tag,
        "platform": image.platform,
        "interpreters": list(image.interpreters),
        "manager": image.manager,
        "test": image.test,
        "port": image.server.port if image.server else None,
        "bring": bring(described, image.name),
    }


def size_of(images: Images, id_: str) -> float:
    """Megabytes of an image on the engine, with all that it is made of."""
    with told("tell the size of an image"):
        return float(images.engine.client.images.get(id_).attrs["Size"]) / 1e6


def remove(settings: Settings, environ: Mapping[str, str], names: tuple[str, ...], report: Report) -> list[str]:
    """Remove images from the engine and the store, of whatever definition; answers what went."""
    images = site_images(settings, environ, report)
    wanted = {f"{REPOSITORY}/{images.image(name).name}" for name in names}
    gone = [tag for tag in _made(images) if tag.rpartition(":")[0] in wanted and _untagged(images, tag)]
    for name in names:
        reference = images.image(name).reference
        gone += [reference] if reference and _untagged(images, reference) else []
    return gone + _forgotten(images, settings, {images.definition(name) for name in images.images if name not in names})


def collect(settings: Settings, environ: Mapping[str, str], report: Report) -> list[str]:
    """Remove what nobody needs: images that this home made of other definitions than today's, with their copies in the
    store; and stages and layers that were not used for long. Answers what went.
    """
    images = site_images(settings, environ, report)
    known = {images.tag(name) for name in images.images} | {f"{REPOSITORY}/{name}:latest" for name in images.images}
    farm = identity(settings.home)
    gone = [
        tag for tag, owner in _made(images).items() if owner == farm and tag not in known and _untagged(images, tag)
    ]
    stages = stages_of(images, settings, report)
    for layers in (stages, replace(stages, repository=LAYERS)):
        gone += layers.collect()
    return gone + _forgotten(images, settings, {images.definition(name) for name in images.images})


def _made(images: Images) -> dict[str, str]:
    """The tags of images that were made here, each with the home that made it."""
    with told("list images"):
        found = images.engine.client.images.list(filters={"label": f"{KIND}=image"})
    return {tag: each.labels.get(FARM, "") for each in found for tag in each.tags if tag.startswith(f"{REPOSITORY}/")}


def _untagged(images: Images, tag: str) -> bool:
    """Whether it was there and is gone now; one that a container uses stays."""
    with told(f"remove {tag}"):
        try:
            images.engine.client.images.remove(tag)
        except ImageNotFound:
            return False
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return False
    return True


def _forgotten(images: Images, settings: Settings, current: set[str]) -> list[str]:
    store = open_store(settings)
    gone = []
    for artifact in images.exports.forget(current):
        store.remove(artifact.sha256)
        gone.append(f"{artifact.name} in the store")
    return gone
