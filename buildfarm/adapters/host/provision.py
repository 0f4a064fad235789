"""What a host session is given: the seam between what this machine has (tool-chains) and where it is used (the
runner).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from buildfarm.model.session import SessionSpec
from buildfarm.model.system import SeenPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """Read-only and writable folders that a session sees (each at the same path inside), variables, PATH, programs.

    ``path`` comes before the plain userland on PATH. ``python`` is the interpreter that makes the venv; ``tools``
    maps a tool's name to the argv that starts it; ``packages`` are the system packages among what it sees. All paths
    are absolute, of the host.
    """

    python: str
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packages: tuple[SeenPackage, ...] = ()


Provide = Callable[[SessionSpec], AbstractContextManager[Provision]]
"""Gives a session what its environment and purpose ask for; what must not be shared is held until the context ends."""
