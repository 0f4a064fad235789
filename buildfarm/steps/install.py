"""Commands that make an environment in a session and fill it from the wheelhouse: an installer for each Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from buildfarm.model.session import Command, Layout
from buildfarm.model.target import Target

_MAKE, _INSTALL = "make the environment", "install the locked requirements"


def requires(target: Target) -> tuple[str, ...]:
    """Requirements of the installer itself, as text: the lock of every job of the target has to answer them."""
    return _installer(target).requires


def fill(target: Target, layout: Layout, wheels: Iterable[str]) -> tuple[Command, ...]:
    """Make a new environment, then install exactly these wheels, by path, without what ``requires`` brought.

    Whether they fit each other was the lock's business.
    """
    return _installer(target).fill(layout, tuple(wheels))


def _by_uv(layout: Layout, wheels: tuple[str, ...]) -> tuple[Command, ...]:
    uv = layout.tools["uv"]
    make = Command(
        argv=(*uv, "venv", "--quiet", "--offline", "--no-config", "--python", layout.python, layout.venv),
        cwd=layout.work,
        what=_MAKE,
    )
    install = Command(
        argv=(
            *uv,
            *("pip", "install", "--quiet", "--offline", "--no-config", "--no-index", "--no-deps", "--no-cache"),
            *("--link-mode", "copy", "--python", layout.venv_python),
            *wheels,
        ),
        cwd=layout.work,
        what=_INSTALL,
    )
    return (make, install) if wheels else (make,)


def _by_pip(layout: Layout, wheels: tuple[str, ...]) -> tuple[Command, ...]:
    """virtualenv and pip run out of their wheels, so that the environment holds neither."""
    programs = {name: wheel for wheel in wheels if (name := _project(wheel)) in _PIP.requires}
    make = Command(
        argv=(
            *(layout.python, "-m", "virtualenv", "--quiet", "--no-download"),
            *("--no-pip", "--no-setuptools", "--no-wheel", layout.venv),
        ),
        cwd=layout.work,
        what=_MAKE,
        env={"PYTHONPATH": programs["virtualenv"]},
    )
    others = tuple(wheel for wheel in wheels if wheel not in programs.values())
    install = Command(
        argv=(
            *(layout.venv_python, f"{programs['pip']}/pip", "install", "--isolated", "--quiet", "--no-index"),
            *("--no-deps", "--no-compile", "--no-cache-dir", "--no-python-version-warning"),
            *others,
        ),
        cwd=layout.work,
        what=_INSTALL,
    )
    return (make, install) if others else (make,)


def _project(wheel: str) -> str:
    return PurePosixPath(wheel).name.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installer:
    requires: tuple[str, ...]
    fill: Callable[[Layout, tuple[str, ...]], tuple[Command, ...]]


_UV = _Installer(requires=(), fill=_by_uv)
_PIP = _Installer(requires=("pip", "virtualenv"), fill=_by_pip)
_INSTALLERS = {(2, 7): _PIP}
"""By version of Python; uv for all others."""


def _installer(target: Target) -> _Installer:
    return _INSTALLERS.get(target.python, _UV)
