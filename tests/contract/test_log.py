from __future__ import annotations

from pathlib import Path

import pytest

from buildfarm.adapters.log import FileLog
from buildfarm.adapters.memory import MemoryLog
from buildfarm.ports import Log


@pytest.fixture(params=["memory", "files"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    return MemoryLog() if request.param == "memory" else FileLog(tmp_path / "logs")


def test_a_log_grows_and_is_read_at_once(log: Log) -> None:
    assert log.read("key.1") == b""
    log.append("key.1", b"one\n")
    assert log.read("key.1") == b"one\n"
    log.append("key.1", b"\xfftwo")
    assert log.read("key.1") == b"one\n\xfftwo"


def test_attempts_do_not_share_a_log(log: Log) -> None:
    log.append("key.1", b"one")
    log.append("key.2", b"two")
    assert (log.read("key.1"), log.read("key.2")) == (b"one", b"two")
    assert log.where("key.1") != log.where("key.2")


def test_a_file_is_where_it_says(tmp_path: Path) -> None:
    log = FileLog(tmp_path)
    log.append("key.1", b"one")
    assert Path(log.where("key.1")).read_bytes() == b"one"
