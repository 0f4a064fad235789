from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildfarm.adapters.host.headers import Headers, look, provide
from buildfarm.adapters.host.interpreters import Interpreter, probe
from buildfarm.model.errors import FarmError
from buildfarm.model.outcome import Reason
from buildfarm.ports import no_report

Debian = Callable[..., Interpreter]
VERSION = "3.11.2-6+deb12u6"


def test_an_interpreter_with_its_own_headers_is_used_as_it_is(interpreter: Interpreter, tmp_path: Path) -> None:
    found = look(interpreter, tmp_path)
    assert found == Headers(version="3.13.0")
    python = provide(interpreter, found, tmp_path / "home", {}, no_report)
    assert (python.python, python.readable) == (interpreter.executable, (interpreter.prefix,))


def test_debian_without_headers_fetches_those_of_what_is_installed(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib=VERSION, libpython3_stdlib="3.11.2-1+b1")
    assert look(python, tmp_path / "debian") == Headers(version=VERSION, package="libpython3.11-dev")


def test_debian_with_headers_has_them_flattened_under_the_same_version(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib=VERSION, libpython311_dev=VERSION)
    assert look(python, tmp_path / "debian") == Headers(version=VERSION, multiarch=python.include)


def test_a_removed_package_is_none(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib=VERSION)
    with (tmp_path / "debian/var/lib/dpkg/status").open("a") as status:
        status.write("\nPackage: libpython3.11-dev\nStatus: deinstall ok config-files\nVersion: 1\n")
    assert look(python, tmp_path / "debian") == Headers(version=VERSION, package="libpython3.11-dev")


def test_with_nothing_to_fetch_by_it_is_refused_with_the_package_to_install(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib=VERSION)
    (tmp_path / "debian/usr/bin/apt-get").unlink()
    assert look(python, tmp_path / "debian") == Reason(
        code="headers",
        message="/usr/bin/python3.11 has no Python.h, and it cannot be fetched",
        advice="apt install libpython3.11-dev",
    )


def test_an_interpreter_of_nobody_without_headers_is_refused(interpreter: Interpreter, tmp_path: Path) -> None:
    Path(interpreter.include, "Python.h").unlink()
    found = look(interpreter, tmp_path)
    assert isinstance(found, Reason)
    assert "another interpreter: uv python install" in found.advice


def test_a_fetch_that_fails_names_the_package_to_install(debian: Debian, tmp_path: Path, said: Any) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")
    (tools / "apt-get").chmod(0o755)
    python = debian(libpython311_stdlib=VERSION)
    (tmp_path / "python").touch()
    with pytest.raises(FarmError, match=r"(?s)apt-get: E: no network.*help: apt install libpython3\.11-dev"):
        provide(
            replace(python, executable=str(tmp_path / "python")),
            Headers(version=VERSION, package="libpython3.11-dev"),
            tmp_path / "home",
            {"PATH": str(tools)},
            said,
        )
    assert said.messages == [f"fetching the headers of {tmp_path}/python (libpython3.11-dev) …"]
    assert [path.suffix for path in (tmp_path / "home").iterdir()] == [".lock"]


@pytest.mark.host
@pytest.mark.skipif(not shutil.which("dpkg") or not shutil.which("python3", path="/usr/bin"), reason="no Debian")
class TestOnDebian:
    @pytest.fixture
    def python(self) -> Interpreter:
        return probe("/usr/bin/python3")

    def test_a_second_prefix_is_the_same_interpreter_with_headers(self, python: Interpreter, tmp_path: Path) -> None:
        found = look(python)
        if not isinstance(found, Headers) or not found.multiarch:
            pytest.skip("its headers are not installed")
        made = provide(python, found, tmp_path, dict(os.environ), no_report)
        self._check(python, made.python, tmp_path)
        inode = Path(made.python).stat().st_ino
        assert Path(provide(python, found, tmp_path, {}, no_report).python).stat().st_ino == inode

    @pytest.mark.network
    def test_headers_are_fetched_without_root(self, python: Interpreter, tmp_path: Path) -> None:
        version = look(python)
        assert isinstance(version, Headers)
        short = python.version.rpartition(".")[0]
        found = Headers(version=version.version, package=f"libpython{short}-dev")
        made = provide(python, found, tmp_path, dict(os.environ), no_report)
        self._check(python, made.python, tmp_path)
        assert made.headers.startswith(short)
        assert not list(tmp_path.glob("headers.*"))

    @staticmethod
    def _check(python: Interpreter, made: str, home: Path) -> None:
        script = "import sysconfig, sys; print(sysconfig.get_config_var('INCLUDEPY'), sysconfig.get_path('include'))"
        script += "; print(sysconfig.get_config_var('EXT_SUFFIX'), sys.base_prefix); import ssl, ctypes"
        done = subprocess.run([made, "-c", script], capture_output=True, text=True, check=True, env={})
        first, second, suffix, prefix = done.stdout.split()
        assert first == second
        assert Path(first).is_relative_to(home)
        assert "<x86_64" not in Path(first, "pyconfig.h").read_text()
        assert suffix == f".{python.soabi}.so"
        assert Path(prefix).is_relative_to(home)
        assert {path.name for path in Path(prefix).parent.iterdir()} == {Path(prefix).name, f"{Path(prefix).name}.lock"}
