"""What every session gives to its commands, on a host and in a container alike: folders, variables, paths inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from buildfarm.model.errors import FarmError

FOLDERS = ("source", "wheelhouse", "dist", "repaired", "scripts", "work", "home", "tmp")
"""Made below the session's root before anything else."""


def variables(root: str, path: tuple[str, ...], epoch: int, given: Mapping[str, str]) -> dict[str, str]:
    """The clean environment: ``path`` after the session's own programs, and what was ``given`` over the rest. What is
    here decides the bytes of wheels.
    """
    return {
        "PATH": ":".join((f"{root}/venv/bin", *path)),
        "HOME": f"{root}/home",
        "TMPDIR": f"{root}/tmp",  # noqa: S108 - the session's own
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch),
        "PYTHONHASHSEED": "0",
        **given,
    }


def parts_inside(root: str, path: str) -> tuple[str, ...]:
    """The parts of an absolute path below the session's root; raises ``FarmError`` for one that is not."""
    asked = PurePosixPath(path)
    if ".." in asked.parts or not asked.is_relative_to(root) or asked == PurePosixPath(root):
        raise FarmError(f"{path} is not inside the session's folder {root}")
    return asked.relative_to(root).parts
