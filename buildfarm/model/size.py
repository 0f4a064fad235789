"""Bytes, for people."""

from __future__ import annotations

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """A number of bytes in the largest unit of which there is a whole one: ``512 MiB``, ``1.5 GiB``."""
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"
