"""Labels: written, read, and who they name."""

from __future__ import annotations

import os

from buildfarm.adapters.container import labels
from buildfarm.adapters.container.labels import Labels


def test_what_is_written_is_read_and_what_is_empty_is_not_written() -> None:
    ours = labels.ours("home", "session", owner="worker", attempt="key.1", session="0123")
    assert Labels.read(ours.written) == ours
    assert labels.LAYER not in ours.written
    assert ours.written[labels.SESSION] == "0123"
    assert Labels.read({"somebody": "else"}) == Labels(farm="", kind="")


def test_a_process_is_told_from_a_later_one() -> None:
    ours = labels.ours("home", "session")
    assert ours.started == labels.since(os.getpid()) != ""
    assert labels.since(1) != ours.started
    assert labels.since(2**22 + 1) == ""


def test_filters_select_what_carries_all_of_them() -> None:
    assert Labels(farm="home", kind="", host="here").filters == {
        "label": ["buildfarm.farm=home", "buildfarm.host=here"]
    }
