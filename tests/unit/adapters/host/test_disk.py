from __future__ import annotations

import time
from pathlib import Path

import pytest

from buildfarm.adapters.host.disk import Disk
from buildfarm.model.errors import FarmError


def breaks(disk: Disk, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if disk.breaks():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_what_is_written_is_found_within_seconds(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 1_000_000, reserve=0)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(900_000))
    assert not breaks(disk, 1.5)
    assert 900_000 < disk.used < 1_000_000
    (tmp_path / "file").write_bytes(bytes(200_000))
    assert breaks(disk, 5)
    assert disk.used > 1_000_000
    disk.rest()


def test_holes_of_a_file_are_not_written(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    disk = Disk(tmp_path, 1_000_000)
    assert not disk.filled()
    (tmp_path / "full").write_bytes(bytes(1_000_000))
    assert disk.filled()


def test_a_full_disk_is_the_operators(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 1 << 40, reserve=1 << 60)
    with pytest.raises(FarmError, match=r"the disk of .* is full: .* left, 1048576 TiB are kept free .*; make room"):
        disk.breaks()


def test_without_du_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path, 1_000_000, reserve=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FarmError, match="install coreutils"):
        disk.filled()
