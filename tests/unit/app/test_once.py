"""What is made late is made once."""

from __future__ import annotations

import threading
import time

import pytest

from buildfarm.app.once import Once


def test_many_threads_get_one_value() -> None:
    def make() -> object:
        time.sleep(0.02)
        return object()

    value, found = Once(make), []
    threads = [threading.Thread(target=lambda: found.append(value())) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_what_failed_is_tried_again() -> None:
    tries = iter((ValueError("not yet"), None))

    def make() -> str:
        if error := next(tries):
            raise error
        return "made"

    value = Once(make)
    with pytest.raises(ValueError, match="not yet"):
        value()
    assert value() == value() == "made"
