from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildfarm.adapters.host import tools
from buildfarm.adapters.host.environments import host_environments
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.model.job import Environment
from buildfarm.model.target import Target

Debian = Callable[..., Interpreter]


def test_an_environment_says_what_it_is_made_of(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib="3.11.2-6+deb12u6")
    (tmp_path / "debian/etc").mkdir()
    (tmp_path / "debian/etc/os-release").write_text('NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n')
    assert host_environments((python,), system=tmp_path / "debian") == (
        (
            Environment(
                name="host",
                lane="linux-x86_64-host",
                target=Target(abi="cp311", platform="manylinux_2_17_x86_64"),
                definition={
                    "os": "linux",
                    "arch": "x86_64",
                    "libc": "glibc 2.17",
                    "abi": "cp311",
                    "python": "3.11.2",
                    "headers": "3.11.2-6+deb12u6",
                    "tools": tools.pinned(),
                },
                test_definition={"os": "debian 12", "arch": "x86_64", "abi": "cp311", "python": "3.11.2"},
                compilers=("zig",),
                release="debian 12",
            ),
        ),
        (),
    )


def test_to_install_the_headers_changes_nothing(debian: Debian, tmp_path: Path) -> None:
    python = debian(libpython311_stdlib="3.11.2-6+deb12u6")
    before = host_environments((python,), system=tmp_path / "debian")
    with (tmp_path / "debian/var/lib/dpkg/status").open("a") as status:
        status.write("\nPackage: libpython3.11-dev\nStatus: install ok installed\nVersion: 3.11.2-6+deb12u6\n")
    assert host_environments((python,), system=tmp_path / "debian") == before


def test_the_floor_is_the_sites(interpreter: Interpreter, tmp_path: Path) -> None:
    ((environment,), _) = host_environments((interpreter,), floor=(2, 28), system=tmp_path)
    assert str(environment.target) == "cp313-manylinux_2_28_x86_64"
    assert environment.definition["libc"] == "glibc 2.28"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"triple": "x86_64-alpine-linux-musl"}, "musl"),
        ({"triple": "i686-pc-linux-gnu"}, "arch"),
        ({"include": "/nowhere"}, "headers"),
    ],
)
def test_what_cannot_build_is_refused_and_the_others_stay(
    interpreter: Interpreter, tmp_path: Path, change: dict[str, str], code: str
) -> None:
    other = replace(interpreter, **change)
    environments, refused = host_environments((other, interpreter), system=tmp_path)
    assert [each.target.abi for each in environments] == ["cp313"]
    assert [(each.interpreter, each.reason.code) for each in refused] == [(other, code)]
    assert interpreter.executable in refused[0].reason.message
