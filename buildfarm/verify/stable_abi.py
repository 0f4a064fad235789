"""The stable ABI of CPython (PEP 384, PEP 652): which symbols are in it, and since which Python."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache


@cache
def stable_symbols() -> Mapping[str, tuple[int, int]]:
    """Name → the Python that it came with, ``(3, 9)``: functions and data, private names that macros use included.

    From abi3info, which is CPython's ``Misc/stable_abi.toml`` as a package; data of a package, constant as its code is.
    """
    from abi3info import DATAS, FUNCTIONS

    return {
        entry.symbol.name: (entry.added.major, entry.added.minor) for entry in (*FUNCTIONS.values(), *DATAS.values())
    }
