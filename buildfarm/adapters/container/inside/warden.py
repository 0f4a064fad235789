"""The first process of a session's container: its deadline, and the parent of its orphans.

``python -c … SECONDS`` lives that long and exits with 97; then the kernel ends all that is left. Nothing inside can end
it before: the kernel lets no signal through to a first process that does not listen to it, and it cannot be traced.
"""

import os
import signal
import sys
import time

from buildfarm.adapters.container.inside.dumpable import dumpable

DEADLINE = 97


def main(seconds: float) -> None:
    """Wait; whoever has no parent any more is buried here."""
    deadline = time.monotonic() + seconds
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    dumpable(0)
    while (left := deadline - time.monotonic()) > 0:
        signal.sigtimedwait({signal.SIGCHLD}, left)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
    sys.exit(DEADLINE)


if __name__ == "__main__":
    main(float(sys.argv[1]))
