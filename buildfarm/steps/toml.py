"""TOML that other people wrote: parsed, and never for long."""

from __future__ import annotations

import tomllib
from typing import Any

_MOST_DOTS = 500  # of a line: the time that a dotted key takes grows with the square of its parts


def parse_toml(text: str) -> dict[str, Any]:
    """The document; raises ``ValueError`` for what is no TOML, or is nested as none is in earnest."""
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise ValueError(f"a line has more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
