"""The name of a file that somebody sent or named: a wheel's (PEP 427) or an sdist's (PEP 625, and older ones)."""

from __future__ import annotations

import re

from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version

from buildfarm.model.distribution import WHEEL, Named, named
from buildfarm.model.errors import Refused

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,229}")  # room for what stands beside it, such as .metadata


def read_filename(name: str) -> Named:
    """Whose distribution it is; raises ``Refused`` for a name that is neither a wheel's nor an sdist's."""
    if not _PLAIN.fullmatch(name):
        raise Refused(f"{name!r} is no plain file name: at most 230 of A-Z, a-z, 0-9 and . _ + ! -")
    found = named(name)
    if found is None:
        raise Refused(
            f"{name!r} names neither a wheel (NAME-VERSION-PYTHON-ABI-PLATFORM.whl) nor an sdist (NAME-VERSION.tar.gz)"
        )
    return found


def spelt_alike(one: str, other: str) -> bool:
    """Whether two names of one project's files, spelt as they may be, are the same name for an installer."""
    return _meaning(one) == _meaning(other)


def _meaning(name: str) -> object:
    if name.endswith(WHEEL):
        return parse_wheel_filename(name)
    found = named(name)
    return (version_of(found.version) if found else name, name.rpartition(".")[2])


def version_of(text: str) -> Version | str:
    """A version that compares as PEP 440 says (1.0 is 1.0.0); the text itself where it is none."""
    try:
        return Version(text)
    except InvalidVersion:
        return text.strip()
