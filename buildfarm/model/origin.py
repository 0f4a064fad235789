"""Where files come from: what upstream offers, and how an origin is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GIT = "git+"
"""How the origin of a commit begins; then come the URL of its repository, ``@`` and the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One file that upstream offers. ``sha256`` is empty where the index does not tell; ``origin`` a URL or absolute
    path; ``uploaded`` when it came there (PEP 700); ``yank_reason`` why it was ``yanked`` (PEP 592).
    """

    filename: str
    origin: str
    sha256: str = ""
    size: int = 0
    requires_python: str = ""
    yanked: bool = False
    yank_reason: str = ""
    uploaded: str = ""


def local_path(origin: str) -> Path | None:
    """The path that an origin names, or None where it is a URL."""
    return None if "://" in origin else Path(origin)
