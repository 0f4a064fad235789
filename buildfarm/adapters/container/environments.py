"""The environments that images offer, one for each interpreter in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from buildfarm.adapters.container.provision import TOOLCHAIN
from buildfarm.model.image import Image, defined
from buildfarm.model.job import Environment
from buildfarm.model.services import served, variables
from buildfarm.model.target import Target, manylinux

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}  # as engines call them -> as platform tags do


def machine_of(architecture: str) -> str:
    """The machine of platform tags for what an engine calls its architecture: ``x86_64`` for ``amd64``."""
    return _ARCHITECTURES.get(architecture, architecture)


def container_environments(
    images: Mapping[str, Image],
    present: Collection[str],
    *,
    arch: str,
    floor: tuple[int, int] = (2, 17),
    ceiling: tuple[int, int] | None = None,
) -> tuple[Environment, ...]:
    """One environment for each interpreter of each image in which builds run on machines of ``arch``.

    ``present`` are the names of images that an engine has or can get; what is not there lacks it, and names the command
    that brings it. ``floor`` is the glibc that zig builds for; an image's own, where that is lower. ``ceiling`` is the
    newest glibc that wheels may need, None for any.
    """
    services = {name: served(name, images) for name in sorted(variables(images)) if name in present}
    made = (
        _environment(image, abi, images, floor)
        for image in images.values()
        if Target(abi="", platform=image.platform).arch == arch
        for abi in image.interpreters
    )
    return tuple(replace(each, services=services, lacks=_lacks(each, images, present, ceiling)) for each in made)


def _lacks(
    environment: Environment,
    images: Mapping[str, Image],
    present: Collection[str],
    ceiling: tuple[int, int] | None,
) -> str:
    absent = _absent(environment, images, present)
    return absent or _untestable(environment, images) or _above(environment, ceiling)


def _environment(image: Image, abi: str, images: Mapping[str, Image], floor: tuple[int, int]) -> Environment:
    own = Target(abi=abi, platform=image.platform)
    test = images.get(image.test, image)
    return Environment(
        name=image.name,
        lane=f"linux-{own.arch}-container",
        target=replace(own, platform=_lowest(image, own, floor)),
        definition={
            "image": image.name,
            "definition": defined(image, images),
            "python": image.interpreters[abi],
            "compilers": " ".join(image.compilers),
            "toolchain": TOOLCHAIN,
        },
        test_definition={
            "image": test.name,
            "definition": defined(test, images),
            "python": test.interpreters.get(abi, ""),
        },
        compilers=image.compilers,
        system=(image.manager,) if image.manager else (),
        image=image.name,
        test_image=image.test,
        native=image.platform,
        unpinned=not (image.making or image.reference),
    )


def _lowest(image: Image, own: Target, floor: tuple[int, int]) -> str:
    """The platform that builds in the image reach: zig's where it can be lower, else what its compiler is for."""
    if "zig" not in image.compilers or own.floor is None or not _is_glibc(own):
        return own.platform
    return manylinux(min(floor, own.floor), own.arch)


def _is_glibc(target: Target) -> bool:
    return target.platform.startswith("manylinux")


def _absent(environment: Environment, images: Mapping[str, Image], present: Collection[str]) -> str:
    needed = dict.fromkeys(filter(None, (environment.image, environment.test_image)))
    return "; ".join(f"the image {name} is not here: {bring(images, name)}" for name in needed if name not in present)


def _untestable(environment: Environment, images: Mapping[str, Image]) -> str:
    test, abi = environment.test_image, environment.target.abi
    return f"{test} has no interpreter for {abi}" if test in images and abi not in images[test].interpreters else ""


def _above(environment: Environment, ceiling: tuple[int, int] | None) -> str:
    target = environment.target
    if ceiling is None or not _is_glibc(target) or (target.floor or ceiling) <= ceiling:
        return ""
    need, site = ("{}.{}".format(*each) for each in (target.floor or ceiling, ceiling))
    return f"{environment.name} makes wheels for glibc {need}; this site's floor is {site} (setting glibc)"


def bring(images: Mapping[str, Image], name: str) -> str:
    """The command that brings an image to this machine, or what its author has to do first."""
    image = images.get(name)
    if image is None:
        return f"images/{name}.yaml is missing"
    if image.making:
        return f"`buildfarm image build {name}`"
    return f"`buildfarm image pin {name}`"
