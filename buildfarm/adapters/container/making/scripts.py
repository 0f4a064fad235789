"""Our scripts that run as root in containers."""

from __future__ import annotations

import shlex
from importlib.resources import files


def script(name: str, *arguments: str) -> str:
    """One of them with its arguments, for ``sh -e``."""
    words = " ".join(shlex.quote(each) for each in arguments)
    text = files(__package__).joinpath("inside", f"{name}.sh").read_text(encoding="utf-8")
    return f"set -- {words}\n{text}"
