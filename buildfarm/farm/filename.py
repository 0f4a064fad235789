"""The name of a file that somebody sent or named: a wheel's (PEP 427) or an sdist's (PEP 625, and older ones)."""

from __future__ import annotations

import re

from packaging.version import Version

from buildfarm.model.distribution import Named, named
from buildfarm.model.errors import Refused

LONGEST = 230
"""Letters that a file name may have: there is room for what stands beside it, such as .metadata."""

_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+!-]{{0,{LONGEST - 1}}}")


def read_filename(name: str) -> Named:
    """Whose distribution it is; raises ``Refused`` for a name that is neither a wheel's nor an sdist's."""
    if not _PLAIN.fullmatch(name):
        raise Refused(f"{name!r} is no plain file name: at most {LONGEST} of A-Z, a-z, 0-9 and . _ + ! -")
    found = named(name)
    if found is None:
        raise Refused(
            f"{name!r} names neither a wheel (NAME-VERSION-PYTHON-ABI-PLATFORM.whl) nor an sdist (NAME-VERSION.tar.gz)"
        )
    return found


def version_of(text: str) -> Version | str:
    """A version that compares as PEP 440 says (1.0 is 1.0.0); the text itself where it is none."""
    try:
        return Version(text)
    except ValueError:  # an invalid version, or a number of thousands of digits
        return text.strip()
