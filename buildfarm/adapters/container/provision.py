"""What a container session is given: the seam between images with our tools in them and where they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from buildfarm.model.session import SessionSpec, Stop
from buildfarm.model.system import SeenPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """An image of the engine, and what of it a session uses. All paths are absolute, of the image.

    ``image`` is the id or reference to create the container from. ``python`` is the interpreter that makes the venv,
    ``interpreter`` a Python from 3.9 on for our own scripts. ``path`` comes before the image's own folders on PATH;
    ``tools`` maps a tool's name to the argv that starts it; ``packages`` are the system packages in it.

    ``caches`` maps folders of the image to folders of the session (relative to its root: ``cache/zig``), where they are
    copied to before the first command, with their times, for commands to write to.
    """

    image: str
    python: str
    interpreter: str
    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packages: tuple[SeenPackage, ...] = ()
    caches: Mapping[str, str] = field(default_factory=dict)


Provide = Callable[[SessionSpec, Stop], AbstractContextManager[Provision]]
"""Gives a session what its environment and purpose ask for, as an image that stays until the context ends; raises
``Stopped`` when it has to be made and the other says so.
"""

TOOLCHAIN = "2"
"""Raised when what is given makes other bytes of the same source: flags, variables, the layout of our tools."""

ROOT = "/buildfarm/b"
"""The root of every session, at which commands see it."""
