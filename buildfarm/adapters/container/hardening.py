"""What every container is denied that runs what others wrote: the arguments to create it with."""

from __future__ import annotations

import math
from typing import Any

from docker.types import LogConfig, Ulimit

from buildfarm.adapters.container.engine import Engine
from buildfarm.model.recipe import Limits

USER = "1000:1000"
"""Who commands of sessions run as."""

GRACE = 60
"""Seconds after the wall time limit, in which a container ends even if nobody looks after it."""

OURS = 8
"""Processes and threads of our own in a container, beside those that its limit allows."""

TMP = "rw,exec,nosuid,nodev,mode=1777,size=256m"
"""A folder in memory that everybody may write to."""

_FILES = 4096  # descriptors of one process: what every kernel grants, and no engine must be privileged to give
_MOST_PIDS = 1 << 22  # the kernel takes no larger number


def hardened(
    engine: Engine, limits: Limits, *, user: str = USER, scratch: tuple[str, ...] = (), network: str = "none"
) -> dict[str, Any]:
    """Arguments for ``containers.create``: no network (or that of ``container:ID``), no capabilities, a read-only root,
    and what the kernel can hold of the limits: processors, memory, processes, the size of a file.

    Only /tmp, /var/tmp and the folders of ``scratch`` can be written to; they are in memory, and count there.
    """
    return {
        "user": user,
        "network_mode": network,
        "read_only": True,
        "tmpfs": dict.fromkeys(("/tmp", "/var/tmp", *scratch), TMP),  # noqa: S108 - the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "nano_cpus": round(1e9 * max(0.01, min(limits.cpus, engine.processors))),
        "pids_limit": min(limits.pids + OURS, _MOST_PIDS),
        "ulimits": [_both("fsize", limits.disk), _both("nofile", _FILES), _both("core", 0)],
        "log_config": LogConfig(type="json-file", config={"max-size": f"{math.ceil(limits.log / (1 << 20))}m"}),
    }


def _both(name: str, most: int) -> Ulimit:
    return Ulimit(name=name, soft=most, hard=most)
