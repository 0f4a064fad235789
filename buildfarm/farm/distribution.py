"""What a distribution says of itself, read from its bytes without running or unpacking any of it."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import HeaderParser
from typing import IO

from buildfarm.model.errors import Refused, Unavailable
from buildfarm.steps.archive import entries
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.wheelfile import only_metadata

_LONGEST = 1 << 20  # bytes of a PKG-INFO that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Name, version and ``requires_python`` as they are written, empty where they are not.

    ``metadata`` is the file that is served beside a wheel (PEP 658); empty for an sdist, which has none.
    """

    project: str
    version: str
    requires_python: str
    metadata: bytes = b""


def read_distribution(name: str, content: IO[bytes]) -> Distribution:
    """Read a wheel's METADATA or an sdist's PKG-INFO from seekable bytes.

    Raises ``Refused`` for an archive that is broken or not safe, or a wheel without METADATA.
    """
    content.seek(0)
    try:
        return _wheel(name, content) if name.endswith(".whl") else _sdist(name, content)
    except NotAWheel as problem:
        raise Refused(f"{name} is not a wheel: {problem}") from problem
    except Unavailable as unavailable:
        raise Refused(str(unavailable)) from unavailable


def _wheel(name: str, content: IO[bytes]) -> Distribution:
    said = only_metadata(name, content)
    return Distribution(
        project=said.name, version=said.version, requires_python=said.requires_python, metadata=said.raw
    )


def _sdist(name: str, content: IO[bytes]) -> Distribution:
    """PKG-INFO stands at the top of an sdist (PEP 643); archives older than that may have none."""
    info = HeaderParser().parsestr("")
    for entry in entries(name, content):
        if entry.path == "PKG-INFO" and entry.kind == "file":
            with entry.open() as file:
                info = HeaderParser().parsestr(file.read(_LONGEST).decode("utf-8", "replace"))
    said = (info[key] or "" for key in ("Name", "Version", "Requires-Python"))
    project, version, requires_python = said
    return Distribution(project=project, version=version, requires_python=requires_python)
