"""Plain lines of what takes long: a sign of life now and then."""

from __future__ import annotations

import io
import time

from rich.console import Console

from buildfarm.app.progress import Lines
from buildfarm.ports import Progress


def test_what_goes_on_is_said_again_until_it_has_ended() -> None:
    file = io.StringIO()
    with Lines(Console(file=file, width=200), again=0.02) as screen:
        screen.report(Progress(job="", step="tool-chain", message="fetched"))
        screen.report(Progress(job="", step="tool-chain", message="warming …"))
        deadline = time.monotonic() + 10
        while file.getvalue().count("warming … 0 s so far") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        screen.report(Progress(job="", step="tool-chain", message="warm"))
        ended = file.getvalue()
        time.sleep(0.1)
    assert ended.endswith("warm\n")
    assert file.getvalue() == ended
    assert ended.count("fetched") == 1
