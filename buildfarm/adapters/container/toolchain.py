"""What a container session is given: an image with our tools and the compiler that it asks for; for a test, neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from buildfarm.adapters.container import tools
from buildfarm.adapters.container.committed import never
from buildfarm.adapters.container.images import Images
from buildfarm.adapters.container.provision import ROOT, Provision
from buildfarm.adapters.container.system import SystemPackages
from buildfarm.adapters.container.tools import Layer, Tools
from buildfarm.adapters.container.zig_runtime import CACHE, ZigRuntime
from buildfarm.adapters.host import zig
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image, defined
from buildfarm.model.session import Purpose, SessionSpec, Stop

_CACHE = "cache/zig"  # of a session, below its root
_PLAIN = {"CFLAGS": "-g0", "CXXFLAGS": "-g0", "FFLAGS": "-g0"}  # debug data names folders; CPython's own flags say -g


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerToolchain:
    """Provides for sessions in the images of one engine; layers that are missing are made when first asked for."""

    images: Images
    tools: Tools
    zig: ZigRuntime
    system: SystemPackages

    @contextmanager
    def provide(self, spec: SessionSpec, stop: Stop) -> Iterator[Provision]:
        """What a session sees: a ``Provide``.

        Raises ``FarmError`` when a layer cannot be made or the images are not those that the job was planned for,
        ``StepFailed`` (code ``packages``) when the image's package manager refuses what the recipe names, ``Stopped``
        when ``stop`` says so while a layer is made.
        """
        if spec.purpose is Purpose.TEST:
            yield self._test(spec, stop)
        elif spec.system or spec.compiler == "system":
            yield self._native(spec, stop)
        else:
            yield self._zig(spec, stop)

    def warm(self, specs: Iterable[SessionSpec]) -> None:
        """Make the layers of these sessions, before they ask."""
        for spec in specs:
            with self.provide(spec, never):
                pass

    def _test(self, spec: SessionSpec, stop: Stop) -> Provision:
        environment = spec.environment
        image, built_in = self._image(environment.test_image), self._image(environment.image)
        layer = self.tools.for_tests(image, self._definition(image), built_in.platform, self._base(image), stop)
        return Provision(
            image=layer.image,
            python=_python(image, spec),
            interpreter=image.python,
            tools={"uv": (tools.UV,)},
        )

    def _native(self, spec: SessionSpec, stop: Stop) -> Provision:
        """With the image's own compiler, and system packages installed in it."""
        image, ours = self._ours(spec, stop)
        layer = self.system.on(ours, image, spec.system, spec.generation, stop)
        return Provision(
            image=layer.image,
            python=_python(image, spec),
            interpreter=image.python,
            path=(tools.ON_PATH,),
            env={"CMAKE_GENERATOR": "Ninja", **_PLAIN},
            tools=tools.modules(image.python),
            packages=self.system.seen(layer),
        )

    def _zig(self, spec: SessionSpec, stop: Stop) -> Provision:
        """With zig, for which the image's own headers and libraries are not there."""
        image, ours = self._ours(spec, stop)
        target = spec.environment.target
        layer = self.zig.on(ours, image, target, "c++" if spec.cxx else "c", stop)
        return Provision(
            image=layer.image,
            python=_python(image, spec),
            interpreter=image.python,
            path=(tools.COMPILERS, tools.ON_PATH),
            env={
                "CMAKE_GENERATOR": "Ninja",
                "PKG_CONFIG_LIBDIR": tools.EMPTY,
                "BUILDFARM_ZIG_TARGET": zig.target_name(target),
                **zig.COMPILERS,
                **dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), f"{ROOT}/{_CACHE}"),
            },
            tools=tools.modules(image.python),
            caches={CACHE: _CACHE},
        )

    def _ours(self, spec: SessionSpec, stop: Stop) -> tuple[Image, Layer]:
        image = self._image(spec.environment.image)
        return image, self.tools.for_builds(image, self._definition(image), self._base(image), stop)

    def _image(self, name: str) -> Image:
        try:
            return self.images.images[name]
        except KeyError:
            raise FarmError(f"images/{name}.yaml is gone; it was here when the job was planned") from None

    def _definition(self, image: Image) -> str:
        return defined(image, self.images.images)

    def _base(self, image: Image) -> Callable[[], str]:
        return lambda: self.images.obtain(image.name)


def _python(image: Image, spec: SessionSpec) -> str:
    abi = spec.environment.target.abi
    try:
        return image.interpreters[abi]
    except KeyError:
        raise FarmError(f"images/{image.name}.yaml names no interpreter for {abi}") from None
