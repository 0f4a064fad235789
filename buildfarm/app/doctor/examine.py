"""Look at everything at once, for a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from buildfarm.app.doctor import containers, home, index, isolation, programs, python
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.doctor.report import Check, Group, Report, State
from buildfarm.model.errors import FarmError

PATIENCE = 4.5  # seconds

Look = Callable[[Patient], Iterable[Check]]
LOOKS: Mapping[str, Look] = {
    "Python": python.look,
    "Isolation": isolation.look,
    "Containers": containers.look,
    "Index": index.look,
    "Home": home.look,
    "Programs": programs.look,
}


def examine(patient: Patient, looks: Mapping[str, Look] = LOOKS, patience: float = PATIENCE) -> Report:
    """All groups in the order of ``looks``. What has not answered within ``patience`` seconds is said, and left behind.

    A look that raises ``FarmError`` or ``OSError`` has found the farm broken.
    """
    found: dict[str, tuple[Check, ...]] = {}

    def run(name: str, look: Look) -> None:
        try:
            found[name] = tuple(look(patient))
        except (FarmError, OSError) as error:
            found[name] = (Check(name=name.lower(), state=State.BROKEN, message=str(error)),)

    deadline = time.monotonic() + patience
    threads = [threading.Thread(target=run, args=each, name=each[0], daemon=True) for each in looks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return Report(groups=tuple(Group(name=name, checks=found.get(name) or _late(name, patience)) for name in looks))


def _late(name: str, patience: float) -> tuple[Check, ...]:
    message = f"no answer within {patience} s: try again, or look what this machine is busy with"
    return (Check(name=name.lower(), state=State.WARNING, message=message),)
