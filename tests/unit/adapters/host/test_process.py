from __future__ import annotations

import os
import time

from buildfarm.adapters.host.process import Bounds, Output, follow
from buildfarm.model.session import Ended


def tail(*chunks: bytes) -> tuple[str, ...]:
    output = Output(lambda _: None, 10_000_000)
    for chunk in chunks:
        output.take(chunk)
    return output.tail()


def test_nothing_has_no_tail() -> None:
    assert tail() == tail(b"\n") == tail(b"\r\n") == ()


def test_lines_are_joined_across_chunks() -> None:
    assert tail(b"one\ntw", b"o\n", b"\nthree") == ("one", "two", "", "three")


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    assert tail(b"  0%\r 50%\r", b"100%\r\ndone\r\n") == ("100%", "done")


def test_a_long_output_keeps_its_end() -> None:
    lines = tail(*(f"line {number}\n".encode() for number in range(100_000)))
    assert (len(lines), lines[0], lines[-1]) == (60, "line 99940", "line 99999")


def test_one_endless_line_is_cut() -> None:
    assert tail(b"x" * 1_000_000) == ("x" * 65536,)


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert tail(b"caf\xe9 \xc3\xa9") == ("caf\N{REPLACEMENT CHARACTER} \N{LATIN SMALL LETTER E WITH ACUTE}",)


def test_what_does_not_fit_is_cut_and_said() -> None:
    heard: list[bytes] = []
    output = Output(heard.append, 5)
    assert output.take(b"1234")
    assert not output.take(b"5678")
    assert not output.take(b"9")
    assert (heard, output.written, output.tail()) == ([b"1234", b"5"], 5, ("12345",))


def test_what_was_written_just_before_the_end_is_heard() -> None:
    reading, writing = os.pipe()

    class EndsBetweenTwoLooks:
        """Somebody else has the pipe still, so that its end tells nothing."""

        said = b"last words"

        def poll(self) -> int:
            os.write(writing, self.said)
            self.said = b""
            return 0

    heard: list[bytes] = []
    output = Output(heard.append, 100)
    bounds = Bounds(deadline=time.monotonic() + 60, silence=60, log=100)
    with os.fdopen(reading, "rb", buffering=0) as pipe, os.fdopen(writing, "wb"):
        assert follow(EndsBetweenTwoLooks(), pipe, bounds, output, lambda: False) is Ended.EXITED
    assert heard == [b"last words"]
