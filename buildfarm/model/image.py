"""Images: the systems that container sessions and services run in, as `images/*.yaml` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from buildfarm.model.canonical import digest

MAKING = "1"
"""Raised when our own scripts make another image of the same file: what is built in it may come out different."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpython:
    """An interpreter compiled while an image is made: from which source package of Debian, with which options."""

    source: str
    configure: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How an image is made here. ``base`` is a release of Debian (``bullseye``), or the name of another image.

    ``packages`` are installed from the release's archive; ``pythons`` are compiled, by the name of their folder below
    /opt/python (``cp313-cp313t``), from source packages of the releases ``sources``, newest first. ``interpreters_of``
    names an image whose interpreters are copied, without what compiles, and the packages installed that they load.
    ``tools`` are exact requirements, complete with what they need, for a virtual environment in /opt/tools. ``run`` are
    commands of root at the end, without network; ``absent`` programs that must not be there, nor then any header.
    """

    base: str
    packages: tuple[str, ...] = ()
    pythons: Mapping[str, Cpython] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    interpreters_of: str = ""
    tools: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How an image serves: ``start`` is the command that becomes the server, ``ready`` exits with 0 when its user can
    log in.

    Both are scripts for ``sh -e``, with the variables of ``env`` and those of the recipe over them; ``PORT``, where it
    is to listen on 127.0.0.1 (``port``, or the next one where that is taken by another service); and ``SCRATCH``, the
    first folder of ``scratch``, or what stands for it on a host. It runs as ``user`` of the image, writes below
    ``scratch`` (in memory) only, and is given ``seconds`` to get ready. ``programs`` are what a host must have on its
    PATH (or in /usr/sbin, /usr/lib/*/…) to run it there.
    """

    port: int
    start: str
    ready: str
    user: str = "1000:1000"
    env: Mapping[str, str] = field(default_factory=dict)
    scratch: tuple[str, ...] = ("/run/service",)
    seconds: int = 60
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One system. Either ``reference`` names it by digest (``repository@sha256:…``), or ``making`` says how to make it.

    ``tag`` is where a digest is looked up. One that builds run in has a ``platform``, the tag of the oldest system that
    its own libc and libraries are good for; ``interpreters``, the path of Python by ABI; ``manager``, its package
    manager (apt, dnf, apk); ``test``, the image that tests run in; ``compilers``: zig, system. ``python`` is a Python 3
    for our own scripts. One with a ``server`` is a service.
    """

    name: str
    reference: str = ""
    tag: str = ""
    making: Making | None = None
    platform: str = ""
    interpreters: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    manager: str = ""
    test: str = ""
    compilers: tuple[str, ...] = ("zig", "system")
    server: Server | None = None

    @property
    def definition(self) -> str:
        """Digest of what it is made of, 64 hex digits: its digest in a registry, or how it is made; not how it serves.

        What an engine calls the image that it made differs on every machine, and counts nowhere; ``MAKING`` does. Of
        one that is made of another image the whole chain counts: ask ``defined``.
        """
        return digest([self.reference] if self.reference else [MAKING, self.name, self.making])


def defined(image: Image, images: Mapping[str, Image]) -> str:
    """The definition of the image with those of all that it is made of; ``KeyError`` for one that is absent."""
    making = image.making
    if image.reference or making is None:
        return image.definition
    parents = [name for name in (making.base, making.interpreters_of) if name in images]
    return digest([image.definition, [defined(images[name], images) for name in parents]])


def pinned(image: Image, sha256: str) -> Image:
    """The image by that digest of its tag's repository."""
    repository = image.tag.rpartition(":")[0] or image.tag
    return replace(image, reference=f"{repository}@sha256:{sha256}")
