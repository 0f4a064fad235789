"""A network of a loopback alone, which several sandboxes share for as long as it is kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, cast

from buildfarm.model.errors import FarmError

ENTER = "nsenter"
"""The program that goes into a network that is kept."""

_KEEP = ("/bin/sh", "-c", "echo $$; exec cat")  # its standard input is a leash: it ends with us, however we end


@contextmanager
def kept(bwrap: str, env: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The argv that goes into a new network and becomes what follows it; raises ``FarmError`` when none can be had.

    ``bwrap`` is a bubblewrap that works; ``env`` the variables of the process that keeps the network.
    """
    nsenter = shutil.which(ENTER, path="/usr/bin:/bin")
    if nsenter is None:
        raise FarmError(f"services beside a sandbox take {ENTER}; install util-linux")
    keep = (bwrap, "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", *_KEEP)
    with subprocess.Popen(keep, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(env), bufsize=0) as keeper:
        pid = cast("IO[bytes]", keeper.stdout).readline().decode().strip()  # said when its loopback is up
        if not pid:
            raise FarmError(f"{bwrap} could not make a network for services")
        where = (f"--user=/proc/{pid}/ns/user", f"--net=/proc/{pid}/ns/net")
        yield (nsenter, *where, "--preserve-credentials", "--")
