from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.ports import Progress

Debian = Callable[..., Interpreter]


class Said:
    """Hears progress and keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, progress: Progress) -> None:
        self.messages.append(progress.message)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """One of its own prefix, with headers."""
    include = tmp_path / "own/include/python3.13"
    include.mkdir(parents=True)
    (include / "Python.h").touch()
    (include / "pyconfig.h").write_text("#define HAVE_ALLOCA 1\n")
    return Interpreter(
        executable=str(tmp_path / "own/bin/python3.13"),
        abi="cp313",
        version="3.13.0",
        triple="x86_64-pc-linux-gnu",
        soabi="cpython-313-x86_64-linux-gnu",
        platform="linux-x86_64",
        prefix=str(tmp_path / "own"),
        include=str(include),
        stdlib=str(tmp_path / "own/lib/python3.13"),
    )


@pytest.fixture
def debian(tmp_path: Path, interpreter: Interpreter) -> Debian:
    """A Debian below ``tmp_path / "debian"`` with these packages installed, as name and version; answers its Python."""

    def make(**packages: str) -> Interpreter:
        system = tmp_path / "debian"
        include = system / "usr/include/python3.11"
        lists = system / "var/lib/dpkg/info"
        lists.mkdir(parents=True)
        (system / "usr/bin").mkdir(parents=True)
        (system / "usr/bin/apt-get").touch()
        (lists / "python3.11-minimal.list").write_text("/.\n/usr/bin/python3.11\n")
        status = []
        for name, version in packages.items():
            package = name.replace("_", "-").replace("311", "3.11")
            status.append(f"Package: {package}\nStatus: install ok installed\nVersion: {version}\n")
        (system / "var/lib/dpkg/status").write_text("\n".join(status))
        if "libpython311_dev" in packages:
            include.mkdir(parents=True)
            (include / "Python.h").touch()
            (include / "pyconfig.h").write_text("# include <x86_64-linux-gnu/python3.11/pyconfig.h>\n")
        return replace(
            interpreter,
            executable="/usr/bin/python3.11",
            abi="cp311",
            version="3.11.2",
            soabi="cpython-311-x86_64-linux-gnu",
            prefix="/usr",
            include=str(include),
            stdlib="/usr/lib/python3.11",
        )

    return make
