"""A build that is told to stop says so at once."""

from __future__ import annotations

import signal
import threading

import pytest

from buildfarm.app.local import quit_on_signals
from buildfarm.ports import Progress


@pytest.mark.parametrize("word", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_answered_while_what_it_interrupted_holds_its_locks(word: signal.Signals) -> None:
    lock, heard = threading.Lock(), threading.Event()
    said: list[str] = []

    def report(progress: Progress) -> None:
        with lock:
            said.append(progress.message)
            heard.set()

    before = signal.getsignal(word)
    with quit_on_signals(report) as quit_:
        with pytest.raises(KeyboardInterrupt), lock:
            signal.raise_signal(word)
        assert quit_.is_set()
        assert heard.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(word)
    assert signal.getsignal(word) is before
    (line,) = said
    assert line.startswith("stopping: ")
