"""Whether other processes of the same user may look into this one: trace it, and open what it has open."""
# _ctypes alone: the package around it would take longer to load than all else that a program of ours loads.

from __future__ import annotations

from _ctypes import call_function, dlopen, dlsym

_PR_SET_DUMPABLE = 4


def dumpable(may: int) -> None:
    """1: they may, as after every exec; 0: they may not."""
    here = dlopen(None, 2)  # type: ignore[arg-type]  # this program, and all that it is linked with
    call_function(dlsym(here, "prctl"), (_PR_SET_DUMPABLE, may, 0, 0, 0))
