from __future__ import annotations

import os

import pytest

from buildfarm.adapters.host.processors import Processors


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5, 7})


def test_sessions_spread() -> None:
    processors = Processors()
    with processors.take(2) as one, processors.take(2) as other, processors.take(1) as third:
        assert (one, other, third) == ((0, 2), (5, 7), (0,))
        with processors.take(1) as fourth:
            assert fourth == (2,)
    with processors.take(2) as again:
        assert again == (0, 2)


def test_parts_are_rounded_up_and_no_more_is_given_than_there_is() -> None:
    with Processors().take(0.5) as half, Processors().take(100) as all_of_them:
        assert (half, all_of_them) == ((0,), (0, 2, 5, 7))
