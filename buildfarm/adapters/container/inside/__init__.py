"""Programs that run in containers, by the image's own Python: 3.9 or later, and its standard library alone."""

from __future__ import annotations

import re
from importlib.resources import files

_OURS = re.compile(r"^from buildfarm\.\S+ import .*\n", re.MULTILINE)
_FUTURE = re.compile(r"^from __future__ import .*\n", re.MULTILINE)


def program(*names: str) -> str:
    """Modules of this package as one source, for ``python -c``: what a module imports of another comes before it."""
    sources = [files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8") for name in names]
    joined = "".join(_FUTURE.sub("", _OURS.sub("", source)) for source in sources)
    return f"from __future__ import annotations\n{joined}"
