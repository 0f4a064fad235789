"""What zig links into every module for a target, as a layer: a cache that sessions copy and find warm."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.container.committed import never
from buildfarm.adapters.container.layers import Layers, Making, add
from buildfarm.adapters.container.tools import COMPILERS, ROOT, ZIG, Layer
from buildfarm.adapters.host import zig
from buildfarm.model.canonical import digest
from buildfarm.model.image import Image
from buildfarm.model.session import Stop
from buildfarm.model.target import Target

CACHE = f"{ROOT}/zig"
"""Where the cache is in an image."""

_LAYOUT = "2"  # raised when a layer is made in another way
_PROBES = f"{ROOT}/probes"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZigRuntime:
    """Makes the layers, for each image anew: zig takes a cache for stale when its own files have other inodes, so one
    that was warmed elsewhere, on this machine or in another image, serves nothing.
    """

    layers: Layers

    def on(self, tools: Layer, image: Image, target: Target, language: str, stop: Stop = never) -> Layer:
        """The layer ``tools`` of an image with the runtime for ``c``, or for ``c++`` and C."""
        below = tools if language == "c" else self.on(tools, image, target, "c", stop)
        name = zig.target_name(target)
        _, extension, effort = zig.LANGUAGES[language]
        key = digest(["zig", _LAYOUT, below.key, name, language])
        making = Making(
            base=below.image,
            what=f"warm zig's cache for {language} and {name} in {image.name} ({effort})",
            script=_script(name, language),
            fill=lambda archive: add(archive, f"{_PROBES}/probe{extension}", zig.PROBE.encode()),
        )
        return Layer(key=key, image=self.layers.made(key, lambda: making, stop))


def _script(target: str, language: str) -> str:
    said = {**zig.environment(Path(CACHE)), "BUILDFARM_ZIG_TARGET": target, "HOME": _PROBES}
    exports = " ".join(f"{each}={shlex.quote(value)}" for each, value in said.items())
    return "\n".join((f"cd {_PROBES}; export {exports}", *_links(target, language), f"cd /; rm -rf {_PROBES}"))


def _links(target: str, language: str) -> Iterator[str]:
    compiler, extension, _ = zig.LANGUAGES[language]
    if language == "c++":
        yield f"{ZIG} {zig.LIBCXX} -target {target}".format(extension=extension)
    for command in zig.COMMANDS:
        yield f"{COMPILERS}/{compiler} {command}".format(extension=extension)
